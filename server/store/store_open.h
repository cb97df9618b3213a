/* store_open.h: an open store, as store*.c share it.
 *
 * A transaction that writes holds SQLite's write lock (database_begin), which other daemons on the directory respect.
 * That lock also guards DATA/images: an image file is put there or removed from there only with it held, so that file
 * and row agree. */
#ifndef SERVER_STORE_OPEN_H
#define SERVER_STORE_OPEN_H

#include <stdatomic.h>

#include "server/store/database.h"
#include "server/store/store.h"

struct store {
    store_limits limits;
    char *directory, *images, *features; /* DATA, DATA/images, DATA/features */
    char *incoming;                      /* DATA/incoming/XXXXXX: uploads of this process on their way */
    int images_fd;                       /* to flush the directory */
    int incoming_fd;                     /* held locked: who can lock it knows that its process is gone */
    atomic_uint uploads;                 /* names in `incoming` */
    database *db;
    char encoder[STORE_SHA256_BYTES]; /* store_use_encoder; "" before. Guarded by the database's mutex */
};

/* The tables (store_schema.c). */
extern const database_schema store_schema;

/* The dataset's id. Within a transaction, or with the database locked. */
int store_find_dataset(store *s, const char *name, long long *id, problem *p);

/* ---- store_files.c --------------------------------------------------------------------------------------------- */

int store_files_open(store *s, caption_error *err);
void store_files_close(store *s);

/* Writes bytes to a new file in s->incoming and flushes it; *path is malloc'd. */
int store_file_write(store *s, const void *bytes, size_t size, char **path, problem *p);

/* Makes the incoming file at `path` the image file `sha256`, durably. Within a transaction that writes. */
int store_file_publish(store *s, const char *path, const char *sha256, problem *p);

/* Removes image files that deleted rows left behind. Outside of transactions. */
void store_files_sweep(store *s);

/* Removes image file `sha256` unless a row knows it: for an upload that failed after store_file_publish. Outside of
 * transactions. */
void store_file_forget(store *s, const char *sha256);

/* Tells errno about a file. Returns 1. */
int store_file_fault(problem *p, const char *path, int error);

#endif
