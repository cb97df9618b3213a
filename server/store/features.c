/* features.c: see features.h.
 *
 * The first walk, after the start, only compares what the database says to be ready with what the cache holds, which
 * may have been lost; the next ones compute what is not ready. Marks are written some images at a time, because the
 * thread, once it holds the database's mutex, may be kept waiting by busy captioning threads, and others with it. */
#include "server/store/features.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "model/train.h"
#include "server/base/background.h"
#include "server/base/clock.h"
#include "server/base/file.h"
#include "server/base/log.h"

enum { PAGE = 16, PAUSE_MS = 10000, MAX_FILE_BYTES = 1 << 30 };

struct features {
    store *store;
    background_level level;
    caption_features *cache;
    int comparing;            /* this is the first walk */
    int full;                 /* the disk is, which has been said */
    long long seen;           /* id of the last image looked at */
    long long marks[2][PAGE]; /* ids still to be marked as not ready, as ready */
    int n_marks[2];

    pthread_t thread;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t signal;
    int woken, stop;
};

/* What became of an image. */
typedef enum outcome { MARK_LOST, MARK_READY, NOTHING_NEW, LATER } outcome;

/* ---- one image ------------------------------------------------------------------------------------------------- */

static void log_failure(const char *what, const char *reason)
{
    log_line line;
    log_begin(&line, LOG_LEVEL_WARNING, "features");
    log_text(&line, "image", what);
    log_text(&line, "reason", reason);
    log_end(&line);
}

/* Said once, until there is room again. */
static int is_disk_full(features *f)
{
    problem p;
    int full = store_check_free(f->store, 0, &p);
    if (full && !f->full)
        log_failure("", p.detail);
    return f->full = full;
}

/* An image whose file cannot be read was deleted meanwhile. */
static outcome compute(features *f, const store_image *image)
{
    caption_error err;
    unsigned char *bytes;
    size_t size;
    char *path = store_image_path(f->store, image->sha256);
    if (!path || is_disk_full(f)) {
        free(path);
        return LATER;
    }
    int status = file_read(path, MAX_FILE_BYTES, &bytes, &size, &err);
    free(path);
    if (status)
        return status == CAPTION_ENOMEM ? LATER : NOTHING_NEW;
    status = caption_features_add(f->cache, bytes, size, &err);
    free(bytes);
    if (status == CAPTION_OK)
        return MARK_READY;
    log_failure(image->sha256, err.message);
    int is_hopeless = status == CAPTION_EFORMAT || status == CAPTION_ELIMIT || status == CAPTION_EUNSUPPORTED ||
                      status == CAPTION_ESTOPPED;
    return is_hopeless ? NOTHING_NEW : LATER;
}

static outcome visit(features *f, const store_image *image)
{
    if (!f->comparing)
        return image->features_ready ? NOTHING_NEW : compute(f, image);
    int known = caption_features_known(f->cache, image->sha256);
    return known == image->features_ready ? NOTHING_NEW : known ? MARK_READY : MARK_LOST;
}

/* ---- the thread ------------------------------------------------------------------------------------------------ */

static int is_stopped(features *f)
{
    pthread_mutex_lock(&f->lock);
    int stop = f->stop;
    pthread_mutex_unlock(&f->lock);
    return stop;
}

/* Sleeps until an image is stored, the time is over (0: however long), or the end. */
static void sleep_until_woken(features *f, int ms)
{
    struct timespec until = clock_timespec(clock_ms() + ms);
    pthread_mutex_lock(&f->lock);
    while (!f->woken && !f->stop)
        if (ms == 0)
            pthread_cond_wait(&f->signal, &f->lock);
        else if (pthread_cond_timedwait(&f->signal, &f->lock, &until) == ETIMEDOUT)
            break;
    f->woken = 0;
    pthread_mutex_unlock(&f->lock);
}

/* Returns 1 if that has to be tried again. */
static int mark(features *f)
{
    problem p;
    for (int ready = 0; ready < 2; ready++) {
        if (store_image_mark(f->store, f->marks[ready], f->n_marks[ready], ready, &p)) {
            log_failure("", p.detail);
            return 1;
        }
        f->n_marks[ready] = 0;
    }
    return 0;
}

/* Looks at the next images. *n: how many there were. Returns 1 if something failed that may work later. */
static int visit_page(features *f, int *n)
{
    store_image images[PAGE];
    int later = 0;
    problem p;
    if (store_image_list(f->store, f->seen, PAGE, images, n, &p)) {
        log_failure("", p.detail);
        return 1;
    }
    for (int i = 0; i < *n && !later && !is_stopped(f); i++) {
        outcome what = visit(f, &images[i]);
        if (what == MARK_LOST || what == MARK_READY) {
            int ready = what == MARK_READY;
            f->marks[ready][f->n_marks[ready]++] = images[i].id;
        }
        later = what == LATER;
        if (!later)
            f->seen = images[i].id;
    }
    return later;
}

static void *run(void *context)
{
    features *f = context;
    int n = 0;
    background_enter(f->level);
    while (!is_stopped(f)) {
        if (mark(f) || visit_page(f, &n) || mark(f)) {
            sleep_until_woken(f, PAUSE_MS);
        } else if (n == 0 && f->comparing) {
            f->comparing = 0;
            f->seen = 0;
        } else if (n == 0) {
            sleep_until_woken(f, 0);
        }
    }
    return NULL;
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

static void release(features *f)
{
    caption_features_close(f->cache);
    pthread_cond_destroy(&f->signal);
    pthread_mutex_destroy(&f->lock);
    free(f);
}

static int start(features *f, caption_encoder *encoder, cage *c, caption_error *err)
{
    const caption_decoder decoder = cage_decoder(c);
    problem p;
    int status = caption_features_open(&f->cache, store_feature_directory(f->store), encoder, &decoder, err);
    if (status)
        return status;
    if (store_use_encoder(f->store, caption_encoder_sha256(encoder), &p))
        return caption_fail(err, CAPTION_EINVAL, "%s", p.detail);
    int code = pthread_create(&f->thread, NULL, run, f);
    return code ? caption_fail(err, CAPTION_ENOMEM, "cannot start a thread for features: %s", strerror(code))
                : CAPTION_OK;
}

int features_start(features **out, store *s, caption_encoder *encoder, cage *c, background_level level,
                   caption_error *err)
{
    features *f = calloc(1, sizeof *f);
    *out = NULL;
    if (!f)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for features");
    clock_condition_init(&f->signal);
    pthread_mutex_init(&f->lock, NULL);
    f->store = s;
    f->level = level;
    f->comparing = 1;
    int status = start(f, encoder, c, err);
    if (status == CAPTION_OK)
        *out = f;
    else
        release(f);
    return status;
}

void features_wake(features *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->woken = 1;
    pthread_cond_signal(&f->signal);
    pthread_mutex_unlock(&f->lock);
}

void features_stop(features *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->stop = 1;
    pthread_cond_signal(&f->signal);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    release(f);
}
