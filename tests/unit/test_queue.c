/* The queue by itself: what Retry-After is worth, and how idle workers share what has come. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/work/queue.h"

enum { MAX_IMAGES = 16 };

typedef struct order {
    ticket ticket;
    ticket_image images[MAX_IMAGES];
    int sockets[2];
    atomic_int finished;
} order;

static void on_finish(ticket *t)
{
    order *o = t->context;
    atomic_store(&o->finished, 1);
}

static void fill(order *o, int n)
{
    *o = (order){.ticket = {.n = n, .finish = on_finish}};
    o->ticket.images = o->images;
    o->ticket.context = o;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, o->sockets), 0);
    o->ticket.fd = o->sockets[0];
}

static void empty(order *o)
{
    close(o->sockets[0]);
    close(o->sockets[1]);
}

static queue *make(int capacity, int batch, int workers)
{
    const queue_limits limits = {capacity, batch, 0, 3600000, workers};
    caption_error err;
    queue *q;
    assert_int_equal(queue_new(&q, &limits, &err), CAPTION_OK);
    return q;
}

/* ---- Retry-After ------------------------------------------------------------------------------------------------- */

/* The moving average moves by a tenth of what an image took. Returns what a full queue of four images answers to one
 * more, with two workers. */
static int retry_after(double image_ms)
{
    queue *q = make(4, 8, 2);
    order first, waiting, late;
    queue_item items[8];
    fill(&first, 1);
    fill(&waiting, 4);
    fill(&late, 1);
    assert_int_equal(queue_submit(q, &first.ticket), 0);
    assert_int_equal(queue_take(q, items), 1);
    queue_give(q, items, 1, &(batch_times){10 * image_ms, 0});
    assert_true(atomic_load(&first.finished));
    assert_int_equal(queue_submit(q, &waiting.ticket), 0);
    int seconds = queue_submit(q, &late.ticket);
    queue_free(q);
    assert_int_equal(waiting.ticket.outcome, TICKET_SHUTDOWN);
    empty(&first);
    empty(&waiting);
    empty(&late);
    return seconds;
}

static void retry_after_is_the_time_that_the_waiting_images_take(void **state)
{
    (void)state;
    assert_int_equal(retry_after(1990), 4); /* four images of 1.99 s, two workers */
    assert_int_equal(retry_after(2100), 5); /* 4.2 s, rounded up */
    assert_int_equal(retry_after(9900), 20);
}

static void retry_after_is_between_a_second_and_a_minute(void **state)
{
    (void)state;
    assert_int_equal(retry_after(0), 1);
    assert_int_equal(retry_after(1), 1);
    assert_int_equal(retry_after(1e9), 60);
}

static void a_request_that_never_fits_is_refused_while_the_queue_is_empty(void **state)
{
    queue *q = make(4, 8, 2);
    order large;
    (void)state;
    fill(&large, 5);
    assert_int_equal(queue_submit(q, &large.ticket), 1);
    queue_free(q);
    empty(&large);
}

/* ---- sharing ----------------------------------------------------------------------------------------------------- */

typedef struct worker {
    pthread_t thread;
    queue *queue;
    atomic_int id; /* of the thread */
    atomic_int n;  /* images that it took */
} worker;

static void *take_once(void *context)
{
    worker *w = context;
    queue_item items[8];
    atomic_store(&w->id, (int)gettid());
    int n = queue_take(w->queue, items);
    atomic_store(&w->n, n);
    if (n > 0)
        queue_give(w->queue, items, n, &(batch_times){1, 0});
    return NULL;
}

/* Sleeps the thread? It does so nowhere but in queue_take. */
static int is_asleep(int id)
{
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", id);
    FILE *file = id ? fopen(path, "re") : NULL;
    int read = file && fscanf(file, "%*d (%*[^)]) %c", &state) == 1;
    if (file)
        fclose(file);
    return read && state == 'S';
}

static void begin(worker *w, queue *q)
{
    *w = (worker){.queue = q};
    assert_int_equal(pthread_create(&w->thread, NULL, take_once, w), 0);
    while (!is_asleep(atomic_load(&w->id)))
        usleep(1000);
}

static void idle_workers_share_what_has_come(void **state)
{
    queue *q = make(16, 8, 2);
    worker a, b;
    order o;
    (void)state;
    fill(&o, 6);
    begin(&a, q);
    begin(&b, q);
    assert_int_equal(queue_submit(q, &o.ticket), 0);
    while (!(atomic_load(&a.n) && atomic_load(&b.n)) && atomic_load(&a.n) + atomic_load(&b.n) < 6)
        usleep(1000);
    queue_stop(q); /* one that got nothing sleeps */
    pthread_join(a.thread, NULL);
    pthread_join(b.thread, NULL);
    assert_int_equal(atomic_load(&a.n), 3);
    assert_int_equal(atomic_load(&b.n), 3);
    assert_true(atomic_load(&o.finished));
    assert_int_equal(o.ticket.outcome, TICKET_DONE);
    queue_free(q);
    empty(&o);
}

static void a_worker_alone_takes_a_whole_batch(void **state)
{
    queue *q = make(16, 8, 2);
    worker a;
    order o;
    (void)state;
    fill(&o, 6);
    begin(&a, q);
    assert_int_equal(queue_submit(q, &o.ticket), 0);
    pthread_join(a.thread, NULL);
    assert_int_equal(atomic_load(&a.n), 6);
    queue_free(q);
    empty(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retry_after_is_the_time_that_the_waiting_images_take),
        cmocka_unit_test(retry_after_is_between_a_second_and_a_minute),
        cmocka_unit_test(a_request_that_never_fits_is_refused_while_the_queue_is_empty),
        cmocka_unit_test(idle_workers_share_what_has_come),
        cmocka_unit_test(a_worker_alone_takes_a_whole_batch),
    };
    return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
