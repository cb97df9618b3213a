/* store_images.c: image files one by one, and whether their features are computed. */
#include <string.h>

#include "server/store/store_open.h"

int store_use_encoder(store *s, const char *encoder_sha256, problem *p)
{
    if (strlen(encoder_sha256) >= sizeof s->encoder)
        return problem_set(p, PROBLEM_INTERNAL, "the encoder's hash is too long");
    database_lock(s->db);
    strcpy(s->encoder, encoder_sha256);
    database_unlock(s->db);
    return 0;
}

static void read_image(sqlite3_stmt *q, store_image *out)
{
    const char *sha256 = (const char *)sqlite3_column_text(q, 1);
    *out = (store_image){.id = sqlite3_column_int64(q, 0), .features_ready = sqlite3_column_int(q, 2)};
    strncpy(out->sha256, sha256 ? sha256 : "", sizeof out->sha256 - 1);
}

int store_image_list(store *s, long long after, int room, store_image *out, int *n, problem *p)
{
    int state;
    *n = 0;
    database_lock(s->db);
    sqlite3_stmt *q =
        database_prepare(s->db, "SELECT id, sha256, features = ?3 FROM images WHERE id > ?1 ORDER BY id LIMIT ?2");
    sqlite3_bind_int64(q, 1, after);
    sqlite3_bind_int(q, 2, room);
    database_bind_text(q, 3, s->encoder);
    while ((state = database_step(s->db, q, p)) == DATABASE_ROW)
        read_image(q, &out[(*n)++]);
    database_unlock(s->db);
    return state == DATABASE_FAULT;
}

int store_image_mark(store *s, const long long *ids, int n, int ready, problem *p)
{
    int failed = 0;
    if (n == 0)
        return 0;
    if (database_begin(s->db, p))
        return 1;
    for (int i = 0; i < n && !failed; i++) {
        sqlite3_stmt *q = database_prepare(s->db, "UPDATE images SET features = ?2 WHERE id = ?1");
        sqlite3_bind_int64(q, 1, ids[i]);
        database_bind_text(q, 2, ready ? s->encoder : "");
        failed = database_run(s->db, q, p);
    }
    return database_end(s->db, failed, p);
}
