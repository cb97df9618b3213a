/* queue.c: tickets, deadlines, hang-ups, micro-batches.
 *
 * Threads. HTTP threads call queue_submit and never block: there is room or there is not. Each worker loops over
 * queue_take, work, queue_give. One watch thread sleeps in epoll until a client hangs up or the oldest deadline passes,
 * and ends such tickets before work is spent on them.
 *
 * One mutex, q->lock, guards all of it; it is a leaf: nothing is called with it held that takes another lock. Tickets
 * that end are collected in a list while it is held and finished after it is released, since `finish` enters
 * libmicrohttpd.
 *
 * A ticket moves from open to exactly one outcome, by the first of: its last image is done, an image fails, it expires,
 * its client leaves, the queue stops. Images already in a worker's hands are let finish (one batch, some tens of
 * milliseconds); the ticket ends when the last of them is back. So a worker never touches a ticket that is gone.
 *
 * All tickets have the same time allowed, so the list in order of arrival is also in order of deadline. */
#include "server/work/queue.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "server/base/clock.h"

/* Images that are captioned in batches, and those of tickets with work of their own. */
enum { TOGETHER, ALONE, SORTS };

struct queue {
    queue_limits limits;
    pthread_mutex_t lock;
    pthread_cond_t work;
    ticket *first, *last;       /* every unfinished ticket */
    unsigned long long serials; /* given out; 0 stands for the wake-up event */
    int waiting[SORTS];         /* images not handed out */
    int idle, alone;            /* workers asleep in queue_take; busy with an image that is handed out alone */
    double image_ms;            /* moving average of a worker's time for an image */
    int draining, stopped;
    int epoll, wake;
    pthread_t watcher;
};

/* ---- the list; all of it under the lock ------------------------------------------------------------------------ */

static void append_ticket(queue *q, ticket *t)
{
    t->previous = q->last;
    t->next = NULL;
    *(q->last ? &q->last->next : &q->first) = t;
    q->last = t;
}

static void detach_ticket(queue *q, ticket *t)
{
    *(t->previous ? &t->previous->next : &q->first) = t->next;
    *(t->next ? &t->next->previous : &q->last) = t->previous;
    epoll_ctl(q->epoll, EPOLL_CTL_DEL, t->fd, NULL);
}

static int batching_of(const ticket *t)
{
    return t->work ? ALONE : TOGETHER;
}

static int waiting_in_all(const queue *q)
{
    return q->waiting[TOGETHER] + q->waiting[ALONE];
}

/* Decides an open ticket's outcome: the images that still wait are dropped. */
static void decide(queue *q, ticket *t, ticket_outcome outcome)
{
    if (t->outcome != TICKET_OPEN)
        return;
    t->outcome = outcome;
    q->waiting[batching_of(t)] -= t->n - t->taken;
    t->taken = t->n;
}

/* Moves a decided ticket that is in nobody's hands to the list *finished. */
static void collect(queue *q, ticket *t, ticket **finished)
{
    if (t->outcome == TICKET_OPEN || t->in_hand > 0)
        return;
    detach_ticket(q, t);
    t->next = *finished;
    *finished = t;
}

/* Without the lock. A ticket may be freed by its own finish. */
static void finish_tickets(ticket *finished)
{
    while (finished) {
        ticket *next = finished->next;
        finished->finish(finished);
        finished = next;
    }
}

/* ---- submitting ------------------------------------------------------------------------------------------------ */

/* Seconds until the images that wait now are likely done; 1..60. */
static int retry_after(const queue *q)
{
    double seconds = q->image_ms * waiting_in_all(q) / q->limits.workers / 1000;
    return seconds < 1 ? 1 : seconds > 60 ? 60 : (int)ceil(seconds);
}

/* Work that takes long may fill half of the queue, so that there is room for captions. */
static int fits(const queue *q, const ticket *t)
{
    int half = (q->limits.capacity + 1) / 2;
    return t->n <= q->limits.capacity - waiting_in_all(q) && (!t->work || t->n <= half - q->waiting[ALONE]);
}

static int submit_locked(queue *q, ticket *t)
{
    if (q->stopped)
        return QUEUE_STOPPED;
    if (!fits(q, t))
        return retry_after(q);
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.u64 = ++q->serials};
    if (epoll_ctl(q->epoll, EPOLL_CTL_ADD, t->fd, &event))
        return retry_after(q);
    t->serial = q->serials;
    t->submitted = clock_ms();
    t->deadline = t->submitted + q->limits.deadline_ms;
    append_ticket(q, t);
    q->waiting[batching_of(t)] += t->n;
    pthread_cond_broadcast(&q->work);
    return 0;
}

int queue_submit(queue *q, ticket *t)
{
    t->outcome = TICKET_OPEN;
    t->taken = t->in_hand = t->done = 0;
    t->queue_ms = t->decode_ms = t->encode_ms = t->caption_ms = 0;
    pthread_mutex_lock(&q->lock);
    int refused = submit_locked(q, t);
    pthread_mutex_unlock(&q->lock);
    return refused;
}

const queue_limits *queue_limits_of(const queue *q)
{
    return &q->limits;
}

int queue_waiting(queue *q)
{
    pthread_mutex_lock(&q->lock);
    int waiting = waiting_in_all(q);
    pthread_mutex_unlock(&q->lock);
    return waiting;
}

/* ---- workers --------------------------------------------------------------------------------------------------- */

static double oldest_wait_ends(const queue *q)
{
    for (const ticket *t = q->first; t; t = t->next)
        if (t->taken < t->n && batching_of(t) == TOGETHER)
            return t->submitted + q->limits.batch_wait_ms;
    return INFINITY;
}

static int batch_is_due(const queue *q)
{
    int waiting = q->waiting[TOGETHER];
    return waiting > 0 && (waiting >= q->limits.batch || q->draining || clock_ms() >= oldest_wait_ends(q));
}

/* One worker is left for captions, unless it is the only one. */
static int alone_is_due(const queue *q)
{
    int most = q->limits.workers > 1 ? q->limits.workers - 1 : 1;
    return q->waiting[ALONE] > 0 && q->alone < most;
}

/* The oldest ticket with images that are due, or NULL. */
static ticket *next_due(const queue *q)
{
    const int due[SORTS] = {[TOGETHER] = batch_is_due(q), [ALONE] = alone_is_due(q)};
    ticket *t = due[TOGETHER] || due[ALONE] ? q->first : NULL;
    while (t && !(t->taken < t->n && due[batching_of(t)]))
        t = t->next;
    return t;
}

/* Sleeps until a batch may be due or the queue stops. */
static void wait_for_work(queue *q)
{
    q->idle++;
    if (q->waiting[TOGETHER] > 0) {
        struct timespec until = clock_timespec(oldest_wait_ends(q));
        pthread_cond_timedwait(&q->work, &q->lock, &until);
    } else {
        pthread_cond_wait(&q->work, &q->lock);
    }
    q->idle--;
}

/* How many images the calling worker takes. Where batches do not wait to fill, latency counts: idle workers share. */
static int batch_size(const queue *q)
{
    int sharers = q->limits.batch_wait_ms > 0 ? 1 : q->idle + 1;
    int share = (q->waiting[TOGETHER] + sharers - 1) / sharers;
    return share < q->limits.batch ? share : q->limits.batch;
}

/* Takes up to `wanted` images from `first` and the later tickets that are batched alike. */
static int take_locked(queue *q, ticket *first, int wanted, queue_item *items)
{
    int n = 0, batching = batching_of(first);
    double now = clock_ms();
    for (ticket *t = first; t && n < wanted; t = t->next) {
        if (batching_of(t) != batching)
            continue;
        if (t->taken == 0)
            t->queue_ms = now - t->submitted;
        for (; t->taken < t->n && n < wanted; t->taken++, t->in_hand++)
            items[n++] = (queue_item){t, t->taken};
    }
    q->waiting[batching] -= n;
    q->alone += batching == ALONE;
    return n;
}

int queue_take(queue *q, queue_item *items)
{
    ticket *first = NULL;
    pthread_mutex_lock(&q->lock);
    while (!q->stopped && !(first = next_due(q)))
        wait_for_work(q);
    int n = q->stopped ? 0 : take_locked(q, first, batching_of(first) == ALONE ? 1 : batch_size(q), items);
    pthread_mutex_unlock(&q->lock);
    return n;
}

static void give_item(queue *q, const queue_item *item)
{
    ticket *t = item->ticket;
    const ticket_image *image = &t->images[item->image];
    t->in_hand--;
    t->done++;
    t->decode_ms += image->decode_ms;
    if (image->status == CAPTION_ECANCELLED) /* on account of another one, which comes back with the reason */
        return;
    if (image->status && t->outcome == TICKET_OPEN) {
        t->failed_image = item->image;
        decide(q, t, TICKET_FAILED);
    } else if (t->done == t->n) {
        decide(q, t, TICKET_DONE);
    }
}

static void measure(queue *q, const queue_item *items, int n, const batch_times *times)
{
    double total = times->encode_ms + times->caption_ms;
    for (int i = 0; i < n; i++)
        total += items[i].ticket->images[items[i].image].decode_ms;
    q->image_ms += 0.1 * (total / n - q->image_ms);
}

void queue_give(queue *q, const queue_item *items, int n, const batch_times *times)
{
    ticket *finished = NULL;
    pthread_mutex_lock(&q->lock);
    measure(q, items, n, times);
    if (batching_of(items[0].ticket) == ALONE) {
        q->alone--;
        pthread_cond_broadcast(&q->work); /* another may have its turn */
    }
    for (int i = 0; i < n; i++) {
        ticket *t = items[i].ticket;
        int last_of_ticket = i + 1 == n || items[i + 1].ticket != t;
        give_item(q, &items[i]);
        if (last_of_ticket) {
            t->encode_ms += times->encode_ms;
            t->caption_ms += times->caption_ms;
            collect(q, t, &finished);
        }
    }
    pthread_mutex_unlock(&q->lock);
    finish_tickets(finished);
}

/* ---- the watch thread ------------------------------------------------------------------------------------------ */

static void end_hung_up(queue *q, unsigned long long serial, ticket **finished)
{
    for (ticket *t = q->first; t; t = t->next)
        if (t->serial == serial) {
            decide(q, t, TICKET_GONE);
            collect(q, t, finished);
            return;
        }
}

/* A ticket whose images are all in workers' hands is not expired: its answer is on the way. */
static void end_expired(queue *q, ticket **finished)
{
    double now = clock_ms();
    for (ticket *t = q->first, *next; t && t->deadline <= now; t = next) {
        next = t->next;
        if (t->taken < t->n)
            decide(q, t, TICKET_EXPIRED);
        if (t->outcome == TICKET_EXPIRED)
            collect(q, t, finished);
    }
}

/* Until the next deadline. With none waiting, a ticket that arrives later expires no sooner than after this sleep. */
static int sleep_ms(const queue *q)
{
    for (const ticket *t = q->first; t; t = t->next)
        if (t->taken < t->n) {
            double left = ceil(t->deadline - clock_ms());
            return left < 0 ? 0 : left < INT32_MAX ? (int)left : INT32_MAX;
        }
    return q->limits.deadline_ms;
}

static void *watch(void *context)
{
    enum { EVENTS = 64 };
    queue *q = context;
    struct epoll_event events[EVENTS];
    for (;;) {
        pthread_mutex_lock(&q->lock);
        int stopped = q->stopped && !q->first, timeout = sleep_ms(q);
        pthread_mutex_unlock(&q->lock);
        if (stopped)
            return NULL;
        int n = epoll_wait(q->epoll, events, EVENTS, timeout);
        ticket *finished = NULL;
        pthread_mutex_lock(&q->lock);
        for (int i = 0; i < n; i++)
            end_hung_up(q, events[i].data.u64, &finished);
        end_expired(q, &finished);
        pthread_mutex_unlock(&q->lock);
        finish_tickets(finished);
    }
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

static int open_watch(queue *q)
{
    q->epoll = epoll_create1(EPOLL_CLOEXEC);
    q->wake = eventfd(0, EFD_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN | EPOLLONESHOT, .data.u64 = 0};
    return q->epoll < 0 || q->wake < 0 || epoll_ctl(q->epoll, EPOLL_CTL_ADD, q->wake, &event) ||
           pthread_create(&q->watcher, NULL, watch, q);
}

static void release(queue *q)
{
    if (q->wake >= 0)
        close(q->wake);
    if (q->epoll >= 0)
        close(q->epoll);
    pthread_cond_destroy(&q->work);
    pthread_mutex_destroy(&q->lock);
    free(q);
}

int queue_new(queue **out, const queue_limits *limits, caption_error *err)
{
    queue *q = calloc(1, sizeof *q);
    if (!q)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the queue");
    q->limits = *limits;
    q->epoll = q->wake = -1;
    clock_condition_init(&q->work);
    pthread_mutex_init(&q->lock, NULL);
    if (open_watch(q)) {
        int code = errno;
        release(q);
        return caption_fail(err, CAPTION_ENOMEM, "cannot start the watch thread: %s", strerror(code));
    }
    *out = q;
    return CAPTION_OK;
}

void queue_drain(queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->draining = 1;
    pthread_cond_broadcast(&q->work);
    pthread_mutex_unlock(&q->lock);
}

void queue_stop(queue *q)
{
    ticket *finished = NULL;
    pthread_mutex_lock(&q->lock);
    q->stopped = 1;
    for (ticket *t = q->first, *next; t; t = next) {
        next = t->next;
        if (t->taken < t->n)
            decide(q, t, TICKET_SHUTDOWN);
        collect(q, t, &finished);
    }
    pthread_cond_broadcast(&q->work);
    pthread_mutex_unlock(&q->lock);
    finish_tickets(finished);
}

void queue_free(queue *q)
{
    if (!q)
        return;
    queue_stop(q);
    eventfd_write(q->wake, 1);
    pthread_join(q->watcher, NULL);
    release(q);
}
