/* store.c: opening and closing a store: the directory first, then the database in it, then the image files. */
#include "server/store/store.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/store/store_open.h"

const char *store_directory(const store *s)
{
    return s->directory;
}

const char *store_feature_directory(const store *s)
{
    return s->features;
}

/* Makes the directory and those above it that are missing. */
static int make_directories(const char *path, caption_error *err)
{
    char *copy = strdup(path);
    if (!copy)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the store");
    int error = 0;
    for (char *slash = strchr(copy + 1, '/'); slash && !error; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        error = mkdir(copy, 0700) != 0 && errno != EEXIST ? errno : 0;
        *slash = '/';
    }
    free(copy);
    if (!error && mkdir(path, 0700) != 0 && errno != EEXIST)
        error = errno;
    return error ? caption_fail(err, CAPTION_EIO, "%.400s: %s", path, strerror(error)) : CAPTION_OK;
}

void store_make_directory(const char *directory)
{
    make_directories(directory, NULL);
}

int store_is_image_name(const char *name)
{
    return strlen(name) == STORE_SHA256_BYTES - 1 && strspn(name, "0123456789abcdef") == STORE_SHA256_BYTES - 1;
}

int store_has_images(const store *s)
{
    DIR *directory = opendir(s->images);
    int found = 0;
    for (const struct dirent *entry; directory && !found && (entry = readdir(directory)) != NULL;)
        found = store_is_image_name(entry->d_name);
    if (directory)
        closedir(directory);
    return found;
}

/* With image files there was an index. That it is gone must not look like a first start: every file would be unknown.
 */
static int open_database(store *s, caption_error *err)
{
    char *path;
    caption_error reason;
    if (asprintf(&path, "%s/captiond.db", s->directory) < 0)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the store");
    int status =
        database_open(&s->db, path, &store_schema, store_has_images(s) ? DATABASE_LOST : DATABASE_MAKE, &reason);
    free(path);
    if (status == CAPTION_EFORMAT)
        return caption_fail(err, status, "%.380s; no image is lost: stop captiond and run `captiond repair`",
                            reason.message);
    return status ? caption_fail(err, (enum caption_status)status, "%s", reason.message) : CAPTION_OK;
}

static int open_parts(store *s, caption_error *err)
{
    int guard = database_lock_directory(s->directory, err);
    if (guard < 0)
        return CAPTION_EIO;
    int status = open_database(s, err);
    if (!status)
        status = store_files_open(s, err);
    if (!status)
        store_purge(s);
    if (!status)
        status = store_check_files(s, err);
    close(guard);
    return status;
}

static store *new_store(const char *directory, const store_limits *limits)
{
    size_t length = strlen(directory);
    store *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    while (length > 1 && directory[length - 1] == '/')
        length--;
    s->limits = *limits;
    s->images_fd = s->incoming_fd = -1;
    s->directory = strndup(directory, length);
    if (s->directory && asprintf(&s->images, "%s/images", s->directory) >= 0 &&
        asprintf(&s->quarantine, "%s/quarantine", s->directory) >= 0 &&
        asprintf(&s->features, "%s/features", s->directory) >= 0)
        return s;
    store_close(s);
    return NULL;
}

store *store_prepare(const char *directory, const store_limits *limits, caption_error *err)
{
    store *s = new_store(directory, limits);
    if (!s)
        caption_fail(err, CAPTION_ENOMEM, "out of memory for the store");
    else if (make_directories(s->directory, err) == CAPTION_OK)
        return s;
    store_close(s);
    return NULL;
}

int store_open(store **out, const char *directory, const store_limits *limits, caption_error *err)
{
    store *s = store_prepare(directory, limits, err);
    *out = NULL;
    if (!s)
        return CAPTION_EIO;
    int status = open_parts(s, err);
    if (status == CAPTION_OK)
        *out = s;
    else
        store_close(s);
    return status;
}

void store_close(store *s)
{
    if (!s)
        return;
    store_files_close(s);
    database_close(s->db);
    free(s->directory);
    free(s->images);
    free(s->quarantine);
    free(s->features);
    free(s);
}
