/* picture_files.c: see picture_files.h. */
#include "server/jobs/picture_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/durable.h"

const char picture_input[] = "input", picture_result[] = "result.json";

static const char preview_prefix[] = "preview-", unfinished[] = ".unfinished", suffix[] = ".png";

static int fail(const char *path, caption_error *err)
{
    int error = errno;
    caption_fail(err, CAPTION_EIO, "%.400s: %s", path, strerror(error));
    errno = error;
    return CAPTION_EIO;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static int write_file(const char *path, const void *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    int failed = durable_write(fd, bytes, size, 1), error = errno;
    failed |= close(fd);
    if (failed)
        errno = error;
    return failed;
}

int picture_files_put(const char *directory, const char *name, const void *bytes, size_t size, caption_error *err)
{
    char path[PATH_MAX], temporary[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    snprintf(temporary, sizeof temporary, "%s/%s%s", directory, name, unfinished);
    if (write_file(temporary, bytes, size) == 0 && rename(temporary, path) == 0 && durable_directory(directory) == 0)
        return CAPTION_OK;
    fail(path, err);
    int error = errno;
    unlink(temporary);
    errno = error;
    return CAPTION_EIO;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Reads up to `size` bytes; returns how many there were. */
static size_t read_all(int fd, unsigned char *bytes, size_t size)
{
    size_t n = 0;
    for (ssize_t piece; n < size && (piece = read(fd, bytes + n, size - n)) != 0;)
        if (piece > 0)
            n += (size_t)piece;
        else if (errno != EINTR)
            break;
    return n;
}

static int open_file(const char *path, size_t *size)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        *size = (size_t)info.st_size;
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

int picture_files_get(const char *directory, const char *name, unsigned char **bytes, size_t *size, caption_error *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    int fd = open_file(path, size);
    if (fd < 0)
        return fail(path, err);
    *bytes = malloc(*size + 1);
    if (*bytes) {
        *size = read_all(fd, *bytes, *size);
        (*bytes)[*size] = '\0';
    }
    close(fd);
    return *bytes ? CAPTION_OK : caption_fail(err, CAPTION_ENOMEM, "out of memory for %.400s", path);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

int picture_files_is_picture(const char *name)
{
    size_t stem = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-");
    return stem > 0 && stem + sizeof suffix <= PICTURE_NAME_BYTES && strcmp(name + stem, suffix) == 0;
}

int picture_files_open(const char *data, long long job, const char *name, size_t *size)
{
    char path[PATH_MAX];
    if (!picture_files_is_picture(name) ||
        snprintf(path, sizeof path, "%s/jobs/%lld/%s", data, job, name) >= (int)sizeof path)
        return -1;
    return open_file(path, size);
}

void picture_files_url(long long job, const char *name, char out[PICTURE_URL_BYTES])
{
    snprintf(out, PICTURE_URL_BYTES, "/v1/jobs/%lld/pictures/%s", job, name);
}

/* ---- removing ---------------------------------------------------------------------------------------------------- */

void picture_files_drop(const char *directory, const char *name)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    unlink(path);
}

void picture_files_drop_previews(const char *path)
{
    DIR *directory = opendir(path);
    for (const struct dirent *file; directory && (file = readdir(directory));)
        if (strncmp(file->d_name, preview_prefix, sizeof preview_prefix - 1) == 0 || strstr(file->d_name, unfinished))
            unlinkat(dirfd(directory), file->d_name, 0);
    if (directory)
        closedir(directory);
}
