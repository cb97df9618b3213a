/* store_repair.c: `captiond repair`: an index made of the image files and what stands beside them (store_sidecar.c).
 *
 * If the old index is damaged or lost, a new one is made beside it, in captiond.db.new, which takes its name when all
 * is in it; the old one moves into the quarantine. If it is in order, only what it does not know is entered. Killed at
 * any moment, nothing is lost and it can be called again. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/durable.h"
#include "server/base/file.h"
#include "server/store/store_open.h"

enum { MAX_IMAGE_BYTES = 1 << 30 };

static const char *const suffixes[] = {"", "-wal", "-shm"};

/* A repair on its way. */
typedef struct repair {
    store *store;
    store_repair_report *report;
    const char *sha256; /* of the image being entered, */
    long long bytes;    /* its size, */
    long long image;    /* its row; 0: not entered yet */
} repair;

static int path_of(const store *s, const char *name, char out[PATH_MAX], caption_error *err)
{
    if (snprintf(out, PATH_MAX, "%s/%s", s->directory, name) < PATH_MAX)
        return CAPTION_OK;
    return caption_fail(err, CAPTION_EIO, "%.400s: the path is too long", s->directory);
}

static int fail(const char *path, caption_error *err)
{
    return caption_fail(err, CAPTION_EIO, "%.400s: %s", path, strerror(errno));
}

/* ---- one image: rows for what its sidecar says ------------------------------------------------------------------ */

/* Runs a statement that is bound. */
static int run(repair *r, sqlite3_stmt *q, caption_error *err)
{
    problem p;
    return database_run(r->store->db, q, &p) ? caption_fail(err, CAPTION_EIO, "%.500s", p.detail) : CAPTION_OK;
}

/* A query of one number; 0 if there is no row. */
static long long ask(repair *r, sqlite3_stmt *q)
{
    problem ignored;
    long long number = database_step(r->store->db, q, &ignored) == DATABASE_ROW ? sqlite3_column_int64(q, 0) : 0;
    sqlite3_reset(q);
    return number;
}

static int enter_image(repair *r, const store_sidecar_item *item, caption_error *err)
{
    sqlite3_stmt *q = database_prepare(r->store->db, "INSERT INTO images(sha256, type, bytes, width, height) "
                                                     "VALUES(?1, ?2, ?3, ?4, ?5)");
    database_bind_text(q, 1, r->sha256);
    database_bind_text(q, 2, item->type);
    sqlite3_bind_int64(q, 3, r->bytes);
    sqlite3_bind_int(q, 4, item->width);
    sqlite3_bind_int(q, 5, item->height);
    int status = run(r, q, err);
    r->image = status ? 0 : database_inserted(r->store->db);
    return status;
}

static int enter_dataset(repair *r, const store_sidecar_item *item, long long *id, caption_error *err)
{
    sqlite3_stmt *q = database_prepare(
        r->store->db, "INSERT INTO datasets(name, created) VALUES(?1, ?2) ON CONFLICT(name) DO NOTHING");
    database_bind_text(q, 1, item->dataset);
    sqlite3_bind_int64(q, 2, item->created);
    int status = run(r, q, err);
    q = database_prepare(r->store->db, "SELECT id FROM datasets WHERE name = ?1");
    database_bind_text(q, 1, item->dataset);
    *id = status ? 0 : ask(r, q);
    return status;
}

/* With the number that it had, unless another item has that. */
static int enter_item(repair *r, const store_sidecar_item *item, long long dataset, long long *id, caption_error *err)
{
    sqlite3_stmt *q = database_prepare(
        r->store->db, "INSERT INTO items(id, dataset, image, created) "
                      "VALUES(iif(?1 = 0 OR EXISTS(SELECT 1 FROM items WHERE id = ?1), NULL, ?1), ?2, ?3, ?4) "
                      "ON CONFLICT(dataset, image) DO NOTHING");
    sqlite3_bind_int64(q, 1, item->id);
    sqlite3_bind_int64(q, 2, dataset);
    sqlite3_bind_int64(q, 3, r->image);
    sqlite3_bind_int64(q, 4, item->created);
    int status = run(r, q, err);
    q = database_prepare(r->store->db, "SELECT id FROM items WHERE dataset = ?1 AND image = ?2");
    sqlite3_bind_int64(q, 1, dataset);
    sqlite3_bind_int64(q, 2, r->image);
    *id = status ? 0 : ask(r, q);
    return status;
}

static int enter_captions(repair *r, const store_sidecar_item *item, long long id, caption_error *err)
{
    int status = CAPTION_OK;
    for (int i = 0; i < item->n_captions && !status; i++) {
        sqlite3_stmt *q = database_prepare(
            r->store->db, "INSERT INTO captions(item, text) VALUES(?1, ?2) ON CONFLICT(item, text) DO NOTHING");
        sqlite3_bind_int64(q, 1, id);
        database_bind_text(q, 2, item->captions[i]);
        status = run(r, q, err);
    }
    return status;
}

static int enter(void *context, const store_sidecar_item *item)
{
    repair *r = context;
    long long dataset, id;
    caption_error ignored;
    int status = r->image ? CAPTION_OK : enter_image(r, item, &ignored);
    if (!status)
        status = enter_dataset(r, item, &dataset, &ignored);
    if (!status)
        status = enter_item(r, item, dataset, &id, &ignored);
    return status ? status : enter_captions(r, item, id, &ignored);
}

/* ---- the files
 * ------------------------------------------------------------------------------------------------------- */

static int is_known(repair *r, const char *sha256)
{
    sqlite3_stmt *q = database_prepare(r->store->db, "SELECT 1 FROM images WHERE sha256 = ?1");
    database_bind_text(q, 1, sha256);
    return ask(r, q) == 1;
}

/* Whether the bytes of a file have the hash that is its name. */
static int is_whole(const char *path, const char *name, long long *size)
{
    unsigned char *bytes;
    size_t length;
    struct sha256_ctx sha;
    uint8_t digest[SHA256_DIGEST_SIZE];
    char text[STORE_SHA256_BYTES] = "";
    if (file_read(path, MAX_IMAGE_BYTES, &bytes, &length, NULL))
        return 0;
    sha256_init(&sha);
    sha256_update(&sha, length, bytes);
    sha256_digest(&sha, sizeof digest, digest);
    base16_encode_update(text, sizeof digest, digest);
    free(bytes);
    *size = (long long)length;
    return strcmp(text, name) == 0;
}

/* Enters the image file DIRECTORY/NAME with what stands beside it; *entered tells whether anything did. */
static int enter_file(repair *r, const char *directory, const char *name, int *entered, caption_error *err)
{
    char path[PATH_MAX], sidecar[PATH_MAX], beside[STORE_SIDECAR_BYTES];
    store_sidecar_name(name, beside);
    *entered = 0;
    if (snprintf(path, sizeof path, "%s/%s", directory, name) >= PATH_MAX ||
        snprintf(sidecar, sizeof sidecar, "%s/%s", directory, beside) >= PATH_MAX)
        return caption_fail(err, CAPTION_EIO, "%.400s: the path is too long", directory);
    r->sha256 = name;
    r->image = 0;
    if (!is_whole(path, name, &r->bytes))
        return CAPTION_OK;
    int status = store_sidecar_read(sidecar, enter, r, err);
    *entered = r->image != 0;
    r->report->images += *entered;
    return status == CAPTION_ENOMEM ? status : CAPTION_OK;
}

/* An image file and its sidecar from the quarantine to their place. */
static int move_back(const store *s, const char *name, caption_error *err)
{
    char path[PATH_MAX], beside[STORE_SIDECAR_BYTES];
    const char *names[] = {beside, name};
    store_sidecar_name(name, beside);
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", s->quarantine, names[i]);
        if (renameat(AT_FDCWD, path, s->images_fd, names[i]) != 0)
            return fail(path, err);
    }
    return CAPTION_OK;
}

static int visit_image(repair *r, const char *name, caption_error *err)
{
    char beside[STORE_SIDECAR_BYTES];
    int entered;
    int status = enter_file(r, r->store->images, name, &entered, err);
    if (status || entered)
        return status;
    store_sidecar_name(name, beside);
    if (faccessat(r->store->images_fd, beside, F_OK, 0) == 0)
        store_set_aside(r->store, beside);
    return store_set_aside(r->store, name) ? fail(name, err) : CAPTION_OK;
}

static int visit_quarantined(repair *r, const char *name, caption_error *err)
{
    int entered;
    int status = enter_file(r, r->store->quarantine, name, &entered, err);
    if (status || !entered) {
        r->report->set_aside += !status;
        return status;
    }
    return move_back(r->store, name, err);
}

/* Visits the image files in a directory that the index does not know. */
static int visit_all(repair *r, const char *path, int (*visit)(repair *r, const char *name, caption_error *err),
                     caption_error *err)
{
    DIR *directory = opendir(path);
    int status = CAPTION_OK;
    if (!directory)
        return errno == ENOENT ? CAPTION_OK : fail(path, err);
    for (const struct dirent *entry; !status && (entry = readdir(directory)) != NULL;)
        if (store_is_image_name(entry->d_name) && !is_known(r, entry->d_name))
            status = visit(r, entry->d_name, err);
    closedir(directory);
    return status;
}

/* ---- the index
 * ------------------------------------------------------------------------------------------------------- */

static int fill(repair *r, caption_error *err)
{
    problem p;
    if (database_begin(r->store->db, &p))
        return caption_fail(err, CAPTION_EIO, "%.500s", p.detail);
    int status = visit_all(r, r->store->images, visit_image, err);
    if (!status)
        status = visit_all(r, r->store->quarantine, visit_quarantined, err);
    if (!status)
        status = run(r, database_prepare(r->store->db, "DELETE FROM garbage"), err);
    if (database_end(r->store->db, status != CAPTION_OK, &p) && !status)
        status = caption_fail(err, CAPTION_EIO, "%.500s", p.detail);
    r->report->datasets = ask(r, database_prepare(r->store->db, "SELECT count(*) FROM datasets WHERE name >= '0'"));
    r->report->items = ask(r, database_prepare(r->store->db, "SELECT count(*) FROM items"));
    r->report->captions = ask(r, database_prepare(r->store->db, "SELECT count(*) FROM captions"));
    return status;
}

static void remove_new(const char *path)
{
    char name[PATH_MAX];
    for (size_t i = 0; i < sizeof suffixes / sizeof *suffixes; i++)
        if (snprintf(name, sizeof name, "%s%s", path, suffixes[i]) < PATH_MAX)
            unlink(name);
}

/* Closing the only connection writes what is in the journal into the file and removes it. */
static int publish_new(repair *r, const char *new_path, const char *path, caption_error *err)
{
    database_close(r->store->db);
    r->store->db = NULL;
    int status = database_set_aside(r->store->directory, "captiond.db", err);
    if (!status && (rename(new_path, path) != 0 || durable_directory(r->store->directory) != 0))
        status = fail(path, err);
    return status;
}

static int rebuild(repair *r, const char *path, caption_error *err)
{
    char new_path[PATH_MAX];
    int status = path_of(r->store, "captiond.db.new", new_path, err);
    if (status)
        return status;
    r->report->rebuilt = 1;
    remove_new(new_path);
    status = database_open(&r->store->db, new_path, &store_schema, DATABASE_MAKE, err);
    if (!status)
        status = fill(r, err);
    return status ? status : publish_new(r, new_path, path, err);
}

static int open_directories(store *s, caption_error *err)
{
    if (mkdir(s->images, 0700) != 0 && errno != EEXIST)
        return fail(s->images, err);
    s->images_fd = open(s->images, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return s->images_fd < 0 ? fail(s->images, err) : CAPTION_OK;
}

/* With the directory locked. */
static int repair_locked(repair *r, caption_error *err)
{
    char path[PATH_MAX];
    int status = store_files_check_unused(r->store, err);
    if (!status)
        status = open_directories(r->store, err);
    if (!status)
        status = path_of(r->store, "captiond.db", path, err);
    if (status)
        return status;
    status = database_open(&r->store->db, path, &store_schema,
                           store_has_images(r->store) ? DATABASE_LOST : DATABASE_MAKE, err);
    status = status == CAPTION_EFORMAT ? rebuild(r, path, err) : status ? status : fill(r, err);
    return status || fsync(r->store->images_fd) == 0 ? status : fail(r->store->images, err);
}

int store_repair(const char *directory, store_repair_report *report, caption_error *err)
{
    const store_limits none = {0};
    repair r = {.store = store_prepare(directory, &none, err), .report = report};
    *report = (store_repair_report){.rebuilt = 0};
    if (!r.store)
        return CAPTION_EIO;
    int guard = database_lock_directory(r.store->directory, err), status = CAPTION_EIO;
    if (guard >= 0) {
        status = repair_locked(&r, err);
        close(guard);
    }
    store_close(r.store);
    return status;
}
