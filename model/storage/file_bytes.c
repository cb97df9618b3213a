/* file_bytes.c: reads a regular file whole, never mapping it (file_bytes.h). */
#include "model/storage/file_bytes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Reads all `size` bytes; what is appended meanwhile is left out. */
static int fill(unsigned char *bytes, size_t size, int descriptor, const char *path, caption_error *err)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(descriptor, bytes + done, size - done);
        if (n == 0)
            return caption_fail(err, CAPTION_EIO, "%s: was cut short while it was read", path);
        if (n < 0 && errno != EINTR)
            return caption_fail(err, CAPTION_EIO, "%s: %s", path, strerror(errno));
        done += n > 0 ? (size_t)n : 0;
    }
    return CAPTION_OK;
}

static int read_all(file_bytes *file, int descriptor, const char *path, caption_error *err)
{
    struct stat facts;
    if (fstat(descriptor, &facts) != 0)
        return caption_fail(err, CAPTION_EIO, "%s: %s", path, strerror(errno));
    if (S_ISDIR(facts.st_mode))
        return caption_fail(err, CAPTION_EIO, "%s: is a directory, not a file", path);
    if (!S_ISREG(facts.st_mode))
        return caption_fail(err, CAPTION_EIO, "%s: is not a regular file", path);
    if (facts.st_size == 0)
        return CAPTION_OK;
    unsigned char *bytes = (uintmax_t)facts.st_size > PTRDIFF_MAX ? NULL : malloc((size_t)facts.st_size);
    if (!bytes)
        return caption_fail(err, CAPTION_ENOMEM, "%s: out of memory for %jd bytes", path, (intmax_t)facts.st_size);
    int status = fill(bytes, (size_t)facts.st_size, descriptor, path, err);
    if (status == CAPTION_OK)
        *file = (file_bytes){bytes, (size_t)facts.st_size};
    else
        free(bytes);
    return status;
}

int file_bytes_read(file_bytes *file, const char *path, caption_error *err)
{
    *file = (file_bytes){0};
    /* O_NONBLOCK: opening a named pipe must fail the check above instead of waiting for a writer. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return caption_fail(err, CAPTION_EIO, "%s: %s", path, strerror(errno));
    int status = read_all(file, descriptor, path, err);
    close(descriptor);
    return status;
}

void file_bytes_free(file_bytes *file)
{
    free((void *)file->bytes);
    *file = (file_bytes){0};
}
