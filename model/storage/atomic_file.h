/* atomic_file.h: a file that appears whole or not at all.
 *
 *     atomic_file file;
 *     if (atomic_file_open(&file, path, err) != CAPTION_OK) ...
 *     atomic_file_write(&file, bytes, size);
 *     return atomic_file_commit(&file, err);                        or atomic_file_abandon(&file)
 *
 * Written under a temporary name beside `path`, flushed to the disk, renamed, and the directory flushed too, so that
 * after a crash or on a full disk readers find the old file or the new one, never half of one. */
#ifndef CAPTION_ATOMIC_FILE_H
#define CAPTION_ATOMIC_FILE_H

#include <stdio.h>

#include "model/error.h"

typedef struct atomic_file {
    FILE *stream;
    char *path, *temporary;
    int error; /* errno of the first write that failed */
} atomic_file;

/* Refuses a path that is there and no regular file: renaming would replace a device or a directory. */
int atomic_file_open(atomic_file *file, const char *path, caption_error *err);

/* Buffered. A failure, such as a full disk, is kept for the commit to report; later writes then do nothing. */
void atomic_file_write(atomic_file *file, const void *bytes, size_t size);

/* Both release everything and leave no temporary file behind; after either, `path` is the old file or the new one. */
int atomic_file_commit(atomic_file *file, caption_error *err);
void atomic_file_abandon(atomic_file *file);

#endif
