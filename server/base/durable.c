/* durable.c: see durable.h. */
#include "server/base/durable.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int durable_write(int fd, const void *bytes, size_t size, int flush)
{
    const char *next = bytes;
    while (size > 0) {
        ssize_t n = write(fd, next, size);
        if (n < 0 && errno != EINTR)
            return -1;
        if (n > 0) {
            next += n;
            size -= (size_t)n;
        }
    }
    return flush ? fsync(fd) : 0;
}

int durable_file(const char *path, int flags, mode_t mode, const void *bytes, size_t size, int flush)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, mode);
    if (fd < 0)
        return -1;
    int error = durable_write(fd, bytes, size, flush) ? errno : 0;
    if (close(fd) != 0 && !error)
        error = errno;
    if (!error)
        return 0;
    unlink(path);
    errno = error;
    return -1;
}

static int flush_parent(const char *path)
{
    char *parent = strdup(path);
    int failed = parent ? durable_directory(dirname(parent)) : -1;
    free(parent);
    return failed;
}

int durable_replace(const char *path, mode_t mode, const void *bytes, size_t size, int flush)
{
    char *beside;
    if (asprintf(&beside, "%s" DURABLE_SUFFIX, path) < 0)
        return -1;
    int failed = durable_file(beside, O_TRUNC, mode, bytes, size, flush);
    if (!failed && (failed = rename(beside, path)) != 0) {
        int error = errno;
        unlink(beside);
        errno = error;
    }
    free(beside);
    return failed || !flush ? failed : flush_parent(path);
}

int durable_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int failed = fsync(fd), error = errno;
    close(fd);
    errno = error;
    return failed;
}

int durable_no_room(int error)
{
    return error == ENOSPC || error == EDQUOT || error == EFBIG;
}
