/* safetensors_write.c: the same arguments give the same bytes.
 *
 * Tensors are laid out widest type first and the header is padded to 8 bytes, so that every number is aligned for
 * readers that map the file. Before a byte is written the header is read back by our own reader: bad UTF-8, a
 * duplicate name or too many tensors are the caller's mistake and must not reach the disk. What was read back is also
 * what the checksums are taken of, which a second header text then carries. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/storage/atomic_file.h"
#include "model/storage/half.h"
#include "model/storage/safetensors_checksums.h"
#include "model/storage/safetensors_header.h"

enum { HEADER_ALIGN = 8, CHUNK = 4096 /* numbers converted at a time */ };

static const enum safetensors_type layout_order[] = {SAFETENSORS_F64, SAFETENSORS_F32, SAFETENSORS_F16};
enum { LAYOUT_PASSES = sizeof layout_order / sizeof *layout_order };

/* ---- the header text --------------------------------------------------------------------------------------------- */

static void put_string(FILE *text, const char *string)
{
    putc('"', text);
    for (const char *at = string; *at; at++) {
        if (*at == '"' || *at == '\\')
            fprintf(text, "\\%c", *at);
        else if ((unsigned char)*at < 0x20)
            fprintf(text, "\\u%04x", (unsigned)*at);
        else
            putc(*at, text);
    }
    putc('"', text);
}

static void put_pair(FILE *text, const char *key, const char *value)
{
    put_string(text, key);
    putc(':', text);
    put_string(text, value);
}

static void put_metadata(FILE *text, const char *const (*metadata)[2], const char *checksums)
{
    fputs("\"__metadata__\":{", text);
    for (size_t i = 0; metadata && metadata[i][0]; i++) {
        put_pair(text, metadata[i][0], metadata[i][1]);
        putc(',', text);
    }
    put_pair(text, safetensors_checksums_key, checksums);
    putc('}', text);
}

static void put_tensor(FILE *text, const safetensors_tensor *tensor, size_t begin, size_t end)
{
    putc(',', text);
    put_string(text, tensor->name);
    fprintf(text, ":{\"dtype\":\"%s\",\"shape\":[", safetensors_type_name(tensor->type));
    for (int i = 0; i < tensor->ndims; i++)
        fprintf(text, i ? ",%zu" : "%zu", tensor->dims[i]);
    fprintf(text, "],\"data_offsets\":[%zu,%zu]}", begin, end);
}

/* The number of elements, or SIZE_MAX if their bytes overflow. */
static size_t elements_of(const safetensors_tensor *tensor)
{
    size_t elements = 1, bytes;
    for (int i = 0; i < tensor->ndims; i++)
        if (__builtin_mul_overflow(elements, tensor->dims[i], &elements))
            return SIZE_MAX;
    return __builtin_mul_overflow(elements, safetensors_type_size(tensor->type), &bytes) ? SIZE_MAX : elements;
}

/* Writes the header into `text`; returns the bytes of data it promises. */
static size_t put_header(FILE *text, const char *const (*metadata)[2], const char *checksums, size_t tensors,
                         const safetensors_tensor *tensor)
{
    size_t end = 0;
    putc('{', text);
    put_metadata(text, metadata, checksums);
    for (int pass = 0; pass < LAYOUT_PASSES; pass++)
        for (size_t i = 0; i < tensors; i++) {
            if (tensor[i].type != layout_order[pass])
                continue;
            size_t begin = end;
            end += elements_of(&tensor[i]) * safetensors_type_size(tensor[i].type);
            put_tensor(text, &tensor[i], begin, end);
        }
    putc('}', text);
    while (ftell(text) % HEADER_ALIGN)
        putc(' ', text);
    return end;
}

/* The header as a string of *size bytes for the caller to free, or NULL when out of memory. */
static char *header_text(const char *const (*metadata)[2], const char *checksums, size_t tensors,
                         const safetensors_tensor *tensor, size_t *size, size_t *data_size)
{
    char *text = NULL;
    FILE *stream = open_memstream(&text, size);
    if (!stream)
        return NULL;
    *data_size = put_header(stream, metadata, checksums, tensors, tensor);
    int failed = ferror(stream);
    failed |= fclose(stream);
    if (failed) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- the data ---------------------------------------------------------------------------------------------------- */

/* The first element that the type in the file cannot hold as a finite number, or `elements`. */
static size_t first_bad(const safetensors_tensor *tensor, size_t elements)
{
    const float *floats = tensor->data;
    const double *doubles = tensor->data;
    size_t i = 0;
    if (tensor->type == SAFETENSORS_F64)
        while (i < elements && isfinite(doubles[i]))
            i++;
    else if (tensor->type == SAFETENSORS_F32)
        while (i < elements && isfinite(floats[i]))
            i++;
    else
        while (i < elements && fabsf(floats[i]) < 65520.0f) /* what half precision rounds to infinity */
            i++;
    return i;
}

static int check_tensors(const char *path, size_t tensors, const safetensors_tensor *tensor, caption_error *err)
{
    for (size_t i = 0; i < tensors; i++) {
        int possible = tensor[i].ndims >= 0 && tensor[i].ndims <= SAFETENSORS_MAX_DIMS;
        size_t elements = possible ? elements_of(&tensor[i]) : SIZE_MAX;
        if (elements == SIZE_MAX)
            return caption_fail(err, CAPTION_EINVAL, "%s: tensor %s: impossible shape", path, tensor[i].name);
        size_t bad = first_bad(&tensor[i], elements);
        if (bad < elements)
            return caption_fail(err, CAPTION_EINVAL, "%s: tensor %s: element %zu is not finite in %s", path,
                                tensor[i].name, bad, safetensors_type_name(tensor[i].type));
    }
    return CAPTION_OK;
}

/* Where the bytes of tensors go: into a file, or only into the hash. */
typedef struct sink {
    atomic_file *file; /* or NULL */
    struct sha256_ctx hash;
} sink;

static void put_bytes(sink *to, const void *bytes, size_t size)
{
    if (to->file)
        atomic_file_write(to->file, bytes, size);
    else
        sha256_update(&to->hash, size, bytes);
}

static void put_halves(sink *to, const float *values, size_t count)
{
    uint16_t chunk[CHUNK];
    for (size_t done = 0; done < count; done += CHUNK) {
        size_t n = count - done < CHUNK ? count - done : CHUNK;
        half_narrow(chunk, values + done, n);
        put_bytes(to, chunk, n * sizeof *chunk);
    }
}

static void put_data(sink *to, const safetensors_tensor *tensor)
{
    size_t elements = elements_of(tensor);
    if (tensor->type == SAFETENSORS_F16)
        put_halves(to, tensor->data, elements);
    else
        put_bytes(to, tensor->data, elements * safetensors_type_size(tensor->type));
}

static void write_data(atomic_file *file, size_t tensors, const safetensors_tensor *tensor)
{
    sink to = {.file = file};
    for (int pass = 0; pass < LAYOUT_PASSES; pass++)
        for (size_t i = 0; i < tensors; i++)
            if (tensor[i].type == layout_order[pass])
                put_data(&to, &tensor[i]);
}

static int write_file(const char *path, const char *text, size_t size, size_t tensors, const safetensors_tensor *tensor,
                      caption_error *err)
{
    atomic_file file;
    int status = atomic_file_open(&file, path, err);
    if (status != CAPTION_OK)
        return status;
    uint64_t length = size;
    atomic_file_write(&file, &length, sizeof length);
    atomic_file_write(&file, text, size);
    write_data(&file, tensors, tensor);
    return atomic_file_commit(&file, err);
}

/* ---- the checksums ----------------------------------------------------------------------------------------------- */

static const safetensors_tensor *find_tensor(const char *name, const safetensors_tensor *tensor)
{
    while (strcmp(tensor->name, name) != 0)
        tensor++;
    return tensor;
}

/* The lines of safetensors_checksums.h for the caller to free, or NULL when out of memory. */
static char *checksum_lines(const safetensors_header *header, const safetensors_tensor *tensor)
{
    char *lines = NULL, sum[SAFETENSORS_HEX + 1];
    size_t size;
    sink to = {.file = NULL};
    FILE *stream = open_memstream(&lines, &size);
    if (!stream)
        return NULL;
    sha256_init(&to.hash);
    for (size_t i = 0; i < header->tensors; i++) {
        put_data(&to, find_tensor(header->entries[i].name, tensor));
        safetensors_checksum_text(&to.hash, sum);
        fprintf(stream, "%s  %s\n", sum, header->entries[i].name);
    }
    safetensors_checksum_header(header, sum);
    fprintf(stream, "%s  %s\n", sum, safetensors_checksums_rest);
    int failed = ferror(stream);
    failed |= fclose(stream);
    if (!failed)
        return lines;
    free(lines);
    return NULL;
}

/* Reads the header back with our own reader: what must not reach the disk fails here. */
static int make_checksums(const char *path, const char *const (*metadata)[2], size_t tensors,
                          const safetensors_tensor *tensor, char **lines, caption_error *err)
{
    size_t size, data_size;
    safetensors_header header;
    char *text = header_text(metadata, "", tensors, tensor, &size, &data_size);
    *lines = NULL;
    if (!text)
        return caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", path);
    int status = safetensors_header_parse(&header, path, text, size, data_size, err);
    free(text);
    if (status != CAPTION_OK)
        return status;
    *lines = checksum_lines(&header, tensor);
    safetensors_header_free(&header);
    return *lines ? CAPTION_OK : caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", path);
}

int safetensors_write(const char *path, const char *const (*metadata)[2], size_t tensors,
                      const safetensors_tensor *tensor, caption_error *err)
{
    size_t size, data_size;
    char *lines, *text;
    int status = check_tensors(path, tensors, tensor, err);
    if (status == CAPTION_OK)
        status = make_checksums(path, metadata, tensors, tensor, &lines, err);
    if (status != CAPTION_OK)
        return status;
    text = header_text(metadata, lines, tensors, tensor, &size, &data_size);
    if (!text)
        status = caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", path);
    else if (size > SAFETENSORS_MAX_HEADER)
        status = caption_fail(err, CAPTION_ELIMIT, "%s: a header of %zu bytes, more than the limit of %d", path, size,
                              SAFETENSORS_MAX_HEADER);
    else
        status = write_file(path, text, size, tensors, tensor, err);
    free(text);
    free(lines);
    return status;
}
