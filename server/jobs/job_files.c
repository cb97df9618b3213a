/* job_files.c: see job_files.h. The lock is flock's: it belongs to the open file, so it keeps out other threads of the
 * same process as well as other processes. */
#include "server/jobs/job_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
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
