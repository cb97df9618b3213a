/* atomic_file.c: a temporary file beside the target, flushed and renamed over it (atomic_file.h). */
#include "model/storage/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NAME_ATTEMPTS = 100 }; /* a name may be left over from a process that was killed, and its number reused */

/* Creates a file of a name nobody else uses. Unlike mkstemp it leaves the mode to the caller's umask, because the
 * file is to be read by others under its final name. Returns a descriptor or -1. */
static int create_temporary(atomic_file *file)
{
    for (int attempt = 0; attempt < NAME_ATTEMPTS; attempt++) {
        if (asprintf(&file->temporary, "%s.%ld-%d.tmp", file->path, (long)getpid(), attempt) < 0) {
            file->temporary = NULL;
            errno = ENOMEM;
            return -1;
        }
        int descriptor = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (descriptor >= 0)
            return descriptor;
        free(file->temporary);
        file->temporary = NULL;
        if (errno != EEXIST)
            return -1;
    }
    return -1;
}

int atomic_file_open(atomic_file *file, const char *path, caption_error *err)
{
    struct stat there;
    *file = (atomic_file){0};
    if (stat(path, &there) == 0 && !S_ISREG(there.st_mode))
        return caption_fail(err, CAPTION_EIO, "%s: cannot be written: it is no regular file", path);
    file->path = strdup(path);
    int descriptor = file->path ? create_temporary(file) : -1;
    if (descriptor >= 0)
        file->stream = fdopen(descriptor, "wb");
    if (file->stream)
        return CAPTION_OK;
    int status = caption_fail(err, CAPTION_EIO, "%s: cannot be created: %s", path, strerror(errno));
    if (descriptor >= 0)
        close(descriptor);
    atomic_file_abandon(file);
    return status;
}

/* A rename is only as lasting as its directory. Some file systems cannot flush one and say EINVAL. 0 or errno. */
static int flush_directory(const char *path)
{
    char *copy = strdup(path);
    if (!copy)
        return ENOMEM;
    int error = 0;
    int directory = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 || (fsync(directory) != 0 && errno != EINVAL))
        error = errno;
    if (directory >= 0)
        close(directory);
    free(copy);
    return error;
}

void atomic_file_write(atomic_file *file, const void *bytes, size_t size)
{
    if (file->error == 0 && size > 0 && fwrite(bytes, 1, size, file->stream) != size)
        file->error = errno;
}

/* Everything up to the rename; 0 or errno. */
static int publish(atomic_file *file)
{
    if (file->error != 0)
        return file->error;
    if (fflush(file->stream) != 0 || fsync(fileno(file->stream)) != 0 || rename(file->temporary, file->path) != 0)
        return errno;
    free(file->temporary); /* the name is gone: there is nothing left to remove */
    file->temporary = NULL;
    return 0;
}

int atomic_file_commit(atomic_file *file, caption_error *err)
{
    int status = CAPTION_OK;
    int error = publish(file);
    if (error != 0)
        status = caption_fail(err, CAPTION_EIO, "%s: cannot be written: %s", file->path, strerror(error));
    else if ((error = flush_directory(file->path)) != 0)
        status = caption_fail(err, CAPTION_EIO, "%s: its directory cannot be flushed: %s", file->path, strerror(error));
    atomic_file_abandon(file);
    return status;
}

void atomic_file_abandon(atomic_file *file)
{
    if (file->stream)
        fclose(file->stream);
    if (file->temporary)
        unlink(file->temporary);
    free(file->temporary);
    free(file->path);
    *file = (atomic_file){0};
}
