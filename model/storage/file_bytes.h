/* file_bytes.h: a whole regular file, read into memory.
 *
 * Read, not mapped: a mapping of a file that somebody cuts short kills the process that looks at it, and one that is
 * changed in place changes under its reader. What was read here stays what it was. */
#ifndef CAPTION_FILE_BYTES_H
#define CAPTION_FILE_BYTES_H

#include <stddef.h>

#include "model/error.h"

typedef struct file_bytes {
    const unsigned char *bytes; /* NULL if the file is empty */
    size_t size;
} file_bytes;

/* CAPTION_EIO if `path` is missing, unreadable, a directory or a device, or becomes shorter while it is read;
 * CAPTION_ENOMEM if it is larger than the memory that is left. */
int file_bytes_read(file_bytes *file, const char *path, caption_error *err);
void file_bytes_free(file_bytes *file); /* also of a zeroed one */

#endif
