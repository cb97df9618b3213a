/* store_datasets.c: datasets by name. */
#include <string.h>

#include "server/store/store_open.h"

/* What every query on datasets selects: name, created, items, captions, features ready. The encoder is ?1: images of
 * other features are found by two ranges of an index, which are empty once all is computed. */
#define DATASET_COLUMNS                                                                                                \
    "datasets.name, datasets.created, datasets.items, datasets.captions, datasets.items - "                            \
    "(SELECT count(*) FROM images CROSS JOIN items ON items.image = images.id AND items.dataset = datasets.id"         \
    "  WHERE images.features < ?1 OR images.features > ?1)"

/* A deleted dataset is called "/ID" until it has been purged. Names begin with a letter or digit, none before '0'. */
#define IS_THERE "name >= '0'"

static void read_dataset(sqlite3_stmt *q, store_dataset *out)
{
    const char *name = (const char *)sqlite3_column_text(q, 0);
    *out = (store_dataset){.created = sqlite3_column_int64(q, 1),
                           .items = sqlite3_column_int64(q, 2),
                           .captions = sqlite3_column_int64(q, 3),
                           .features_ready = sqlite3_column_int64(q, 4)};
    strncpy(out->name, name ? name : "", sizeof out->name - 1);
}

static int refuse_unknown(const char *name, problem *p)
{
    return problem_set(p, PROBLEM_UNKNOWN_DATASET, "there is no dataset \"%.64s\"", name);
}

int store_find_dataset(store *s, const char *name, long long *id, problem *p)
{
    sqlite3_stmt *q = database_prepare(s->db, "SELECT id FROM datasets WHERE name = ?1 AND " IS_THERE);
    database_bind_text(q, 1, name);
    int state = database_step(s->db, q, p);
    if (state == DATABASE_END)
        return refuse_unknown(name, p);
    *id = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return state == DATABASE_FAULT;
}

/* With the lock held. */
static int get(store *s, const char *name, store_dataset *out, problem *p)
{
    sqlite3_stmt *q = database_prepare(s->db, "SELECT " DATASET_COLUMNS " FROM datasets WHERE name = ?2 AND " IS_THERE);
    database_bind_text(q, 1, s->encoder);
    database_bind_text(q, 2, name);
    int state = database_step(s->db, q, p);
    if (state == DATABASE_END)
        return refuse_unknown(name, p);
    if (state == DATABASE_ROW)
        read_dataset(q, out);
    sqlite3_reset(q);
    return state == DATABASE_FAULT;
}

int store_dataset_get(store *s, const char *name, store_dataset *out, problem *p)
{
    database_lock(s->db);
    int failed = get(s, name, out, p);
    database_unlock(s->db);
    return failed;
}

/* Makes no dataset where there are enough: then nothing changes. */
static int insert(store *s, const char *name, int *created, problem *p)
{
    sqlite3_stmt *q = database_prepare(s->db, "INSERT INTO datasets(name, created) SELECT ?1, unixepoch() "
                                              "WHERE (SELECT count(*) FROM datasets WHERE " IS_THERE
                                              ") < ?2 ON CONFLICT(name) DO NOTHING");
    database_bind_text(q, 1, name);
    sqlite3_bind_int(q, 2, s->limits.datasets);
    if (database_run(s->db, q, p))
        return 1;
    *created = database_changes(s->db) > 0;
    return 0;
}

int store_dataset_create(store *s, const char *name, store_dataset *out, int *created, problem *p)
{
    const char *fault = name_fault(name);
    if (fault)
        return problem_set(p, PROBLEM_BAD_NAME, "\"%.80s\" %s", name, fault);
    if (database_begin(s->db, p))
        return 1;
    int failed = insert(s, name, created, p);
    if (!failed && get(s, name, out, p)) {
        failed = 1;
        if (p->kind == PROBLEM_UNKNOWN_DATASET)
            problem_set(p, PROBLEM_LIMIT_REACHED, "there are %d datasets, the limit", s->limits.datasets);
    }
    return database_end(s->db, failed, p);
}

static int hide(store *s, const char *name, problem *p)
{
    sqlite3_stmt *q = database_prepare(s->db, "UPDATE datasets SET name = '/' || id WHERE name = ?1");
    database_bind_text(q, 1, name);
    return database_run(s->db, q, p);
}

int store_dataset_delete(store *s, const char *name, store_dataset *out, problem *p)
{
    if (database_begin(s->db, p))
        return 1;
    return database_end(s->db, get(s, name, out, p) || hide(s, name, p), p);
}

/* ---- purging --------------------------------------------------------------------------------------------------- */

enum { PURGE = 200 };

/* Deletes a few items of deleted datasets; images[*n]: what they were of. */
static int purge_items(store *s, long long images[PURGE], int *n, problem *p)
{
    int state;
    sqlite3_stmt *q = database_prepare(s->db, "DELETE FROM items WHERE id IN (SELECT items.id FROM datasets "
                                              "JOIN items ON items.dataset = datasets.id WHERE NOT " IS_THERE
                                              " LIMIT ?1) RETURNING image");
    *n = 0;
    sqlite3_bind_int(q, 1, PURGE);
    while ((state = database_step(s->db, q, p)) == DATABASE_ROW && *n < PURGE)
        images[(*n)++] = sqlite3_column_int64(q, 0);
    sqlite3_reset(q);
    return state == DATABASE_FAULT;
}

/* Or the datasets if they have none left; *more: there was one. */
static int purge_some(store *s, int *more, problem *p)
{
    long long images[PURGE];
    problem ignored;
    int n;
    if (purge_items(s, images, &n, p))
        return 1;
    for (int i = 0; i < n; i++)
        store_sidecar_write(s, images[i], STORE_FLUSH_NOW, &ignored); /* other datasets may have it */
    *more = n > 0;
    return *more ? 0 : database_run(s->db, database_prepare(s->db, "DELETE FROM datasets WHERE NOT " IS_THERE), p);
}

void store_purge(store *s)
{
    problem p;
    int more = 1;
    while (more && !database_begin(s->db, &p))
        if (database_end(s->db, purge_some(s, &more, &p), &p))
            break;
    store_files_sweep(s);
}

int store_dataset_list(store *s, const char *after, int room, store_dataset *out, int *n, int *more, problem *p)
{
    int state;
    *n = *more = 0;
    database_lock(s->db);
    sqlite3_stmt *q = database_prepare(s->db, "SELECT " DATASET_COLUMNS " FROM datasets WHERE name > ?2 AND " IS_THERE
                                              " ORDER BY name LIMIT ?3");
    database_bind_text(q, 1, s->encoder);
    database_bind_text(q, 2, after);
    sqlite3_bind_int(q, 3, room + 1);
    while ((state = database_step(s->db, q, p)) == DATABASE_ROW && *n < room)
        read_dataset(q, &out[(*n)++]);
    *more = state == DATABASE_ROW;
    sqlite3_reset(q);
    database_unlock(s->db);
    return state == DATABASE_FAULT;
}
