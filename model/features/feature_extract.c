/* feature_extract.c: a few threads that each take the next picture. Which thread takes which picture changes nothing
 * but the order of records in the cache. */
#include "model/features/feature_extract.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/features/feature_picture.h"
#include "model/storage/file_bytes.h"

enum { VIEWS = FEATURE_VIEWS };

/* What the threads share. */
struct pool {
    const feature_work *work;
    feature_cache *cache;
    feature_key *keys; /* [images, VIEWS] */
    size_t total, own; /* of the dataset; of the share */
    atomic_size_t next, done;
    atomic_int status; /* of the first thread that failed; the others then stop */
    caption_error *err;
};

static int visit_picture(struct pool *pool, feature_picture *scratch, size_t i, caption_error *err)
{
    const caption_dataset *dataset = pool->work->dataset;
    caption_error reason;
    file_bytes file;
    char *path;
    if (asprintf(&path, "%s/%s", caption_dataset_directory(dataset), caption_dataset_at(dataset, i)->file) < 0)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for features");
    int status = file_bytes_read(&file, path, err);
    if (status == CAPTION_OK) {
        status =
            feature_picture_add(scratch, file.bytes, file.size, pool->work->choice, pool->keys + i * VIEWS, &reason);
        if (status != CAPTION_OK)
            caption_fail(err, status, "%.256s: %.200s", path, reason.message);
        file_bytes_free(&file);
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
    feature_picture *scratch;
    int status = feature_picture_new(&scratch, w->encoder, &w->decoder, pool->cache, &err);
    while (status == CAPTION_OK && atomic_load(&pool->status) == CAPTION_OK) {
        size_t i = atomic_fetch_add(&pool->next, 1);
        if (i >= pool->own)
            break;
        status = visit_picture(pool, scratch, i * (size_t)w->shares + (size_t)w->share, &err);
        size_t done = atomic_fetch_add(&pool->done, 1) + 1;
        if (status == CAPTION_OK && reports && w->progress && w->progress(w->context, done, pool->own))
            status = caption_fail(&err, CAPTION_ECANCELLED, "stopped while computing features");
    }
    if (status != CAPTION_OK)
        stop_pool(pool, status, &err);
    feature_picture_free(scratch);
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
    int views = feature_views(pool->work->choice);
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
    pool.own = (pool.total + (size_t)(w->shares - 1 - w->share)) / (size_t)w->shares;
    pool.keys = calloc(pool.total * VIEWS, sizeof *pool.keys);
    if (!pool.keys)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the features of %zu pictures", pool.total);
    run_pool(&pool);
    int status = atomic_load(&pool.status);
    if (status == CAPTION_OK)
        status = feature_cache_sync(cache, err);
    if (status == CAPTION_OK && records)
        status = find_records(&pool, records);
    free(pool.keys);
    return status;
}
