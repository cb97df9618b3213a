/* safetensors_header.h: what a safetensors file says it holds, checked.
 *
 * Used by the reader, and by the writer on its own text, so that nothing is written that could not be read. */
#ifndef CAPTION_SAFETENSORS_HEADER_H
#define CAPTION_SAFETENSORS_HEADER_H

#include "model/storage/safetensors.h"

enum {
    SAFETENSORS_PREFIX = 8,            /* bytes before the header: its length */
    SAFETENSORS_MAX_HEADER = 16 << 20, /* bytes */
    SAFETENSORS_MAX_METADATA = 4096,   /* pairs */
    SAFETENSORS_MAX_NAME = 128,        /* bytes of a name, metadata key or type */
};

typedef struct safetensors_entry {
    const char *name;
    enum safetensors_type type;
    int ndims;
    size_t dims[SAFETENSORS_MAX_DIMS];
    size_t elements;
    size_t begin, end; /* bytes in the data */
} safetensors_entry;

typedef struct safetensors_header {
    safetensors_entry *entries; /* in the order of their data */
    size_t tensors;
    const char *(*metadata)[2]; /* {key, value} in file order */
    size_t pairs;
    char *strings; /* all of the above point into it */
} safetensors_header;

/* Reads `size` bytes of header text of a file with `data_size` bytes of data behind it. The entries are known to lie
 * in the data without gap or overlap and to cover it, and to be as long as type and shape say. */
int safetensors_header_parse(safetensors_header *header, const char *path, const void *bytes, size_t size,
                             size_t data_size, caption_error *err);
void safetensors_header_free(safetensors_header *header); /* also of a zeroed one */

const char *safetensors_type_name(enum safetensors_type type);
size_t safetensors_type_size(enum safetensors_type type);

#endif
