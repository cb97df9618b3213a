/* caption_batch.c: see caption_batch.h. Finished lines wait in a ring until it is their turn; one lock guards the
 * source, the ring and the output. */
#include "server/app/caption_batch.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/base/clock.h"

enum { AHEAD = 16 }; /* photos a thread may be ahead of the line that is due */

static const double progress_ms = 250;

static atomic_int caught; /* read by the workers, so more than a volatile sig_atomic_t */

static void catch_signal(int number)
{
    caught = number;
}

void caption_batch_catch_signals(void)
{
    struct sigaction action = {.sa_handler = catch_signal, .sa_flags = (int)(SA_RESETHAND | SA_RESTART)};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

typedef struct finished {
    char *lines; /* NULL: not yet */
    size_t size;
} finished;

typedef struct run {
    const caption_batch *batch;
    caption_batch_end end;
    pthread_mutex_t lock;
    pthread_cond_t written;
    long taken, due;   /* numbers of the next photo to take, and to write the lines of */
    finished *waiting; /* [room] photo i's at i % room */
    long room;
    double started, told;
} run;

typedef struct worker {
    run *run;
    int index;
    pthread_t thread;
} worker;

/* ---- progress ---------------------------------------------------------------------------------------------------- */

static void print_time(double seconds)
{
    if (seconds >= 5400)
        fprintf(stderr, ", %.1f h left", seconds / 3600);
    else if (seconds >= 90)
        fprintf(stderr, ", %.0f min left", seconds / 60);
    else
        fprintf(stderr, ", %.0f s left", seconds);
}

/* "120 of 4000 photos (3 failed), 35.2/s, 2 min left" over what stands there. */
static void tell_progress(run *r, int last)
{
    const double now = clock_ms(), seconds = (now - r->started) / 1e3;
    const long count = photo_source_count(r->batch->source), skipped = photo_source_skipped(r->batch->source);
    if (!r->batch->progress || (!last && now - r->told < progress_ms))
        return;
    r->told = now;
    fprintf(stderr, "\r\033[K%ld", r->due + skipped);
    if (count >= 0)
        fprintf(stderr, " of %ld", count);
    fputs(" photos", stderr);
    if (r->end.failed)
        fprintf(stderr, " (%ld failed)", r->end.failed);
    const double rate = seconds > 0 ? (double)r->due / seconds : 0;
    fprintf(stderr, ", %.1f/s", rate);
    if (count >= 0 && rate > 0 && !last)
        print_time((double)(count - skipped - r->due) / rate);
    if (last)
        putc('\n', stderr);
    fflush(stderr);
}

/* ---- lines in order ---------------------------------------------------------------------------------------------- */

static int write_all(int fd, const char *bytes, size_t size)
{
    for (size_t at = 0; at < size;) {
        const ssize_t wrote = write(fd, bytes + at, size - at);
        if (wrote < 0 && errno != EINTR)
            return errno;
        at += wrote > 0 ? (size_t)wrote : 0;
    }
    return 0;
}

/* Locked: what is due and there goes out. */
static void write_due(run *r)
{
    for (finished *f; (f = &r->waiting[r->due % r->room])->lines; r->due++) {
        if (!r->end.lost)
            r->end.lost = write_all(r->batch->out, f->lines, f->size);
        free(f->lines);
        *f = (finished){0};
    }
    tell_progress(r, 0);
    pthread_cond_broadcast(&r->written);
}

/* ---- the threads ------------------------------------------------------------------------------------------------- */

/* 1: *out is source_photo *number; 0: there are no more, or no more are wanted. */
static int take(run *r, source_photo *out, long *number)
{
    pthread_mutex_lock(&r->lock);
    while (r->taken - r->due >= r->room && !r->end.lost)
        pthread_cond_wait(&r->written, &r->lock);
    const int got = !caught && !r->end.lost && photo_source_next(r->batch->source, out);
    if (got)
        *number = r->taken++;
    pthread_mutex_unlock(&r->lock);
    return got;
}

static void finish(run *r, long number, finished f, int failed)
{
    pthread_mutex_lock(&r->lock);
    *(failed ? &r->end.failed : &r->end.done) += 1;
    r->waiting[number % r->room] = f;
    write_due(r);
    pthread_mutex_unlock(&r->lock);
}

/* Lines of what went well alone, or of what did not. */
static int caption(const worker *w, const source_photo *p, finished *f, caption_error *err)
{
    const caption_batch *b = w->run->batch;
    FILE *lines = open_memstream(&f->lines, &f->size);
    if (!lines)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory");
    int status = CAPTION_EFORMAT;
    if (*p->err.message)
        *err = p->err;
    else
        status = b->caption(b->context, w->index, p, lines, err);
    if (fclose(lines) != 0 && status == CAPTION_OK)
        status = caption_fail(err, CAPTION_ENOMEM, "out of memory");
    return status;
}

static void say_failed(const worker *w, const source_photo *p, finished *f, const char *message)
{
    const caption_batch *b = w->run->batch;
    free(f->lines);
    *f = (finished){0};
    FILE *lines = open_memstream(&f->lines, &f->size);
    if (lines) {
        b->fail(b->context, p, message, lines);
        fclose(lines);
    }
    if (!f->lines)
        f->lines = calloc(1, 1); /* or its turn never comes */
    fprintf(stderr, "%scaptiond caption: %s: %s\n", b->progress ? "\r\033[K" : "", p->name, message);
}

static void *work(void *context)
{
    worker *w = context;
    source_photo p;
    for (long number; take(w->run, &p, &number); source_photo_free(&p)) {
        finished f = {0};
        caption_error err = {0};
        const int status = caption(w, &p, &f, &err);
        if (status != CAPTION_OK)
            say_failed(w, &p, &f, err.message);
        finish(w->run, number, f, status != CAPTION_OK);
    }
    return NULL;
}

static int start(run *r, worker *workers, caption_error *err)
{
    int started = 0;
    for (; started < r->batch->threads; started++) {
        workers[started] = (worker){.run = r, .index = started};
        if (pthread_create(&workers[started].thread, NULL, work, &workers[started]) != 0)
            break;
    }
    for (int i = 0; i < started; i++)
        pthread_join(workers[i].thread, NULL);
    return started ? CAPTION_OK : caption_fail(err, CAPTION_ENOMEM, "no thread can be started");
}

int caption_batch_run(const caption_batch *batch, caption_batch_end *end, caption_error *err)
{
    run r = {.batch = batch, .room = (long)AHEAD * batch->threads, .started = clock_ms()};
    worker *workers = calloc((size_t)batch->threads, sizeof *workers);
    int status;
    r.waiting = calloc((size_t)r.room, sizeof *r.waiting);
    pthread_mutex_init(&r.lock, NULL);
    pthread_cond_init(&r.written, NULL);
    if (!workers || !r.waiting)
        status = caption_fail(err, CAPTION_ENOMEM, "out of memory for %d threads", batch->threads);
    else
        status = start(&r, workers, err);
    tell_progress(&r, 1);
    r.end.signal = caught;
    *end = r.end;
    pthread_cond_destroy(&r.written);
    pthread_mutex_destroy(&r.lock);
    free(r.waiting);
    free(workers);
    return status;
}
