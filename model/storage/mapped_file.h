/* mapped_file.h: a whole regular file as read-only memory.
 *
 * Files are replaced, never rewritten in place (atomic_file.h), so a mapping stays what it was when it was opened. */
#ifndef CAPTION_MAPPED_FILE_H
#define CAPTION_MAPPED_FILE_H

#include <stddef.h>

#include "model/error.h"

typedef struct mapped_file {
    const unsigned char *bytes; /* NULL if the file is empty */
    size_t size;
} mapped_file;

/* CAPTION_EIO if `path` is missing, unreadable, a directory or a device. */
int mapped_file_open(mapped_file *file, const char *path, caption_error *err);
void mapped_file_close(mapped_file *file); /* also of a zeroed one */

#endif
