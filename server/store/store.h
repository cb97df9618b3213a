/* store.h: what users teach with: datasets of photos and captions, kept in a directory.
 *
 *     DATA/captiond.db     SQLite: datasets, items, captions, and which image files there are
 *     DATA/images/SHA256   the image files, named by the hash of their bytes; datasets share equal ones
 *     DATA/images/SHA256.json  beside each, what the index says of it: datasets and captions
 *     DATA/quarantine/     image files that the index does not know
 *     DATA/features/       the feature cache that training reads (model/train.h)
 *
 * The same image twice in a dataset is one item with more captions. What a function acknowledges is on the disk: kill
 * -9 or a power cut at any moment loses no acknowledged item and leaves no half of one. Several daemons may share a
 * directory on a local disk.
 *
 * An image file is removed after its deletion was recorded in the index and for no other reason. A lost or damaged
 * index is refused when the store is opened, and store_repair makes a new one of the images and what stands beside
 * them.
 *
 * Thread-safe. All functions wait for the disk and for each other: call them from threads that may (disk.h). Functions
 * with a `problem` return 0, or 1 with *p set and nothing changed. */
#ifndef SERVER_STORE_H
#define SERVER_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "model/error.h"
#include "server/base/names.h"
#include "server/http/problem.h"

enum { STORE_NAME_BYTES = NAME_BYTES, STORE_SHA256_BYTES = 65, STORE_TYPE_BYTES = 16 };

typedef struct store_limits {
    int datasets;        /* in all */
    int items, captions; /* of a dataset; of an item */
    long long bytes;     /* of all image files together */
    long long free;      /* bytes that an upload must leave free on the disk, so that deleting stays possible */
} store_limits;

typedef struct store store;

/* Makes the directory (mode 0700) and those above it, if they can be made: store_open tells. */
void store_make_directory(const char *directory);

/* Opens or makes the directory (mode 0700) and the store in it, and checks it: the index is whole, and which image
 * files it knows. CAPTION_EFORMAT if the index is damaged or lost. */
int store_open(store **out, const char *directory, const store_limits *limits, caption_error *err);
void store_close(store *s); /* NULL is allowed */

typedef struct store_repair_report {
    int rebuilt;      /* the old index was damaged or lost: it was set aside, and this is a new one */
    long long images; /* entered now */
    long long datasets, items, captions; /* in the index now */
    long long set_aside;                 /* image files in the quarantine */
} store_repair_report;

/* Makes a new index if the old one is damaged or lost, and enters the image files that it does not know, also those in
 * the quarantine, with the captions beside them. Files whose bytes do not have their hash, or that nothing stands
 * beside, are (or stay) in the quarantine. Refuses while a daemon uses the directory. */
int store_repair(const char *directory, store_repair_report *report, caption_error *err);

/* Refuses (PROBLEM_DISK_FULL) what would leave less than limits.free on the disk. */
int store_check_free(const store *s, size_t size, problem *p);

/* DATA, without a slash at the end. */
const char *store_directory(const store *s);

/* ---- datasets -------------------------------------------------------------------------------------------------- */

typedef struct store_dataset {
    char name[STORE_NAME_BYTES];
    long long created; /* seconds since 1970 */
    long long items, captions;
    long long features_ready; /* items whose features are in the cache */
} store_dataset;

/* Makes it unless it is there; *created tells which. */
int store_dataset_create(store *s, const char *name, store_dataset *out, int *created, problem *p);
int store_dataset_get(store *s, const char *name, store_dataset *out, problem *p);

/* From now on there is none of that name; *out is what it was. Quick: what it had goes with store_purge. */
int store_dataset_delete(store *s, const char *name, store_dataset *out, problem *p);

/* Removes the items of deleted datasets and the image files that no other dataset has, a few at a time, so that nobody
 * waits for long. What it leaves, because it fails or the process ends, goes with the next purge or start. */
void store_purge(store *s);

/* Up to `room` datasets in order of name, those after `after` ("": from the first); *more: others follow. */
int store_dataset_list(store *s, const char *after, int room, store_dataset *out, int *n, int *more, problem *p);

/* ---- items ----------------------------------------------------------------------------------------------------- */

typedef struct store_upload {
    const unsigned char *bytes; /* an image that has been decoded: the store does not look into it */
    size_t size;
    const char *type; /* "image/jpeg" */
    int width, height;
    const char *const *captions; /* each one line of UTF-8 (caption_dataset_check) */
    int n_captions;
} store_upload;

typedef struct store_added {
    long long id;
    int created;  /* 0: the dataset had this image */
    int added;    /* captions that are new */
    int captions; /* of the item now */
    char sha256[STORE_SHA256_BYTES];
} store_added;

int store_item_add(store *s, const char *dataset, const store_upload *upload, store_added *out, problem *p);
int store_item_delete(store *s, const char *dataset, long long id, problem *p);

typedef struct store_item {
    long long id, created, bytes;
    const char *sha256, *type;
    const char *captions; /* a JSON array of strings, in order of arrival */
    int width, height;
    int features_ready;
} store_item;

/* Calls `each` with up to `limit` items whose id is greater than `after`, in order of id; *more: others follow. `each`
 * is called with the store locked, must not call it, and may stop by returning non-zero. */
int store_item_list(store *s, const char *dataset, long long after, int limit,
                    int (*each)(void *context, const store_item *item), void *context, int *more, problem *p);

/* The same for one item. */
int store_item_get(store *s, const char *dataset, long long id, int (*each)(void *context, const store_item *item),
                   void *context, problem *p);

/* Opens an item's image file for reading; the caller closes *fd. */
int store_item_open(store *s, const char *dataset, long long id, int *fd, size_t *size, char type[STORE_TYPE_BYTES],
                    problem *p);

/* ---- for training ---------------------------------------------------------------------------------------------- */

typedef struct store_export_order {
    const char *dataset;
    const char *directory; /* exists, inside DATA */
    double dev_fraction;
    uint64_t seed;
    int (*stop)(void *context); /* asked often; non-zero gives up */
    void *context;
} store_export_order;

typedef struct store_export_sizes {
    long long train_items, dev_items; /* dev_items is 0 if there is no dev part */
} store_export_sizes;

/* Writes a dataset as files of its own into the directory:
 *
 *     train.tsv, dev.tsv   SHA256<TAB>caption (model/dataset.h); dev.tsv only if dev_fraction is above 0
 *     images/              hard links to the image files: they outlast the dataset, and take no space while it lives
 *
 * dev_fraction (0..1) of the items, at least one and not all, are for dev; the same seed and items choose the same. All
 * is flushed to the disk. Exporting again into the same directory replaces the files. Who is stopped or finds the store
 * busy (PROBLEM_STORE_BUSY) may try again. */
int store_export(store *s, const store_export_order *order, store_export_sizes *sizes, problem *p);

/* The directory of the feature cache (caption_train_options.cache). Lives as long as the store. */
const char *store_feature_directory(const store *s);

/* Says which encoder features are now meant by "ready". */
int store_use_encoder(store *s, const char *encoder_sha256, problem *p);

typedef struct store_image {
    long long id;
    int features_ready;
    char sha256[STORE_SHA256_BYTES];
} store_image;

/* Up to `room` image files, in order of arrival, those after the one whose id is `after`. */
int store_image_list(store *s, long long after, int room, store_image *out, int *n, problem *p);

/* Marks the features of these image files as ready, or as not. */
int store_image_mark(store *s, const long long *ids, int n, int ready, problem *p);

/* DATA/images/SHA256, malloc'd; NULL when out of memory. */
char *store_image_path(const store *s, const char *sha256);

#endif
