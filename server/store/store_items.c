/* store_items.c: the photos of a dataset.
 *
 * An upload is written and flushed to a file of its own first, because that takes longest; then one transaction checks
 * the limits, puts the file in its place and inserts the rows. It is acknowledged after the commit, which returns when
 * it is on the disk. */
#include <errno.h>
#include <fcntl.h>
#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/store/store_open.h"

/* An upload on its way. */
typedef struct arrival {
    const store_upload *upload;
    char *path; /* of the incoming file */
    long long dataset, image, item;
    int placed; /* the image file was put where none was before */
} arrival;

/* A query of one number: *found tells whether there is a row. */
static int read_number(store *s, sqlite3_stmt *q, long long *out, int *found, problem *p)
{
    int state = database_step(s->db, q, p);
    *found = state == DATABASE_ROW;
    if (*found)
        *out = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return state == DATABASE_FAULT;
}

/* ---- adding; all of it in one transaction ---------------------------------------------------------------------- */

static int check_bytes(store *s, size_t size, problem *p)
{
    long long bytes = 0;
    int found;
    if (read_number(s, database_prepare(s->db, "SELECT bytes FROM totals"), &bytes, &found, p))
        return 1;
    if (bytes + (long long)size <= s->limits.bytes)
        return 0;
    return problem_set(p, PROBLEM_DISK_FULL, "all images would have %lld bytes, the limit is %lld",
                       bytes + (long long)size, s->limits.bytes);
}

static int insert_image(store *s, arrival *a, const char *sha256, problem *p)
{
    const store_upload *u = a->upload;
    if (check_bytes(s, u->size, p) || store_file_publish(s, a->path, sha256, &a->placed, p))
        return 1;
    sqlite3_stmt *q =
        database_prepare(s->db, "INSERT INTO images(sha256, type, bytes, width, height) VALUES(?1, ?2, ?3, ?4, ?5)");
    database_bind_text(q, 1, sha256);
    database_bind_text(q, 2, u->type);
    sqlite3_bind_int64(q, 3, (long long)u->size);
    sqlite3_bind_int(q, 4, u->width);
    sqlite3_bind_int(q, 5, u->height);
    if (database_run(s->db, q, p))
        return 1;
    a->image = database_inserted(s->db);
    return 0;
}

/* A file that is known and was lost or cut short comes back with whoever sends it again. */
static int restore_image(store *s, arrival *a, const char *sha256, problem *p)
{
    struct stat facts;
    int ignored;
    if (fstatat(s->images_fd, sha256, &facts, 0) == 0 && (size_t)facts.st_size == a->upload->size)
        return 0;
    return store_file_publish(s, a->path, sha256, &ignored, p) || store_files_flush(s, p);
}

static int find_or_insert_image(store *s, arrival *a, const char *sha256, problem *p)
{
    int found;
    sqlite3_stmt *q = database_prepare(s->db, "SELECT id FROM images WHERE sha256 = ?1");
    database_bind_text(q, 1, sha256);
    if (read_number(s, q, &a->image, &found, p))
        return 1;
    return found ? restore_image(s, a, sha256, p) : insert_image(s, a, sha256, p);
}

static int insert_item(store *s, arrival *a, problem *p)
{
    sqlite3_stmt *q = database_prepare(s->db, "INSERT INTO items(dataset, image, created) SELECT ?1, ?2, unixepoch() "
                                              "WHERE (SELECT items FROM datasets WHERE id = ?1) < ?3");
    sqlite3_bind_int64(q, 1, a->dataset);
    sqlite3_bind_int64(q, 2, a->image);
    sqlite3_bind_int(q, 3, s->limits.items);
    if (database_run(s->db, q, p))
        return 1;
    if (database_changes(s->db) == 0)
        return problem_set(p, PROBLEM_LIMIT_REACHED, "the dataset has %d items, the limit", s->limits.items);
    a->item = database_inserted(s->db);
    return 0;
}

static int find_or_insert_item(store *s, arrival *a, int *created, problem *p)
{
    int found;
    sqlite3_stmt *q = database_prepare(s->db, "SELECT id FROM items WHERE dataset = ?1 AND image = ?2");
    sqlite3_bind_int64(q, 1, a->dataset);
    sqlite3_bind_int64(q, 2, a->image);
    if (read_number(s, q, &a->item, &found, p))
        return 1;
    *created = !found;
    return found ? 0 : insert_item(s, a, p);
}

static int insert_captions(store *s, const arrival *a, int *added, problem *p)
{
    *added = 0;
    for (int i = 0; i < a->upload->n_captions; i++) {
        sqlite3_stmt *q = database_prepare(
            s->db, "INSERT INTO captions(item, text) VALUES(?1, ?2) ON CONFLICT(item, text) DO NOTHING");
        sqlite3_bind_int64(q, 1, a->item);
        database_bind_text(q, 2, a->upload->captions[i]);
        if (database_run(s->db, q, p))
            return 1;
        *added += database_changes(s->db) > 0;
    }
    return 0;
}

static int count_captions(store *s, const arrival *a, int *captions, problem *p)
{
    long long n = 0;
    int found;
    sqlite3_stmt *q = database_prepare(s->db, "SELECT count(*) FROM captions WHERE item = ?1");
    sqlite3_bind_int64(q, 1, a->item);
    if (read_number(s, q, &n, &found, p))
        return 1;
    if (n > s->limits.captions)
        return problem_set(p, PROBLEM_LIMIT_REACHED, "the item would have %lld captions, the limit is %d", n,
                           s->limits.captions);
    *captions = (int)n;
    return 0;
}

static void name_image(const store_upload *u, char sha256[STORE_SHA256_BYTES])
{
    struct sha256_ctx sha;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&sha);
    sha256_update(&sha, u->size, u->bytes);
    sha256_digest(&sha, sizeof digest, digest);
    base16_encode_update(sha256, sizeof digest, digest);
    sha256[STORE_SHA256_BYTES - 1] = '\0';
}

/* Before it is acknowledged, the image and what is said of it are on the disk without the index, too. */
static int keep_beside(store *s, const arrival *a, const store_added *out, problem *p)
{
    if (!out->created && out->added == 0)
        return 0;
    return store_sidecar_write(s, a->image, STORE_FLUSH_NOW, p) || store_files_flush(s, p);
}

int store_item_add(store *s, const char *dataset, const store_upload *upload, store_added *out, problem *p)
{
    arrival a = {.upload = upload};
    *out = (store_added){.id = 0};
    name_image(upload, out->sha256);
    if (store_file_write(s, upload->bytes, upload->size, STORE_FLUSH_NOW, &a.path, p))
        return 1;
    int failed = database_begin(s->db, p);
    if (!failed) {
        failed = store_find_dataset(s, dataset, &a.dataset, p) || find_or_insert_image(s, &a, out->sha256, p) ||
                 find_or_insert_item(s, &a, &out->created, p) || insert_captions(s, &a, &out->added, p) ||
                 count_captions(s, &a, &out->captions, p) || keep_beside(s, &a, out, p);
        failed = database_end(s->db, failed, p);
    }
    out->id = a.item;
    if (failed && a.placed)
        store_file_forget(s, out->sha256);
    unlink(a.path); /* still there unless it became the image file */
    free(a.path);
    return failed;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

/* Dataset ?1, encoder ?2. */
#define ITEM_QUERY                                                                                                     \
    "SELECT items.id, items.created, images.bytes, images.sha256, images.type, images.width, images.height,"           \
    " images.features = ?2,"                                                                                           \
    " (SELECT json_group_array(text) FROM (SELECT text FROM captions WHERE item = items.id ORDER BY id))"              \
    " FROM items JOIN images ON images.id = items.image WHERE items.dataset = ?1 AND "

static store_item read_item(sqlite3_stmt *q)
{
    return (store_item){
        .id = sqlite3_column_int64(q, 0),
        .created = sqlite3_column_int64(q, 1),
        .bytes = sqlite3_column_int64(q, 2),
        .sha256 = (const char *)sqlite3_column_text(q, 3),
        .type = (const char *)sqlite3_column_text(q, 4),
        .width = sqlite3_column_int(q, 5),
        .height = sqlite3_column_int(q, 6),
        .features_ready = sqlite3_column_int(q, 7),
        .captions = (const char *)sqlite3_column_text(q, 8),
    };
}

static int refuse_unknown(long long id, problem *p)
{
    return problem_set(p, PROBLEM_UNKNOWN_ITEM, "the dataset has no item %lld", id);
}

static int list(store *s, const char *dataset, long long after, int limit,
                int (*each)(void *context, const store_item *item), void *context, int *more, problem *p)
{
    long long id;
    int state = DATABASE_END, n = 0, stopped = 0;
    if (store_find_dataset(s, dataset, &id, p))
        return 1;
    sqlite3_stmt *q = database_prepare(s->db, ITEM_QUERY "items.id > ?3 ORDER BY items.id LIMIT ?4");
    sqlite3_bind_int64(q, 1, id);
    database_bind_text(q, 2, s->encoder);
    sqlite3_bind_int64(q, 3, after);
    sqlite3_bind_int(q, 4, limit + 1);
    while (!stopped && (state = database_step(s->db, q, p)) == DATABASE_ROW && n++ < limit) {
        store_item item = read_item(q);
        stopped = each(context, &item);
    }
    *more = state == DATABASE_ROW && n > limit;
    sqlite3_reset(q);
    return state == DATABASE_FAULT;
}

int store_item_list(store *s, const char *dataset, long long after, int limit,
                    int (*each)(void *context, const store_item *item), void *context, int *more, problem *p)
{
    database_lock(s->db);
    int failed = list(s, dataset, after, limit, each, context, more, p);
    database_unlock(s->db);
    return failed;
}

static int get(store *s, const char *dataset, long long id, int (*each)(void *context, const store_item *item),
               void *context, problem *p)
{
    long long dataset_id;
    if (store_find_dataset(s, dataset, &dataset_id, p))
        return 1;
    sqlite3_stmt *q = database_prepare(s->db, ITEM_QUERY "items.id = ?3");
    sqlite3_bind_int64(q, 1, dataset_id);
    database_bind_text(q, 2, s->encoder);
    sqlite3_bind_int64(q, 3, id);
    int state = database_step(s->db, q, p);
    if (state == DATABASE_END)
        return refuse_unknown(id, p);
    if (state == DATABASE_ROW) {
        store_item item = read_item(q);
        each(context, &item);
    }
    sqlite3_reset(q);
    return state == DATABASE_FAULT;
}

int store_item_get(store *s, const char *dataset, long long id, int (*each)(void *context, const store_item *item),
                   void *context, problem *p)
{
    database_lock(s->db);
    int failed = get(s, dataset, id, each, context, p);
    database_unlock(s->db);
    return failed;
}

/* ---- the image file -------------------------------------------------------------------------------------------- */

typedef struct opening {
    store *store;
    int fd, error;
    size_t size;
    char *type;
} opening;

/* With the store locked, so that the file cannot be removed in between. */
static int open_image(void *context, const store_item *item)
{
    opening *o = context;
    struct stat facts;
    o->fd = openat(o->store->images_fd, item->sha256, O_RDONLY | O_CLOEXEC);
    o->error = o->fd < 0 || fstat(o->fd, &facts) != 0 ? errno : 0;
    if (!o->error)
        o->size = (size_t)facts.st_size;
    strncat(o->type, item->type, STORE_TYPE_BYTES - 1);
    return 0;
}

int store_item_open(store *s, const char *dataset, long long id, int *fd, size_t *size, char type[STORE_TYPE_BYTES],
                    problem *p)
{
    opening o = {.store = s, .fd = -1, .type = type};
    *type = '\0';
    if (store_item_get(s, dataset, id, open_image, &o, p))
        return 1;
    if (o.error) {
        if (o.fd >= 0)
            close(o.fd);
        return store_file_fault(p, s->images, o.error);
    }
    *fd = o.fd;
    *size = o.size;
    return 0;
}

/* ---- deleting -------------------------------------------------------------------------------------------------- */

static int find_image(store *s, long long dataset, long long id, long long *image, problem *p)
{
    int found;
    sqlite3_stmt *q = database_prepare(s->db, "SELECT image FROM items WHERE dataset = ?1 AND id = ?2");
    sqlite3_bind_int64(q, 1, dataset);
    sqlite3_bind_int64(q, 2, id);
    if (read_number(s, q, image, &found, p))
        return 1;
    return found ? 0 : refuse_unknown(id, p);
}

/* That the sidecar may still tell of the item, because the disk is full, is no reason to keep it. */
static int drop(store *s, const char *dataset, long long id, problem *p)
{
    problem ignored;
    long long dataset_id, image = 0;
    if (store_find_dataset(s, dataset, &dataset_id, p) || find_image(s, dataset_id, id, &image, p))
        return 1;
    sqlite3_stmt *q = database_prepare(s->db, "DELETE FROM items WHERE id = ?1");
    sqlite3_bind_int64(q, 1, id);
    if (database_run(s->db, q, p))
        return 1;
    store_sidecar_write(s, image, STORE_FLUSH_NOW, &ignored);
    return 0;
}

int store_item_delete(store *s, const char *dataset, long long id, problem *p)
{
    if (database_begin(s->db, p))
        return 1;
    if (database_end(s->db, drop(s, dataset, id, p), p))
        return 1;
    store_files_sweep(s);
    return 0;
}
