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
    char *quarantine;                    /* DATA/quarantine */
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

/* An image file's name: 64 hex digits. */
int store_is_image_name(const char *name);

/* DATA and its directories made; nothing opened. NULL upon failure, with err set. */
store *store_prepare(const char *directory, const store_limits *limits, caption_error *err);

/* 1 if there are image files, and so must be an index. */
int store_has_images(const store *s);

/* ---- store_files.c --------------------------------------------------------------------------------------------- */

int store_files_open(store *s, caption_error *err);
void store_files_close(store *s);

/* Refuses if a daemon has this directory open. With the directory locked (database_lock_directory). */
int store_files_check_unused(const store *s, caption_error *err);

/* LATER: the caller flushes all of the file system (syncfs) after many. */
typedef enum store_flush { STORE_FLUSH_NOW, STORE_FLUSH_LATER } store_flush;

/* Writes bytes to a new file in s->incoming and flushes it; *path is malloc'd. */
int store_file_write(store *s, const void *bytes, size_t size, store_flush flush, char **path, problem *p);

/* Makes the incoming file at `path` the image file `sha256`: on the disk with the next store_files_flush. *created:
 * there was none before. Within a transaction that writes. */
int store_file_publish(store *s, const char *path, const char *sha256, int *created, problem *p);

/* What was put into DATA/images is on the disk. */
int store_files_flush(store *s, problem *p);

/* Removes image files whose deletion is recorded. Outside of transactions. */
void store_files_sweep(store *s);

/* Removes image file `sha256` unless a row knows it: for an upload that failed after store_file_publish had created it.
 * Outside of transactions. */
void store_file_forget(store *s, const char *sha256);

/* Tells errno about a file. Returns 1. */
int store_file_fault(problem *p, const char *path, int error);

/* ---- store_sidecar.c ------------------------------------------------------------------------------------------- */

enum { STORE_SIDECAR_BYTES = STORE_SHA256_BYTES + 5 };

/* "SHA256.json" */
void store_sidecar_name(const char *sha256, char out[STORE_SIDECAR_BYTES]);

/* Writes what the index knows of an image beside its file, if it knows it; on the disk with the next store_files_flush.
 * Within a transaction that writes. */
int store_sidecar_write(store *s, long long image, store_flush flush, problem *p);

/* What a sidecar says of one item. */
typedef struct store_sidecar_item {
    const char *type;
    int width, height;
    const char *dataset;
    long long id, created;
    const char *const *captions;
    int n_captions;
} store_sidecar_item;

/* Calls `each` with every item that a sidecar names; it may stop by returning a status, which is then returned.
 * CAPTION_EFORMAT if the file is no sidecar, CAPTION_EIO if there is none. */
int store_sidecar_read(const char *path, int (*each)(void *context, const store_sidecar_item *item), void *context,
                       caption_error *err);

/* ---- store_check.c --------------------------------------------------------------------------------------------- */

/* Compares the image files with the index: sets aside those that it does not know, tells which are missing, and writes
 * sidecars that are. */
int store_check_files(store *s, caption_error *err);

/* Moves DATA/images/NAME into the quarantine, where nothing is replaced by it. */
int store_set_aside(const store *s, const char *name);

#endif
