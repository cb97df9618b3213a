/* safetensors.c: opening and reading. Structure and checksums are checked once, at opening; numbers when they are read.
 */
#include "model/storage/safetensors.h"

#include <math.h>
#include <nettle/sha2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/storage/file_bytes.h"
#include "model/storage/half.h"
#include "model/storage/safetensors_checksums.h"
#include "model/storage/safetensors_header.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tensors are copied as they stand in the file");

struct safetensors {
    char *path;
    file_bytes content;
    const unsigned char *data; /* inside the content, behind the header */
    safetensors_header header;
    int verified; /* it has checksums, and they are right */
    char sha256[2 * SHA256_DIGEST_SIZE + 1];
};

static void hash_file(safetensors *file)
{
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&context);
    sha256_update(&context, file->content.size, file->content.bytes);
    sha256_digest(&context, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++)
        snprintf(file->sha256 + 2 * i, 3, "%02x", digest[i]);
}

static int parse(safetensors *file, caption_error *err)
{
    const char *path = file->path;
    size_t size = file->content.size;
    if (size == 0)
        return caption_fail(err, CAPTION_EFORMAT, "%s: the file is empty", path);
    if (size < SAFETENSORS_PREFIX)
        return caption_fail(err, CAPTION_EFORMAT, "%s: %zu bytes are too few for a safetensors file", path, size);
    uint64_t length;
    memcpy(&length, file->content.bytes, sizeof length);
    if (length > size - SAFETENSORS_PREFIX)
        return caption_fail(err, CAPTION_EFORMAT,
                            "%s: a header of %llu bytes in a file of %zu: truncated or not safetensors", path,
                            (unsigned long long)length, size);
    if (length > SAFETENSORS_MAX_HEADER)
        return caption_fail(err, CAPTION_ELIMIT, "%s: a header of %llu bytes, more than the limit of %d", path,
                            (unsigned long long)length, SAFETENSORS_MAX_HEADER);
    file->data = file->content.bytes + SAFETENSORS_PREFIX + length;
    return safetensors_header_parse(&file->header, path, file->content.bytes + SAFETENSORS_PREFIX, (size_t)length,
                                    size - SAFETENSORS_PREFIX - (size_t)length, err);
}

int safetensors_open(safetensors **out, const char *path, caption_error *err)
{
    *out = NULL;
    safetensors *file = calloc(1, sizeof *file);
    if (!file || !(file->path = strdup(path))) {
        free(file);
        return caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", path);
    }
    int status = file_bytes_read(&file->content, path, err);
    if (status == CAPTION_OK)
        status = parse(file, err);
    if (status == CAPTION_OK)
        status = safetensors_checksums_verify(&file->header, path, file->data, &file->verified, err);
    if (status != CAPTION_OK) {
        safetensors_close(file);
        return status;
    }
    hash_file(file);
    *out = file;
    return CAPTION_OK;
}

void safetensors_close(safetensors *file)
{
    if (!file)
        return;
    safetensors_header_free(&file->header);
    file_bytes_free(&file->content);
    free(file->path);
    free(file);
}

const char *safetensors_metadata(const safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->header.pairs; i++)
        if (strcmp(file->header.metadata[i][0], key) == 0)
            return file->header.metadata[i][1];
    return NULL;
}

int safetensors_metadata_at(const safetensors *file, size_t i, const char **key, const char **value)
{
    if (i >= file->header.pairs)
        return 0;
    *key = file->header.metadata[i][0];
    *value = file->header.metadata[i][1];
    return 1;
}

const char *safetensors_sha256(const safetensors *file)
{
    return file->sha256;
}

int safetensors_verified(const safetensors *file)
{
    return file->verified;
}

void safetensors_drop_data(safetensors *file)
{
    file_bytes_free(&file->content);
    file->data = NULL;
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

enum { SHAPE_TEXT = 24 * SAFETENSORS_MAX_DIMS };

/* "[2, 3]" */
static const char *shape_text(char text[SHAPE_TEXT], int ndims, const size_t *dims)
{
    int length = snprintf(text, SHAPE_TEXT, "[");
    for (int i = 0; i < ndims; i++)
        length += snprintf(text + length, SHAPE_TEXT - (size_t)length, "%s%zu", i ? ", " : "", dims[i]);
    snprintf(text + length, SHAPE_TEXT - (size_t)length, "]");
    return text;
}

static const safetensors_entry *find_name(const safetensors *file, const char *name)
{
    for (size_t i = 0; i < file->header.tensors; i++)
        if (strcmp(file->header.entries[i].name, name) == 0)
            return &file->header.entries[i];
    return NULL;
}

int safetensors_has(const safetensors *file, const char *name)
{
    return find_name(file, name) != NULL;
}

static int find(const safetensors *file, const char *name, int ndims, const size_t *dims, const safetensors_entry **out,
                caption_error *err)
{
    const safetensors_entry *entry = find_name(file, name);
    if (!file->data)
        return caption_fail(err, CAPTION_EINVAL, "%s: tensor %s: the data was dropped", file->path, name);
    if (!entry)
        return caption_fail(err, CAPTION_EFORMAT, "%s: tensor %s is missing", file->path, name);
    if (entry->ndims != ndims || memcmp(entry->dims, dims, (size_t)ndims * sizeof *dims) != 0) {
        char has[SHAPE_TEXT], needs[SHAPE_TEXT];
        return caption_fail(err, CAPTION_EFORMAT, "%s: tensor %s: shape %s, expected %s", file->path, name,
                            shape_text(has, entry->ndims, entry->dims), shape_text(needs, ndims, dims));
    }
    *out = entry;
    return CAPTION_OK;
}

static int not_finite(const safetensors *file, const char *name, size_t element, double value, caption_error *err)
{
    return caption_fail(err, CAPTION_EFORMAT, "%s: tensor %s: element %zu is %s", file->path, name, element,
                        isnan(value) ? "not a number" : "infinite");
}

int safetensors_read(const safetensors *file, const char *name, int ndims, const size_t *dims, float *out,
                     caption_error *err)
{
    const safetensors_entry *entry;
    int status = find(file, name, ndims, dims, &entry, err);
    if (status != CAPTION_OK)
        return status;
    if (entry->type == SAFETENSORS_F64)
        return caption_fail(err, CAPTION_EFORMAT, "%s: tensor %s: type F64, expected F16 or F32", file->path, name);
    if (entry->type == SAFETENSORS_F16)
        half_widen(out, file->data + entry->begin, entry->elements);
    else
        memcpy(out, file->data + entry->begin, entry->end - entry->begin);
    for (size_t i = 0; i < entry->elements; i++)
        if (!isfinite(out[i]))
            return not_finite(file, name, i, out[i], err);
    return CAPTION_OK;
}

int safetensors_read_f64(const safetensors *file, const char *name, int ndims, const size_t *dims, double *out,
                         caption_error *err)
{
    const safetensors_entry *entry;
    int status = find(file, name, ndims, dims, &entry, err);
    if (status != CAPTION_OK)
        return status;
    if (entry->type != SAFETENSORS_F64)
        return caption_fail(err, CAPTION_EFORMAT, "%s: tensor %s: type %s, expected F64", file->path, name,
                            safetensors_type_name(entry->type));
    memcpy(out, file->data + entry->begin, entry->end - entry->begin);
    for (size_t i = 0; i < entry->elements; i++)
        if (!isfinite(out[i]))
            return not_finite(file, name, i, out[i], err);
    return CAPTION_OK;
}
