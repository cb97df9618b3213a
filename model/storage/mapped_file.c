#include "model/storage/mapped_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int map(mapped_file *file, int descriptor, const char *path, caption_error *err)
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
    if ((uintmax_t)facts.st_size > SIZE_MAX)
        return caption_fail(err, CAPTION_EIO, "%s: too large for this machine's memory", path);
    void *bytes = mmap(NULL, (size_t)facts.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (bytes == MAP_FAILED)
        return caption_fail(err, CAPTION_EIO, "%s: cannot be mapped: %s", path, strerror(errno));
    *file = (mapped_file){bytes, (size_t)facts.st_size};
    return CAPTION_OK;
}

int mapped_file_open(mapped_file *file, const char *path, caption_error *err)
{
    *file = (mapped_file){0};
    /* O_NONBLOCK: opening a named pipe must fail the check above instead of waiting for a writer. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0)
        return caption_fail(err, CAPTION_EIO, "%s: %s", path, strerror(errno));
    int status = map(file, descriptor, path, err);
    close(descriptor);
    return status;
}

void mapped_file_close(mapped_file *file)
{
    if (file->bytes)
        munmap((void *)file->bytes, file->size);
    *file = (mapped_file){0};
}
