/* durable.h: what is still there after a crash. All return 0, or -1 with errno. */
#ifndef SERVER_DURABLE_H
#define SERVER_DURABLE_H

#include <stddef.h>
#include <sys/types.h>

/* Writes all of it and, if asked to, flushes the file to the disk. */
int durable_write(int fd, const void *bytes, size_t size, int flush);

/* Writes a new file, flushed to the disk if asked to; what cannot be written whole is removed. flags are open()'s:
 * O_EXCL refuses a file that exists, O_TRUNC replaces it. */
int durable_file(const char *path, int flags, mode_t mode, const void *bytes, size_t size, int flush);

/* A file that appears whole or not at all: written beside its name (DURABLE_SUFFIX) and renamed, and if asked to
 * flushed with its directory. */
int durable_replace(const char *path, mode_t mode, const void *bytes, size_t size, int flush);
#define DURABLE_SUFFIX ".unfinished"

/* Flushes a directory: what was made, renamed or removed in it. */
int durable_directory(const char *path);

/* 1 if an errno says that there is no room: a full disk, an exhausted quota, a file that may not grow. */
int durable_no_room(int error);

#endif
