/* store_files.c: the image files of a store.
 *
 *     DATA/incoming/XXXXXX/N   an upload being written, outside of any transaction: this may take a while
 *     DATA/images/SHA256       renamed there within the transaction that inserts its row
 *
 * Killed at any moment, a daemon leaves one of: a file in its incoming directory, of which nobody knows whether it is
 * whole and which the next start removes; an image file without a row, which the next start sets aside
 * (store_check.c). Each process has an incoming directory of its own and keeps it locked, so that a starting daemon can
 * tell the dead ones' from those of daemons that run beside it.
 *
 * An image file is removed only when the index has recorded that its last item was deleted (table garbage). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "server/base/durable.h"
#include "server/base/log.h"
#include "server/store/store_open.h"

int store_file_fault(problem *p, const char *path, int error)
{
    return problem_set(p, durable_no_room(error) ? PROBLEM_DISK_FULL : PROBLEM_INTERNAL, "%.300s: %s", path,
                       strerror(error));
}

/* ---- one image file -------------------------------------------------------------------------------------------- */

char *store_image_path(const store *s, const char *sha256)
{
    char *path;
    return asprintf(&path, "%s/%s", s->images, sha256) < 0 ? NULL : path;
}

int store_check_free(const store *s, size_t size, problem *p)
{
    struct statvfs disk;
    if (s->limits.free == 0 || fstatvfs(s->incoming_fd, &disk) != 0)
        return 0;
    double left = (double)disk.f_bavail * (double)disk.f_frsize - (double)size;
    if (left >= (double)s->limits.free)
        return 0;
    return problem_set(p, PROBLEM_DISK_FULL, "less than %lld bytes would be left on the disk", s->limits.free);
}

int store_file_write(store *s, const void *bytes, size_t size, store_flush flush, char **path, problem *p)
{
    if (store_check_free(s, size, p))
        return 1;
    if (asprintf(path, "%s/%u", s->incoming, atomic_fetch_add(&s->uploads, 1)) < 0) {
        *path = NULL;
        return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    }
    if (durable_file(*path, O_EXCL, 0600, bytes, size, flush == STORE_FLUSH_NOW) == 0)
        return 0;
    store_file_fault(p, *path, errno);
    free(*path);
    *path = NULL;
    return 1;
}

/* A file that is there already has these bytes, or is damaged: the new one may take its place. */
int store_file_publish(store *s, const char *path, const char *sha256, int *created, problem *p)
{
    *created = faccessat(s->images_fd, sha256, F_OK, 0) != 0;
    return renameat(AT_FDCWD, path, s->images_fd, sha256) == 0 ? 0 : store_file_fault(p, path, errno);
}

int store_files_flush(store *s, problem *p)
{
    return fsync(s->images_fd) == 0 ? 0 : store_file_fault(p, s->images, errno);
}

/* ---- removing -------------------------------------------------------------------------------------------------- */

/* 1 if a row knows this image file, or if that cannot be told. */
static int is_known(store *s, const char *sha256)
{
    problem ignored;
    sqlite3_stmt *q = database_prepare(s->db, "SELECT 1 FROM images WHERE sha256 = ?1");
    database_bind_text(q, 1, sha256);
    int state = database_step(s->db, q, &ignored);
    sqlite3_reset(q);
    return state != DATABASE_END;
}

/* Within a transaction that writes. */
static void remove_unknown(store *s, const char *sha256)
{
    char sidecar[STORE_SIDECAR_BYTES];
    if (!store_is_image_name(sha256) || is_known(s, sha256))
        return;
    store_sidecar_name(sha256, sidecar);
    unlinkat(s->images_fd, sidecar, 0);
    unlinkat(s->images_fd, sha256, 0);
}

void store_file_forget(store *s, const char *sha256)
{
    problem p;
    if (database_begin(s->db, &p))
        return; /* the next start will */
    remove_unknown(s, sha256);
    database_end(s->db, 0, &p);
}

/* Removes a few; *more: there were some. Within a transaction. */
static int sweep_some(store *s, int *more, problem *p)
{
    int state;
    *more = 0;
    sqlite3_stmt *q = database_prepare(s->db, "SELECT sha256 FROM garbage ORDER BY sha256 LIMIT 200");
    while ((state = database_step(s->db, q, p)) == DATABASE_ROW) {
        remove_unknown(s, (const char *)sqlite3_column_text(q, 0));
        *more = 1;
    }
    return state == DATABASE_FAULT ||
           database_run(s->db,
                        database_prepare(s->db, "DELETE FROM garbage WHERE sha256 IN "
                                                "(SELECT sha256 FROM garbage ORDER BY sha256 LIMIT 200)"),
                        p);
}

void store_files_sweep(store *s)
{
    problem p;
    int more = 1;
    while (more && !database_begin(s->db, &p))
        if (database_end(s->db, sweep_some(s, &more, &p), &p))
            break;
}

/* ---- what killed daemons left over ----------------------------------------------------------------------------- */

static int fail_directory(const char *path, caption_error *err)
{
    return caption_fail(err, CAPTION_EIO, "%.400s: %s", path, strerror(errno));
}

static void log_swept(const char *path, int files)
{
    log_line line;
    if (files == 0)
        return;
    log_begin(&line, LOG_LEVEL_INFO, "swept");
    log_text(&line, "directory", path);
    log_integer(&line, "files", files);
    log_end(&line);
}

/* An incoming directory, locked; -1 if its process lives, or it is none. */
static int take_dead(const char *path, int *alive)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *alive = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0;
    if (!*alive)
        return fd;
    close(fd);
    return -1;
}

/* Empties and removes an incoming directory unless its process lives. */
static int sweep_process(const char *path, int *alive)
{
    int fd = take_dead(path, alive), swept = 0;
    if (fd < 0)
        return 0;
    DIR *directory = opendir(path);
    for (const struct dirent *file; directory && (file = readdir(directory)) != NULL;)
        swept += unlinkat(fd, file->d_name, 0) == 0;
    if (directory)
        closedir(directory);
    rmdir(path);
    close(fd);
    return swept;
}

/* *living: processes that have a directory there. */
static int sweep_incoming(const char *path, int *living, caption_error *err)
{
    DIR *directory = opendir(path);
    if (!directory)
        return fail_directory(path, err);
    int swept = 0, alive;
    *living = 0;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char *process;
        if (entry->d_name[0] == '.' || asprintf(&process, "%s/%s", path, entry->d_name) < 0)
            continue;
        swept += sweep_process(process, &alive);
        *living += alive;
        free(process);
    }
    closedir(directory);
    log_swept(path, swept);
    return CAPTION_OK;
}

/* ---- opening --------------------------------------------------------------------------------------------------- */

static int make_directory(const char *path, caption_error *err)
{
    return mkdir(path, 0700) == 0 || errno == EEXIST ? CAPTION_OK : fail_directory(path, err);
}

/* This process's own directory below `path`. */
static int make_incoming(store *s, const char *path, caption_error *err)
{
    if (asprintf(&s->incoming, "%s/XXXXXX", path) < 0) {
        s->incoming = NULL;
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the store");
    }
    if (!mkdtemp(s->incoming) || (s->incoming_fd = open(s->incoming, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
        flock(s->incoming_fd, LOCK_EX) != 0)
        return fail_directory(s->incoming, err);
    return CAPTION_OK;
}

static char *incoming_path(const store *s)
{
    char *path;
    return asprintf(&path, "%s/incoming", s->directory) < 0 ? NULL : path;
}

int store_files_check_unused(const store *s, caption_error *err)
{
    int living = 0, status;
    char *path = incoming_path(s);
    if (!path)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the store");
    status = access(path, F_OK) == 0 ? sweep_incoming(path, &living, err) : CAPTION_OK;
    free(path);
    if (!status && living > 0)
        status = caption_fail(err, CAPTION_EINVAL, "%.400s: a captiond is using it: stop that first", s->directory);
    return status;
}

int store_files_open(store *s, caption_error *err)
{
    int living;
    char *path = incoming_path(s);
    if (!path)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the store");
    int status = make_directory(s->images, err);
    if (!status && (s->images_fd = open(s->images, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        status = fail_directory(s->images, err);
    if (!status)
        status = make_directory(path, err);
    if (!status)
        status = sweep_incoming(path, &living, err);
    if (!status)
        status = make_incoming(s, path, err);
    free(path);
    return status;
}

void store_files_close(store *s)
{
    if (s->incoming)
        rmdir(s->incoming);
    if (s->incoming_fd >= 0)
        close(s->incoming_fd);
    if (s->images_fd >= 0)
        close(s->images_fd);
    free(s->incoming);
}
