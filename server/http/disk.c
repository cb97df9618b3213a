/* disk.c: see disk.h. To the queue, a request is a ticket with one image. */
#include "server/http/disk.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/work/queue.h"

struct disk {
    queue *queue;
    int capacity;
    int n; /* threads started */
    pthread_t threads[];
};

typedef struct call {
    http_request *request;
    void (*work)(http_request *request, void *context);
    void (*release)(void *context);
    void *context;
    ticket ticket;
    ticket_image image;
} call;

static void free_call(call *c)
{
    if (c->release)
        c->release(c->context);
    free(c);
}

static void refuse(call *c, const problem *p)
{
    if (p->kind == PROBLEM_CLIENT_GONE)
        http_abandon(c->request, p);
    else
        http_answer_problem(c->request, p);
}

/* The ticket's finish. Done: the work has answered. */
static void on_finished(ticket *t)
{
    call *c = t->context;
    http_request *request = c->request;
    problem p = {.kind = PROBLEM_NONE};
    if (t->outcome == TICKET_EXPIRED)
        problem_set(&p, PROBLEM_DEADLINE, "no thread was free for %d ms", request->http->config->deadline_ms);
    else if (t->outcome == TICKET_GONE)
        problem_set(&p, PROBLEM_CLIENT_GONE, "%s", t->done ? "answered too late" : "dropped before work began");
    else if (t->outcome == TICKET_SHUTDOWN)
        problem_set(&p, PROBLEM_DRAINING, "the time to finish requests is over");
    if (p.kind)
        refuse(c, &p);
    free_call(c);
    http_resume(request);
}

static call *new_call(http_request *r, void (*work)(http_request *request, void *context), void *context,
                      void (*release)(void *context))
{
    call *c = calloc(1, sizeof *c);
    if (!c) {
        problem p;
        if (release)
            release(context);
        problem_set(&p, PROBLEM_MEMORY_FULL, "out of memory");
        http_answer_problem(r, &p);
        return NULL;
    }
    *c = (call){.request = r, .work = work, .release = release, .context = context};
    c->ticket = (ticket){.images = &c->image, .n = 1, .fd = http_socket(r), .finish = on_finished, .context = c};
    return c;
}

static void submit(disk *d, http_request *r, call *c)
{
    problem p = {.kind = PROBLEM_NONE};
    int retry_after = queue_submit(d->queue, &c->ticket);
    if (retry_after == 0)
        return;
    if (retry_after == QUEUE_STOPPED) {
        problem_set(&p, PROBLEM_DRAINING, "the time to finish requests is over");
    } else {
        problem_set(&p, PROBLEM_QUEUE_FULL, "%d requests wait for %s", d->capacity,
                    d == r->http->disk ? "the disk" : "their answers to be made");
        p.retry_after = retry_after;
    }
    http_answer_problem(r, &p);
    free_call(c);
    http_resume(r);
}

void disk_run(http_request *r, void (*work)(http_request *request, void *context), void *context,
              void (*release)(void *context))
{
    call *c = new_call(r, work, context, release);
    if (!c)
        return;
    http_suspend(r);
    submit(r->http->disk, r, c);
}

void disk_continue(disk *d, http_request *r, void (*work)(http_request *request, void *context), void *context,
                   void (*release)(void *context))
{
    call *c = new_call(r, work, context, release);
    if (c)
        submit(d, r, c);
    else
        http_resume(r);
}

static void *run(void *context)
{
    disk *d = context;
    queue_item item;
    while (queue_take(d->queue, &item) > 0) {
        call *c = item.ticket->context;
        double start = clock_ms();
        c->work(c->request, c->context);
        queue_give(d->queue, &item, 1, &(batch_times){clock_ms() - start, 0});
    }
    return NULL;
}

static int start_threads(disk *d, int n, caption_error *err)
{
    for (; d->n < n; d->n++) {
        int code = pthread_create(&d->threads[d->n], NULL, run, d);
        if (code)
            return caption_fail(err, CAPTION_ENOMEM, "cannot start a disk thread: %s", strerror(code));
    }
    return CAPTION_OK;
}

int disk_start(disk **out, const disk_limits *limits, caption_error *err)
{
    const queue_limits of_queue = {limits->queue, 1, 0, limits->deadline_ms, limits->threads};
    disk *d = calloc(1, sizeof *d + (size_t)limits->threads * sizeof *d->threads);
    *out = d;
    if (!d)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for disk threads");
    d->capacity = limits->queue;
    int status = queue_new(&d->queue, &of_queue, err);
    return status ? status : start_threads(d, limits->threads, err);
}

void disk_stop(disk *d)
{
    if (!d || !d->queue)
        return;
    queue_stop(d->queue);
    for (int i = 0; i < d->n; i++)
        pthread_join(d->threads[i], NULL);
}

void disk_free(disk *d)
{
    if (!d)
        return;
    queue_free(d->queue);
    free(d);
}
