/* bench_encoder.c: how fast photos are encoded. Each thread has a session of its own, as a worker of the daemon has,
 * and encodes the same batch over and over. Before that the same number of threads measures what a large matrix product
 * reaches: that is what the encoder could reach at best in the machine's present state. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/caption.h"
#include "server/app/bench.h"
#include "server/base/clock.h"
#include "server/base/options.h"
#include "server/engine/weights.h"

enum { MAX_THREADS = 256, MAX_BATCH = 64 };

static const double yardstick_share = 0.2; /* of the time, for the matrix product */

typedef struct bench {
    caption_encoder *encoder;
    const caption_image *images; /* [batch] */
    int threads, batch;
    double seconds;
} bench;

typedef struct runner {
    const bench *bench;
    pthread_t thread;
    pthread_mutex_t *gate; /* held until all have been started */
    caption_session *session;
    double sgemm_speed;      /* operations a second */
    double best_ms, elapsed; /* a batch at best; all of them */
    long batches;
} runner;

static void *multiply(void *context)
{
    runner *r = context;
    pthread_mutex_lock(r->gate);
    pthread_mutex_unlock(r->gate);
    r->sgemm_speed = caption_sgemm_speed(r->bench->seconds * yardstick_share);
    return NULL;
}

static void *encode(void *context)
{
    runner *r = context;
    const bench *b = r->bench;
    pthread_mutex_lock(r->gate);
    pthread_mutex_unlock(r->gate);
    caption_encode(r->session, b->batch, b->images, NULL); /* warms the caches */
    const double begin = clock_ms();
    for (double now = begin; now - begin < 1000 * b->seconds; r->batches++) {
        caption_encode(r->session, b->batch, b->images, NULL);
        const double last = now;
        now = clock_ms();
        r->best_ms = r->batches == 0 || now - last < r->best_ms ? now - last : r->best_ms;
        r->elapsed = now - begin;
    }
    return NULL;
}

/* Runs `work` in every runner's own thread, all at once, and waits for them. */
static int run_all(const bench *b, runner *runners, void *(*work)(void *runner), caption_error *err)
{
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    int started = 0;
    pthread_mutex_lock(&gate);
    for (; started < b->threads; started++) {
        runners[started].gate = &gate;
        if (pthread_create(&runners[started].thread, NULL, work, &runners[started]) != 0)
            break;
    }
    pthread_mutex_unlock(&gate);
    for (int i = 0; i < started; i++)
        pthread_join(runners[i].thread, NULL);
    if (started < b->threads)
        return caption_fail(err, CAPTION_ENOMEM, "could start only %d of %d threads", started, b->threads);
    return CAPTION_OK;
}

static void print_result(const bench *b, const runner *runners)
{
    double images = 0, images_a_second = 0, sgemm_speed = 0, best_ms = runners[0].best_ms;
    for (int i = 0; i < b->threads; i++) {
        const double encoded = (double)(runners[i].batches * b->batch);
        images += encoded;
        images_a_second += 1000 * encoded / runners[i].elapsed;
        sgemm_speed += runners[i].sgemm_speed;
        best_ms = runners[i].best_ms < best_ms ? runners[i].best_ms : best_ms;
    }
    puts(
        "implementation,threads,batch,images,images_per_second,ms_per_image,best_ms_per_image,gflops,sgemm_gflops,simd,"
        "blas");
    printf("captiond,%d,%d,%.0f,%.1f,%.2f,%.2f,%.1f,%.1f,%s,%s\n", b->threads, b->batch, images, images_a_second,
           1000 / images_a_second, best_ms, images_a_second * caption_encoder_operations() * 1e-9, sgemm_speed * 1e-9,
           caption_simd_name(), caption_blas_name());
}

/* A picture with some structure: what is in it changes nothing in the timing. */
static caption_image *draw(int count)
{
    caption_image *images = calloc((size_t)count, sizeof *images);
    for (int i = 0; images && i < count; i++)
        for (size_t k = 0; k < sizeof images[i].rgb; k++)
            images[i].rgb[k] = (unsigned char)((k * k / 97 + (size_t)i * 31) % 256);
    return images;
}

static int measure(const bench *b, runner *runners, caption_error *err)
{
    int status = caption_reserve(b->threads, err);
    for (int i = 0; i < b->threads && status == CAPTION_OK; i++) {
        runners[i].bench = b;
        status = caption_session_new(&runners[i].session, b->encoder, b->batch, err);
    }
    if (status == CAPTION_OK)
        status = run_all(b, runners, multiply, err);
    if (status == CAPTION_OK)
        status = run_all(b, runners, encode, err);
    if (status == CAPTION_OK)
        print_result(b, runners);
    for (int i = 0; i < b->threads; i++)
        caption_session_free(runners[i].session);
    return status;
}

static int allocate_and_measure(bench *b, caption_error *err)
{
    runner *runners = calloc((size_t)b->threads, sizeof *runners);
    caption_image *images = draw(b->batch);
    b->images = images;
    int status = runners && images ? measure(b, runners, err)
                                   : caption_fail(err, CAPTION_ENOMEM, "out of memory for %d threads", b->threads);
    free(runners);
    free(images);
    return status;
}

int bench_encoder(int argc, char **argv)
{
    weights_place place = {0};
    bench b = {.threads = 1, .batch = 1, .seconds = 5};
    const option table[] = {
        {"threads", OPTION_INTEGER, &b.threads, 1, MAX_THREADS, "N", "threads that encode, each with one BLAS thread"},
        {"batch", OPTION_INTEGER, &b.batch, 1, MAX_BATCH, "N", "images a call"},
        {"seconds", OPTION_REAL, &b.seconds, 0.01, 3600, "S", "how long to measure"},
        WEIGHTS_OPTIONS(&place),
        {0},
    };
    const options_usage usage = {"bench encoder", "", "Measures how fast photos are encoded.", table, 0, 0};
    int status;
    if (!options_parse(&usage, &argc, &argv, &status))
        return status;

    caption_error err;
    status = weights_open_encoder(&place, &b.encoder, &err);
    if (status == CAPTION_OK)
        status = allocate_and_measure(&b, &err);
    if (status != CAPTION_OK)
        fprintf(stderr, "captiond bench encoder: %s\n", err.message);
    caption_encoder_release(b.encoder);
    return status != CAPTION_OK;
}
