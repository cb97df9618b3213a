/* feature_extract.c: a few threads that each take the next picture: read, look up, and only if it is new decode, encode
 * and append. Which thread takes which picture changes nothing but the order of records in the cache. */
#include "model/feature_extract.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/encoder.h"
#include "model/mapped_file.h"

enum { SIDE = CAPTION_IMAGE_SIDE, PIXELS = SIDE * SIDE * 3, VIEWS = 2 }; /* views: as it is, mirrored */

/* What the threads share. */
struct pool {
    const feature_work *work;
    feature_cache *cache;
    feature_key *keys; /* [images, VIEWS] */
    size_t total;
    atomic_size_t next, done;
    atomic_int status; /* of the first thread that failed; the others then stop */
    caption_error *err;
};

struct worker {
    struct pool *pool;
    encoder_scratch *scratch;
    caption_image image;
    unsigned char pixels[VIEWS * PIXELS];
    float features[VIEWS * CAPTION_FEATURES];
};

static void mirror(unsigned char *out, const unsigned char *rgb)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            memcpy(out + (y * SIDE + x) * 3, rgb + (y * SIDE + SIDE - 1 - x) * 3, 3);
}

/* Encodes the views of worker->image that the cache lacks and appends them. */
static int compute(struct worker *w, const feature_key *keys, const int *missing, caption_error *err)
{
    const unsigned char *views = w->pixels;
    int first = missing[0] ? 0 : 1, n = missing[0] + missing[1];
    memcpy(w->pixels, w->image.rgb, PIXELS);
    mirror(w->pixels + PIXELS, w->image.rgb);
    encoder_forward(w->pool->work->encoder, w->scratch, n, views + first * PIXELS,
                    &(encoder_outputs){.features = w->features});
    for (int i = 0; i < n; i++) {
        int status = feature_cache_append(w->pool->cache, &keys[first + i], w->features + i * CAPTION_FEATURES, err);
        if (status != CAPTION_OK)
            return status;
    }
    return CAPTION_OK;
}

static int visit_bytes(struct worker *w, const mapped_file *file, feature_key *keys, caption_error *err)
{
    int missing[VIEWS] = {0, 0};
    for (int view = 0; view <= w->pool->work->mirror; view++) {
        keys[view] = view ? keys[0] : feature_cache_key(file->bytes, file->size, 0);
        keys[view].mirrored = (uint32_t)view;
        missing[view] = feature_cache_find(w->pool->cache, &keys[view]) == FEATURE_CACHE_ABSENT;
    }
    if (!missing[0] && !missing[1])
        return CAPTION_OK;
    int status = caption_image_decode(&w->image, file->bytes, file->size, NULL, err);
    return status == CAPTION_OK ? compute(w, keys, missing, err) : status;
}

static int visit_picture(struct worker *w, size_t i, caption_error *err)
{
    const caption_dataset *dataset = w->pool->work->dataset;
    caption_error reason;
    mapped_file file;
    char *path;
    if (asprintf(&path, "%s/%s", caption_dataset_directory(dataset), caption_dataset_at(dataset, i)->file) < 0)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for features");
    int status = mapped_file_open(&file, path, err);
    if (status == CAPTION_OK) {
        status = visit_bytes(w, &file, w->pool->keys + i * VIEWS, &reason);
        if (status != CAPTION_OK)
            caption_fail(err, status, "%.256s: %.200s", path, reason.message);
        mapped_file_close(&file);
    }
    free(path);
    return status;
}

/* Keeps the first failure. */
static void stop_pool(struct pool *pool, int status, const caption_error *err)
{
    int expected = CAPTION_OK;
    if (atomic_compare_exchange_strong(&pool->status, &expected, status) && pool->err)
        *pool->err = *err;
}

/* reports: only the calling thread talks to the caller. */
static void work(struct pool *pool, int reports)
{
    const feature_work *w = pool->work;
    caption_error err;
    struct worker *worker = calloc(1, sizeof *worker);
    int status = worker ? encoder_scratch_new(&worker->scratch, w->encoder, SIDE, SIDE, &err)
                        : caption_fail(&err, CAPTION_ENOMEM, "out of memory for features");
    if (worker)
        worker->pool = pool;
    while (status == CAPTION_OK && atomic_load(&pool->status) == CAPTION_OK) {
        size_t i = atomic_fetch_add(&pool->next, 1);
        if (i >= pool->total)
            break;
        status = visit_picture(worker, i, &err);
        size_t done = atomic_fetch_add(&pool->done, 1) + 1;
        if (status == CAPTION_OK && reports && w->progress && w->progress(w->context, done, pool->total))
            status = caption_fail(&err, CAPTION_ECANCELLED, "stopped while computing features");
    }
    if (status != CAPTION_OK)
        stop_pool(pool, status, &err);
    if (worker)
        encoder_scratch_free(worker->scratch);
    free(worker);
}

static void *thread_main(void *pool)
{
    work(pool, 0);
    return NULL;
}

/* With fewer threads than asked for, because the system gives no more, the work is only slower. */
static void run_pool(struct pool *pool)
{
    enum { MOST = 64 };
    pthread_t threads[MOST];
    int started = 0, wanted = pool->work->threads - 1;
    while (started < wanted && started < MOST && pthread_create(&threads[started], NULL, thread_main, pool) == 0)
        started++;
    work(pool, 1);
    while (started > 0)
        pthread_join(threads[--started], NULL);
}

static int find_records(const struct pool *pool, long *records)
{
    int views = 1 + pool->work->mirror;
    for (size_t i = 0; i < pool->total; i++)
        for (int view = 0; view < views; view++) {
            long record = feature_cache_find(pool->cache, &pool->keys[i * VIEWS + (size_t)view]);
            if (record == FEATURE_CACHE_ABSENT)
                return caption_fail(pool->err, CAPTION_EIO, "the feature cache was damaged while in use");
            records[i * (size_t)views + (size_t)view] = record;
        }
    return CAPTION_OK;
}

int feature_extract(feature_cache *cache, const feature_work *w, long *records, caption_error *err)
{
    struct pool pool = {.work = w, .cache = cache, .total = caption_dataset_size(w->dataset), .err = err};
    pool.keys = calloc(pool.total * VIEWS, sizeof *pool.keys);
    if (!pool.keys)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the features of %zu pictures", pool.total);
    run_pool(&pool);
    int status = atomic_load(&pool.status);
    if (status == CAPTION_OK)
        status = feature_cache_sync(cache, err);
    if (status == CAPTION_OK)
        status = find_records(&pool, records);
    free(pool.keys);
    return status;
}
