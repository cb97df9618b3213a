/* durable.c: see durable.h. */
#include "server/base/durable.h"

#include <errno.h>
#include <fcntl.h>
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
