/* job_files.c: see job_files.h. The lock is flock's: it belongs to the open file, so it keeps out other threads of the
 * same process as well as other processes. */
#include "server/jobs/job_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/durable.h"

enum { OPEN_DIRECTORIES = 8 };

static const char lock_name[] = "lock";

static int fail(const char *path, caption_error *err)
{
    return caption_fail(err, CAPTION_EIO, "%.400s: %s", path, strerror(errno));
}

static int make_directory(const char *path, caption_error *err)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? CAPTION_OK : fail(path, err);
}

int job_files_prepare(const char *data, caption_error *err)
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s/jobs", data) >= (int)sizeof path)
        return caption_fail(err, CAPTION_EIO, "--data: the path is too long");
    return make_directory(path, err);
}

static int take_lock(job_files *f, const char *path, caption_error *err)
{
    f->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (f->lock < 0)
        return fail(path, err);
    if (flock(f->lock, LOCK_EX | LOCK_NB) == 0)
        return CAPTION_OK;
    int status =
        errno == EWOULDBLOCK ? caption_fail(err, CAPTION_ECANCELLED, "%.400s: is held", path) : fail(path, err);
    close(f->lock);
    return status;
}

static void lock_path(const job_files *f, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s/%s", f->directory, lock_name);
}

int job_files_take(job_files *f, const char *data, long long id, caption_error *err)
{
    char lock[PATH_MAX];
    if (snprintf(f->directory, sizeof f->directory, "%s/jobs/%lld", data, id) >= (int)sizeof f->directory)
        return caption_fail(err, CAPTION_EIO, "--data: the path is too long");
    lock_path(f, lock);
    int status = make_directory(f->directory, err);
    return status ? status : take_lock(f, lock, err);
}

int job_files_flush(const job_files *f, caption_error *err)
{
    char parent[PATH_MAX];
    snprintf(parent, sizeof parent, "%s/..", f->directory);
    if (durable_directory(f->directory))
        return fail(f->directory, err);
    return durable_directory(parent) ? fail(parent, err) : CAPTION_OK;
}

void job_files_leave(job_files *f)
{
    close(f->lock);
}

/* Removes all but the lock file, and so not the directory itself. What cannot be removed stays until a daemon starts.
 */
static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *place)
{
    (void)info;
    (void)type;
    if (place->level != 1 || strcmp(path + place->base, lock_name) != 0)
        remove(path);
    return 0;
}

void job_files_clear(job_files *f)
{
    nftw(f->directory, remove_entry, OPEN_DIRECTORIES, FTW_DEPTH | FTW_PHYS);
}

void job_files_remove(job_files *f)
{
    char lock[PATH_MAX];
    job_files_clear(f);
    lock_path(f, lock);
    unlink(lock);
    rmdir(f->directory);
    close(f->lock);
}

void job_files_each(const char *data, void (*each)(void *context, long long id), void *context)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/jobs", data);
    DIR *directory = opendir(path);
    if (!directory)
        return;
    for (struct dirent *entry; (entry = readdir(directory));) {
        char *end;
        long long id = strtoll(entry->d_name, &end, 10);
        if (id > 0 && !*end)
            each(context, id);
    }
    closedir(directory);
}

static void note(void *context, long long id)
{
    (void)id;
    *(int *)context = 1;
}

int job_files_any(const char *data)
{
    int any = 0;
    job_files_each(data, note, &any);
    return any;
}

const char picture_input[] = "input", picture_result[] = "result.json";

static const char preview_prefix[] = "preview-", suffix[] = ".png";

/* ---- pictures --------------------------------------------------------------------------------------------------- */

int picture_files_put(const char *directory, const char *name, const void *bytes, size_t size, caption_error *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    if (durable_replace(path, 0600, bytes, size, 1) == 0)
        return CAPTION_OK;
    int error = errno;
    fail(path, err);
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
        if (strncmp(file->d_name, preview_prefix, sizeof preview_prefix - 1) == 0 ||
            strstr(file->d_name, DURABLE_SUFFIX))
            unlinkat(dirfd(directory), file->d_name, 0);
    if (directory)
        closedir(directory);
}
