/* durable.h: what is still there after a crash. All return 0, or -1 with errno. */
#ifndef SERVER_DURABLE_H
#define SERVER_DURABLE_H

#include <stddef.h>

/* Writes all of it and, if asked to, flushes the file to the disk. */
int durable_write(int fd, const void *bytes, size_t size, int flush);

/* Flushes a directory: what was made, renamed or removed in it. */
int durable_directory(const char *path);

/* 1 if an errno says that there is no room: a full disk, an exhausted quota, a file that may not grow. */
int durable_no_room(int error);

#endif
