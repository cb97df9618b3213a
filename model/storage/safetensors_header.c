/* safetensors_header.c: reads the header of a safetensors file and checks every size and offset before anybody uses
 * it. */
#include "model/storage/safetensors_header.h"

#include <stdlib.h>
#include <string.h>

#include "model/storage/safetensors_text.h"
#include "model/storage/utf8.h"

enum { TYPES = SAFETENSORS_F64 + 1 };

static const struct {
    const char *name;
    size_t size;
} types[TYPES] = {
    [SAFETENSORS_F16] = {"F16", 2},
    [SAFETENSORS_F32] = {"F32", 4},
    [SAFETENSORS_F64] = {"F64", 8},
};

const char *safetensors_type_name(enum safetensors_type type)
{
    return types[type].name;
}
size_t safetensors_type_size(enum safetensors_type type)
{
    return types[type].size;
}

/* ---- the text, member by member ---------------------------------------------------------------------------------- */

/* What may appear in a message: short and on one line. */
static int is_name(const char *string)
{
    size_t length = 0;
    while (length <= SAFETENSORS_MAX_NAME && (unsigned char)string[length] >= 0x20 && string[length] != 0x7f)
        length++;
    return length > 0 && length <= SAFETENSORS_MAX_NAME && string[length] == '\0';
}

static int read_type(text_reader *text, safetensors_entry *entry)
{
    const char *name;
    int status = text_string(text, &name);
    if (status != CAPTION_OK)
        return status;
    if (!is_name(name))
        return text_fail(text, "a dtype is empty, too long or unprintable");
    for (int i = 0; i < TYPES; i++)
        if (strcmp(name, types[i].name) == 0) {
            entry->type = (enum safetensors_type)i;
            return CAPTION_OK;
        }
    return caption_fail(text->err, CAPTION_EUNSUPPORTED, "%s: tensor %s: type %s is not one of F16, F32, F64",
                        text->path, entry->name, name);
}

enum { HAS_TYPE = 1, HAS_SHAPE = 2, HAS_OFFSETS = 4, HAS_ALL = 7 };

typedef struct tensor_reader {
    safetensors_entry *entry;
    int has;
} tensor_reader;

static int read_tensor_member(text_reader *text, const char *key, void *context)
{
    tensor_reader *tensor = context;
    safetensors_entry *entry = tensor->entry;
    int is = strcmp(key, "dtype") == 0          ? HAS_TYPE
             : strcmp(key, "shape") == 0        ? HAS_SHAPE
             : strcmp(key, "data_offsets") == 0 ? HAS_OFFSETS
                                                : 0;
    if (is == 0 || (tensor->has & is))
        return text_fail(text, is ? "a tensor says one thing twice" : "a tensor has an unknown member");
    tensor->has |= is;
    if (is == HAS_TYPE)
        return read_type(text, entry);
    if (is == HAS_SHAPE)
        return text_list(text, entry->dims, SAFETENSORS_MAX_DIMS, &entry->ndims);
    size_t offsets[2];
    int count;
    int status = text_list(text, offsets, 2, &count);
    if (status == CAPTION_OK && count != 2)
        status = text_fail(text, "data_offsets needs two integers");
    entry->begin = count == 2 ? offsets[0] : 0;
    entry->end = count == 2 ? offsets[1] : 0;
    return status;
}

static int read_tensor(text_reader *text, const char *name, safetensors_header *header)
{
    if (!is_name(name))
        return text_fail(text, "a tensor's name is empty, too long or unprintable");
    if (header->tensors == SAFETENSORS_MAX_TENSORS)
        return text_fail(text, "too many tensors");
    safetensors_entry *entry = &header->entries[header->tensors++];
    entry->name = name;
    tensor_reader tensor = {entry, 0};
    int status = text_object(text, read_tensor_member, &tensor);
    if (status == CAPTION_OK && tensor.has != HAS_ALL)
        status = caption_fail(text->err, CAPTION_EFORMAT, "%s: tensor %s: dtype, shape or data_offsets is missing",
                              text->path, name);
    return status;
}

static int read_metadata_pair(text_reader *text, const char *key, void *context)
{
    safetensors_header *header = context;
    if (!is_name(key))
        return text_fail(text, "a metadata key is empty, too long or unprintable");
    if (header->pairs == SAFETENSORS_MAX_METADATA)
        return text_fail(text, "too much metadata");
    const char **pair = header->metadata[header->pairs++];
    pair[0] = key;
    return text_string(text, &pair[1]);
}

typedef struct file_reader {
    safetensors_header *header;
    int has_metadata;
} file_reader;

static int read_file_member(text_reader *text, const char *key, void *context)
{
    file_reader *file = context;
    if (strcmp(key, "__metadata__") != 0)
        return read_tensor(text, key, file->header);
    if (file->has_metadata++)
        return text_fail(text, "__metadata__ appears twice");
    return text_object(text, read_metadata_pair, file->header);
}

static int read_text(safetensors_header *header, const char *path, const unsigned char *bytes, size_t size,
                     caption_error *err)
{
    text_reader text = {path, bytes, bytes, bytes + size, header->strings, err};
    file_reader file = {header, 0};
    if (size == 0 || bytes[0] != '{') /* the format allows no white space here */
        return text_fail(&text, "expected '{'");
    if (!utf8_valid((const char *)bytes, size))
        return caption_fail(err, CAPTION_EFORMAT, "%s: the header is not valid UTF-8", path);
    int status = text_object(&text, read_file_member, &file);
    if (status == CAPTION_OK && text_peek(&text) != -1)
        status = text_fail(&text, "text after the end of the header");
    return status;
}

/* ---- what the text means ----------------------------------------------------------------------------------------- */

/* elements = dims[0] * dims[1] * ..., and its bytes are just the ones claimed. */
static int check_extent(const char *path, safetensors_entry *entry, size_t data_size, caption_error *err)
{
    size_t bytes = 1;
    int overflow = 0;
    for (int i = 0; i < entry->ndims; i++)
        overflow |= __builtin_mul_overflow(bytes, entry->dims[i], &bytes);
    entry->elements = bytes;
    overflow |= __builtin_mul_overflow(bytes, types[entry->type].size, &bytes);
    if (overflow)
        return caption_fail(err, CAPTION_EFORMAT, "%s: tensor %s: its shape overflows", path, entry->name);
    if (entry->begin > entry->end || entry->end > data_size)
        return caption_fail(err, CAPTION_EFORMAT, "%s: tensor %s: bytes %zu..%zu are outside the data of %zu bytes",
                            path, entry->name, entry->begin, entry->end, data_size);
    if (entry->end - entry->begin != bytes)
        return caption_fail(err, CAPTION_EFORMAT, "%s: tensor %s: its shape needs %zu bytes, its offsets span %zu",
                            path, entry->name, bytes, entry->end - entry->begin);
    return CAPTION_OK;
}

/* The same order for empty tensors too, which may stand in one place: checksums go by it. */
static int by_offset(const void *a, const void *b)
{
    const safetensors_entry *left = a, *right = b;
    if (left->begin != right->begin)
        return left->begin < right->begin ? -1 : 1;
    if (left->end != right->end)
        return left->end < right->end ? -1 : 1;
    return strcmp(left->name, right->name);
}

static int by_string(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Sorted, so that thousands of long names cost no more than reading them. `names` is scratch of `count` strings. */
static int check_unique(const char *path, const char *what, const char **names, size_t count, caption_error *err)
{
    qsort(names, count, sizeof *names, by_string);
    for (size_t i = 1; i < count; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            return caption_fail(err, CAPTION_EFORMAT, "%s: %s %s appears twice", path, what, names[i]);
    return CAPTION_OK;
}

static int check_names(const char *path, const safetensors_header *header, caption_error *err)
{
    size_t most = header->tensors > header->pairs ? header->tensors : header->pairs;
    const char **names = calloc(most + 1, sizeof *names);
    if (!names)
        return caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", path);
    for (size_t i = 0; i < header->tensors; i++)
        names[i] = header->entries[i].name;
    int status = check_unique(path, "tensor", names, header->tensors, err);
    for (size_t i = 0; i < header->pairs; i++)
        names[i] = header->metadata[i][0];
    if (status == CAPTION_OK)
        status = check_unique(path, "metadata", names, header->pairs, err);
    free(names);
    return status;
}

static int check_layout(const char *path, safetensors_header *header, size_t data_size, caption_error *err)
{
    for (size_t i = 0; i < header->tensors; i++) {
        int status = check_extent(path, &header->entries[i], data_size, err);
        if (status != CAPTION_OK)
            return status;
    }
    qsort(header->entries, header->tensors, sizeof *header->entries, by_offset);
    size_t end = 0;
    for (size_t i = 0; i < header->tensors; i++) {
        const safetensors_entry *entry = &header->entries[i];
        if (entry->begin != end)
            return caption_fail(err, CAPTION_EFORMAT, "%s: tensor %s: begins at byte %zu of the data, %s %zu", path,
                                entry->name, entry->begin,
                                entry->begin < end ? "overlapping one that ends at" : "leaving a gap from", end);
        end = entry->end;
    }
    if (end != data_size)
        return caption_fail(err, CAPTION_EFORMAT, "%s: %zu bytes of data after the last tensor", path, data_size - end);
    return CAPTION_OK;
}

int safetensors_header_parse(safetensors_header *header, const char *path, const void *bytes, size_t size,
                             size_t data_size, caption_error *err)
{
    *header = (safetensors_header){
        .entries = calloc(SAFETENSORS_MAX_TENSORS, sizeof *header->entries),
        .metadata = calloc(SAFETENSORS_MAX_METADATA, sizeof *header->metadata),
        .strings = malloc(size + 1),
    };
    if (!header->entries || !header->metadata || !header->strings) {
        safetensors_header_free(header);
        return caption_fail(err, CAPTION_ENOMEM, "%s: out of memory", path);
    }
    int status = read_text(header, path, bytes, size, err);
    if (status == CAPTION_OK)
        status = check_names(path, header, err);
    if (status == CAPTION_OK)
        status = check_layout(path, header, data_size, err);
    if (status != CAPTION_OK)
        safetensors_header_free(header);
    return status;
}

void safetensors_header_free(safetensors_header *header)
{
    free(header->entries);
    free(header->metadata);
    free(header->strings);
    *header = (safetensors_header){0};
}
