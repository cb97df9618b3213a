/* events.c: see events.h.
 *
 * One mutex, e->lock, guards all streams. HTTP threads hold it for a copy, so the feeder must not wait for the database
 * with it held: it marks the stream it fetches for as `fetching`, and if the client leaves meanwhile, frees it then.
 * Suspending and resuming happen with it held, so neither is lost; libmicrohttpd reads a stream with a lock of that
 * response alone, which neither suspending nor resuming takes. */
#include "server/api/events.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/jobs/job_store.h"

enum { PIECE_BYTES = 32768, LOOK_MS = 250 };

typedef struct stream {
    events *events;
    http_request *request; /* alive while the stream is `waiting` */
    long long job, last;   /* the newest event fetched */
    long long seen;        /* the newest event of any job when this stream last had all of its own; -1: it has not */
    char *text;            /* to be sent; malloc'd */
    size_t size, sent;
    int waiting;   /* suspended */
    int ended;     /* nothing follows the text */
    int fetching;  /* the feeder works on it */
    int left;      /* the client is gone */
    double wrote;  /* clock_ms */
    unsigned pass; /* of the feeder, when it was last fed */
    struct stream *next;
} stream;

struct events {
    job_store *store;
    int limit, keep_alive_ms;
    pthread_t feeder;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    stream *first;
    int n, woken, stopped;
    long long newest; /* event of any job */
    unsigned pass;    /* how often the feeder looked */
};

/* ---- sending: on HTTP threads ------------------------------------------------------------------------------------ */

static void wait_for_more(stream *s)
{
    s->waiting = 1;
    http_suspend(s->request);
}

/* With the lock. */
static void wake(events *e)
{
    e->woken = 1;
    pthread_cond_signal(&e->changed);
}

/* With the lock. */
static void resume(stream *s)
{
    if (!s->waiting)
        return;
    s->waiting = 0;
    http_resume(s->request);
}

static ssize_t read_stream(void *context, char *out, size_t room)
{
    stream *s = context;
    events *e = s->events;
    ssize_t result = HTTP_STREAM_END;
    pthread_mutex_lock(&e->lock);
    size_t left = s->size - s->sent;
    if (left > 0) {
        size_t n = left < room ? left : room;
        memcpy(out, s->text + s->sent, n);
        s->sent += n;
        s->wrote = clock_ms();
        result = (ssize_t)n;
    } else if (!s->ended && !e->stopped) {
        if (s->seen < 0)
            wake(e);
        wait_for_more(s);
        result = HTTP_STREAM_WAIT;
    }
    pthread_mutex_unlock(&e->lock);
    return result;
}

static void free_stream(stream *s)
{
    free(s->text);
    free(s);
}

/* With the lock: takes the stream off the list. */
static void unlink_stream(stream *s)
{
    stream **place = &s->events->first;
    while (*place != s)
        place = &(*place)->next;
    *place = s->next;
    s->events->n--;
}

static void release_stream(void *context)
{
    stream *s = context;
    events *e = s->events;
    pthread_mutex_lock(&e->lock);
    unlink_stream(s);
    s->left = 1;
    int fetching = s->fetching;
    pthread_mutex_unlock(&e->lock);
    if (!fetching)
        free_stream(s);
}

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static stream *new_stream(events *e, http_request *r, long long job, long long after)
{
    static const char greeting[] = "retry: 2000\n\n";
    stream *s = calloc(1, sizeof *s);
    if (!s || !(s->text = strdup(greeting))) {
        free(s);
        return NULL;
    }
    s->size = sizeof greeting - 1;
    s->events = e;
    s->request = r;
    s->job = job;
    s->last = after;
    s->seen = -1;
    s->wrote = clock_ms();
    return s;
}

/* Returns 0 if there are too many. */
static int link_stream(events *e, stream *s)
{
    pthread_mutex_lock(&e->lock);
    int room = e->n < e->limit && !e->stopped;
    if (room) {
        s->next = e->first;
        e->first = s;
        e->n++;
    }
    pthread_mutex_unlock(&e->lock);
    return room;
}

static void log_stream(const http_request *r, long long job)
{
    log_line line;
    log_begin(&line, LOG_LEVEL_DEBUG, "stream");
    log_text(&line, "id", r->id);
    log_integer(&line, "job", job);
    log_end(&line);
}

void events_answer(events *e, http_request *r, long long job, long long after)
{
    problem p = {.kind = PROBLEM_NONE};
    stream *s = new_stream(e, r, job, after);
    if (!s) {
        problem_set(&p, PROBLEM_MEMORY_FULL, "out of memory");
    } else if (!link_stream(e, s)) {
        free_stream(s);
        problem_set(&p, PROBLEM_QUEUE_FULL, "%d event streams are open, the limit", e->limit);
    }
    if (p.kind) {
        http_answer_problem(r, &p);
        return;
    }
    log_stream(r, job);
    http_answer_stream(r, "text/event-stream", read_stream, release_stream, s);
}

/* ---- fetching: on the feeder ------------------------------------------------------------------------------------- */

/* Text that grows up to about PIECE_BYTES. */
typedef struct piece {
    FILE *out;
    char *text;
    size_t size;
    long long last;
} piece;

static int add_event(void *context, const job_event *event)
{
    piece *p = context;
    fprintf(p->out, "id: %lld\nevent: %s\ndata: %s\n\n", event->id, event->type, event->data);
    p->last = event->id;
    return ftell(p->out) >= PIECE_BYTES;
}

/* Fetches the events after p->last. Returns 0, or 1 if that failed and is to be tried again. *ended as
 * job_store_events; *all: there are no more at the moment. */
static int fetch(job_store *store, long long job, piece *p, int *ended, int *all)
{
    problem fault;
    p->out = open_memstream(&p->text, &p->size);
    if (!p->out)
        return 1;
    int failed = job_store_events(store, job, p->last, add_event, p, ended, &fault);
    *all = ftell(p->out) < PIECE_BYTES;
    if (failed && fault.kind == PROBLEM_UNKNOWN_JOB) { /* forgotten while we were looking */
        failed = 0;
        *ended = *all = 1;
    }
    if (fclose(p->out) != 0 || failed) {
        free(p->text);
        return 1;
    }
    return 0;
}

/* With the lock. */
static void give_text(stream *s, char *text, size_t size)
{
    free(s->text);
    s->text = text;
    s->size = size;
    s->sent = 0;
    resume(s);
}

static void keep_alive(stream *s)
{
    char *text = clock_ms() - s->wrote >= s->events->keep_alive_ms ? strdup(":\n\n") : NULL;
    if (text)
        give_text(s, text, strlen(text));
}

/* Fetches for one stream; with the lock, which is given up for that time. */
static void feed(events *e, stream *s)
{
    const long long newest = e->newest;
    piece p = {.last = s->last};
    int ended = 0, all = 0;
    s->fetching = 1;
    pthread_mutex_unlock(&e->lock);
    int failed = fetch(e->store, s->job, &p, &ended, &all);
    pthread_mutex_lock(&e->lock);
    s->fetching = 0;
    if (s->left) {
        free(failed ? NULL : p.text);
        free_stream(s);
    } else if (!failed) {
        s->last = p.last;
        s->ended = ended;
        s->seen = all ? newest : -1;
        if (p.size > 0 || ended)
            give_text(s, p.text, p.size);
        else
            free(p.text);
    }
}

static int is_hungry(const stream *s)
{
    return s->sent == s->size && !s->ended;
}

/* A stream that may lack events and was not fed in this pass yet, or NULL. */
static stream *next_to_feed(events *e)
{
    for (stream *s = e->first; s; s = s->next)
        if (s->pass != e->pass && is_hungry(s) && s->seen != e->newest) {
            s->pass = e->pass;
            return s;
        }
    return NULL;
}

/* With the lock: what is new, and a sign of life for those that have waited for long. */
static void look(events *e)
{
    e->pass++;
    for (stream *s; (s = next_to_feed(e));)
        feed(e, s);
    for (stream *s = e->first; s; s = s->next)
        if (is_hungry(s))
            keep_alive(s);
}

/* With the lock: sleeps until woken, or while there are streams until it is time to look again: one that could not be
 * fed is tried again then. */
static void wait_for_change(events *e)
{
    const struct timespec until = clock_timespec(clock_ms() + LOOK_MS);
    while (!e->woken && !e->stopped)
        if (!e->first)
            pthread_cond_wait(&e->changed, &e->lock);
        else if (pthread_cond_timedwait(&e->changed, &e->lock, &until) == ETIMEDOUT)
            break;
    e->woken = 0;
}

static void *run(void *context)
{
    events *e = context;
    pthread_mutex_lock(&e->lock);
    while (!e->stopped) {
        look(e);
        wait_for_change(e);
    }
    pthread_mutex_unlock(&e->lock);
    return NULL;
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

static void release(events *e)
{
    pthread_cond_destroy(&e->changed);
    pthread_mutex_destroy(&e->lock);
    free(e);
}

int events_start(events **out, job_store *store, int limit, int keep_alive_ms, caption_error *err)
{
    events *e = calloc(1, sizeof *e);
    if (!e)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for events");
    e->store = store;
    e->limit = limit;
    e->keep_alive_ms = keep_alive_ms;
    pthread_mutex_init(&e->lock, NULL);
    clock_condition_init(&e->changed);
    int code = pthread_create(&e->feeder, NULL, run, e);
    if (code) {
        release(e);
        return caption_fail(err, CAPTION_ENOMEM, "cannot start a thread for events: %s", strerror(code));
    }
    *out = e;
    return CAPTION_OK;
}

void events_tell(void *context, long long newest)
{
    events *e = context;
    pthread_mutex_lock(&e->lock);
    e->newest = newest;
    wake(e);
    pthread_mutex_unlock(&e->lock);
}

void events_stop(events *e)
{
    if (!e)
        return;
    pthread_mutex_lock(&e->lock);
    e->stopped = 1;
    for (stream *s = e->first; s; s = s->next)
        resume(s);
    wake(e);
    pthread_mutex_unlock(&e->lock);
}

void events_free(events *e)
{
    if (!e)
        return;
    events_stop(e);
    pthread_join(e->feeder, NULL);
    release(e);
}
