/* file.h: a whole file in memory. */
#ifndef SERVER_FILE_H
#define SERVER_FILE_H

#include <stddef.h>

#include "model/error.h"

/* Reads `path` ("-": standard input) whole, if it is no larger than `limit` bytes. The caller frees *bytes.
 * The message does not repeat the path. */
int file_read(const char *path, size_t limit, unsigned char **bytes, size_t *size, caption_error *err);

#endif
