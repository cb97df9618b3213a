/* worker.c: a worker takes a batch, decodes its images, encodes them together, then captions together those that share
 * a model and options. Encoding is nearly all of the cost and knows nothing of models, so mixed batches lose little.
 *
 * All of a worker's memory (session, pixels, features) is allocated when it starts. */
#include "server/engine/worker.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/metrics.h"
#include "server/decode/cage.h"
#include "server/engine/results.h"

typedef struct worker {
    queue *queue;
    cage *cage;
    caption_image_limits limits;
    caption_session *session;
    queue_item *items;                  /* [batch] as handed out */
    ticket_image **live;                /* [batch] those that were decoded, in order */
    const ticket **owner;               /* [batch] and their tickets */
    caption_image *pixels;              /* [batch] */
    float *features, *maps;             /* [batch, 1280] and [batch, 7, 7, 320] of the live images */
    float *group_features, *group_maps; /* of those captioned together */
    int *group;                         /* [batch] their places among the live */
    caption_result *results;            /* [batch, CAPTION_MAX_BEAM] */
    pthread_t thread;
} worker;

struct workers {
    int n; /* started */
    worker each[];
};

/* ---- what is counted --------------------------------------------------------------------------------------------- */

static const metrics_bounds images = {9, {1, 2, 4, 8, 16, 32, 64, 128, 256}};

static struct {
    metrics_gauge busy;
    metrics_counter images, captions, words;
    metrics_histogram batch, decode, encode, write;
} counts = {.batch = {.bounds = &images},
            .decode = {.bounds = &metrics_seconds},
            .encode = {.bounds = &metrics_seconds},
            .write = {.bounds = &metrics_seconds}};

void workers_metrics(FILE *out, void *context)
{
    static const char stages[] = "captiond_stage_duration_seconds";
    const queue_limits *limits = queue_limits_of(context);
    metrics_write_gauge(out, "captiond_queue_images", "Images that wait for a worker.", queue_waiting(context));
    metrics_write_gauge(out, "captiond_queue_capacity_images", "How many may wait.", limits->capacity);
    metrics_write_gauge(out, "captiond_workers", "Threads that write captions.", limits->workers);
    metrics_write_gauge(out, "captiond_workers_busy", "Of these, those with a batch in hand.",
                        (double)atomic_load(&counts.busy));
    metrics_write_histogram(out, "captiond_batch_images", "Images that a worker took at once.", &counts.batch);
    metrics_write_head(out, stages, "histogram",
                       "Time of a worker: to decode an image, to encode a batch, to write a batch's captions.");
    metrics_write_buckets(out, stages, "stage=\"decode\",", &counts.decode);
    metrics_write_buckets(out, stages, "stage=\"encode\",", &counts.encode);
    metrics_write_buckets(out, stages, "stage=\"write\",", &counts.write);
    metrics_write_counter(out, "captiond_images_total", "Images decoded.", &counts.images);
    metrics_write_counter(out, "captiond_captions_total", "Captions written.", &counts.captions);
    metrics_write_counter(out, "captiond_caption_words_total", "Words of these captions.", &counts.words);
}

/* ---- a batch ----------------------------------------------------------------------------------------------------- */

/* One bad image fails its request, so that sixteen of them do not cost sixteen times. */
static void decode_image(worker *w, ticket *t, ticket_image *image, caption_image *pixels)
{
    const cage_work work = {
        .file = image->bytes,
        .size = image->size,
        .limits = w->limits,
        .budget = t->budget,
        .image = pixels,
        .picture = t->picture_side ? &image->picture : NULL,
        .max_side = t->picture_side,
    };
    const double start = clock_ms();
    image->status = atomic_load(&t->failed) ? CAPTION_ECANCELLED : cage_decode(w->cage, &work, &image->reason);
    image->decode_ms = clock_ms() - start;
    metrics_observe(&counts.decode, image->decode_ms / 1e3);
    if (image->status)
        atomic_store(&t->failed, 1);
}

/* Decodes the images of a batch; the good ones become live[0..returned). */
static int decode_batch(worker *w, int n)
{
    int good = 0;
    for (int i = 0; i < n; i++) {
        ticket *t = w->items[i].ticket;
        ticket_image *image = &t->images[w->items[i].image];
        decode_image(w, t, image, &w->pixels[good]);
        if (image->status == CAPTION_OK) {
            w->owner[good] = t;
            w->live[good++] = image;
        }
    }
    metrics_add(&counts.images, (unsigned)good);
    return good;
}

static void fail_images(worker *w, const int *which, int n, int status, const caption_error *reason)
{
    for (int i = 0; i < n; i++) {
        ticket_image *image = w->live[which ? which[i] : i];
        image->status = status;
        image->reason = *reason;
    }
}

static int same_option(const caption_option *o, const caption_options *a, const caption_options *b)
{
    size_t size = o->type == CAPTION_OPTION_REAL   ? sizeof(double)
                  : o->type == CAPTION_OPTION_SEED ? sizeof(uint64_t)
                                                   : sizeof(int);
    return memcmp((const char *)a + o->offset, (const char *)b + o->offset, size) == 0;
}

static int share_generation(const ticket *a, const ticket *b)
{
    const caption_option *o;
    int same = a->model == b->model;
    for (size_t i = 0; same && (o = caption_option_at(i)) != NULL; i++)
        same = same_option(o, &a->options, &b->options);
    return same;
}

/* The captions of one image, and their tokens if its ticket wants them. */
static void keep(ticket_image *image, const ticket *owner, const caption_result *results)
{
    int n = owner->options.n;
    image->status = results_keep(image, results, n, owner->tokens, &image->reason);
    for (int k = 0; k < n; k++)
        metrics_add(&counts.words, (unsigned)results[k].words);
    metrics_add(&counts.captions, (unsigned)n);
}

/* Captions the images of `group`, which share model and options. */
static void caption_group(worker *w, int n)
{
    const ticket *first = w->owner[w->group[0]];
    caption_error reason;
    for (int i = 0; i < n; i++) {
        memcpy(w->group_features + (size_t)i * CAPTION_FEATURES, w->features + (size_t)w->group[i] * CAPTION_FEATURES,
               CAPTION_FEATURES * sizeof(float));
        memcpy(w->group_maps + (size_t)i * CAPTION_MAP, w->maps + (size_t)w->group[i] * CAPTION_MAP,
               CAPTION_MAP * sizeof(float));
    }
    int status = caption_session_set_features(w->session, n, w->group_features, w->group_maps, &reason);
    if (!status)
        status = caption_generate(w->session, first->model, &first->options, w->results, &reason);
    if (status) {
        fail_images(w, w->group, n, status, &reason);
        return;
    }
    for (int i = 0; i < n; i++)
        keep(w->live[w->group[i]], w->owner[w->group[i]], w->results + (size_t)i * (size_t)first->options.n);
}

/* Each image opens a group with the later ones like it, unless an earlier one took it already. */
static void caption_batch(worker *w, int n)
{
    for (int i = 0; i < n; i++) {
        int size = 0, taken = 0;
        for (int j = 0; j < i && !taken; j++)
            taken = share_generation(w->owner[i], w->owner[j]);
        for (int j = i; j < n && !taken; j++)
            if (share_generation(w->owner[i], w->owner[j]))
                w->group[size++] = j;
        if (size > 0)
            caption_group(w, size);
    }
}

static batch_times run_batch(worker *w, int n)
{
    caption_error reason;
    int good = decode_batch(w, n);
    if (good == 0)
        return (batch_times){0, 0};
    double start = clock_ms();
    int status = caption_encode(w->session, good, w->pixels, &reason);
    double encoded = clock_ms();
    if (status) {
        fail_images(w, NULL, good, status, &reason);
        return (batch_times){encoded - start, 0};
    }
    memcpy(w->features, caption_session_features(w->session, 0), (size_t)good * CAPTION_FEATURES * sizeof(float));
    memcpy(w->maps, caption_session_map(w->session, 0), (size_t)good * CAPTION_MAP * sizeof(float));
    caption_batch(w, good);
    return (batch_times){encoded - start, clock_ms() - encoded};
}

/* An image of a ticket with work of its own. */
static batch_times run_alone(worker *w)
{
    ticket *t = w->items[0].ticket;
    ticket_image *image = &t->images[w->items[0].image];
    double start = clock_ms();
    image->status = t->work(t, w->items[0].image, w->session, &image->reason);
    return (batch_times){clock_ms() - start, 0};
}

static void log_batch(int n, const batch_times *times)
{
    log_line line;
    log_begin(&line, LOG_LEVEL_DEBUG, "batch");
    log_integer(&line, "images", n);
    log_ms(&line, "encode_ms", times->encode_ms);
    log_ms(&line, "caption_ms", times->caption_ms);
    log_end(&line);
}

/* A stage that took no time was not reached. */
static void measure_batch(int n, const batch_times *times)
{
    metrics_observe(&counts.batch, n);
    if (times->encode_ms > 0)
        metrics_observe(&counts.encode, times->encode_ms / 1e3);
    if (times->caption_ms > 0)
        metrics_observe(&counts.write, times->caption_ms / 1e3);
}

static void *work(void *context)
{
    worker *w = context;
    for (int n; (n = queue_take(w->queue, w->items)) > 0;) {
        int alone = w->items[0].ticket->work != NULL;
        metrics_shift(&counts.busy, 1);
        batch_times times = alone ? run_alone(w) : run_batch(w, n);
        if (!alone)
            measure_batch(n, &times);
        metrics_shift(&counts.busy, -1);
        log_batch(n, &times);
        queue_give(w->queue, w->items, n, &times);
    }
    return NULL;
}

static void free_worker(worker *w)
{
    caption_session_free(w->session);
    free(w->items);
    free(w->live);
    free(w->owner);
    free(w->pixels);
    free(w->features);
    free(w->maps);
    free(w->group_features);
    free(w->group_maps);
    free(w->group);
    free(w->results);
}

static int prepare_worker(worker *w, size_t batch, caption_encoder *encoder, caption_error *err)
{
    w->items = calloc(batch, sizeof *w->items);
    w->live = calloc(batch, sizeof *w->live);
    w->owner = calloc(batch, sizeof *w->owner);
    w->pixels = calloc(batch, sizeof *w->pixels);
    w->features = calloc(batch, CAPTION_FEATURES * sizeof *w->features);
    w->maps = calloc(batch, CAPTION_MAP * sizeof *w->maps);
    w->group_features = calloc(batch, CAPTION_FEATURES * sizeof *w->group_features);
    w->group_maps = calloc(batch, CAPTION_MAP * sizeof *w->group_maps);
    w->group = calloc(batch, sizeof *w->group);
    w->results = calloc(batch * CAPTION_MAX_BEAM, sizeof *w->results);
    if (!w->items || !w->live || !w->owner || !w->pixels || !w->features || !w->maps || !w->group_features ||
        !w->group_maps || !w->group || !w->results)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for a worker");
    return caption_session_new(&w->session, encoder, (int)batch, err);
}

static int start_worker(worker *w, int batch, caption_encoder *encoder, caption_error *err)
{
    int status = prepare_worker(w, (size_t)batch, encoder, err);
    if (!status) {
        int code = pthread_create(&w->thread, NULL, work, w);
        if (code)
            status = caption_fail(err, CAPTION_ENOMEM, "cannot start a worker: %s", strerror(code));
    }
    if (status)
        free_worker(w);
    return status;
}

int workers_start(workers **out, int n, queue *q, int batch, caption_encoder *encoder, cage *c,
                  const caption_image_limits *limits, caption_error *err)
{
    workers *w = calloc(1, sizeof *w + (size_t)n * sizeof *w->each);
    *out = w;
    if (!w)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for workers");
    for (int i = 0; i < n; i++) {
        w->each[i].queue = q;
        w->each[i].cage = c;
        w->each[i].limits = *limits;
        int status = start_worker(&w->each[i], batch, encoder, err);
        if (status)
            return status;
        w->n++;
    }
    return CAPTION_OK;
}

void workers_join(workers *w)
{
    if (!w)
        return;
    for (int i = 0; i < w->n; i++) {
        pthread_join(w->each[i].thread, NULL);
        free_worker(&w->each[i]);
    }
    free(w);
}
