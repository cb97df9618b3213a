/* hold.c: one thread and an array under a lock. */
#include "server/http/hold.h"

#include <pthread.h>
#include <stdlib.h>

#include "server/base/clock.h"
#include "server/http/http.h"

typedef struct held {
    http_request *request;
    double until; /* clock_ms */
} held;

struct hold {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    int n, most, stop;
    held all[];
};

/* Resumes what is due; returns when the next one is. With the lock. */
static double release(hold *h)
{
    const double now = clock_ms();
    double next = now + 3600e3;
    for (int i = h->n - 1; i >= 0; i--) {
        if (h->stop || h->all[i].until <= now) {
            http_resume(h->all[i].request);
            h->all[i] = h->all[--h->n];
        } else if (h->all[i].until < next) {
            next = h->all[i].until;
        }
    }
    return next;
}

static void *run(void *context)
{
    hold *h = context;
    pthread_mutex_lock(&h->lock);
    for (;;) {
        const struct timespec until = clock_timespec(release(h));
        if (h->stop)
            break;
        pthread_cond_timedwait(&h->wake, &h->lock, &until);
    }
    pthread_mutex_unlock(&h->lock);
    return NULL;
}

int hold_new(hold **out, int most, caption_error *err)
{
    hold *h = calloc(1, sizeof *h + (size_t)most * sizeof *h->all);
    if (!h)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for answers that are held back");
    h->most = most;
    pthread_mutex_init(&h->lock, NULL);
    clock_condition_init(&h->wake);
    if (pthread_create(&h->thread, NULL, run, h)) {
        hold_free(h);
        return caption_fail(err, CAPTION_ENOMEM, "cannot start the thread that holds answers back");
    }
    *out = h;
    return CAPTION_OK;
}

int hold_request(hold *h, http_request *request, int ms)
{
    pthread_mutex_lock(&h->lock);
    int can = !h->stop && h->n < h->most;
    if (can) {
        http_suspend(request); /* before anybody may resume it */
        h->all[h->n++] = (held){request, clock_ms() + ms};
        pthread_cond_signal(&h->wake);
    }
    pthread_mutex_unlock(&h->lock);
    return can;
}

void hold_stop(hold *h)
{
    if (!h)
        return;
    pthread_mutex_lock(&h->lock);
    h->stop = 1;
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->thread, NULL);
}

void hold_free(hold *h)
{
    if (!h)
        return;
    pthread_cond_destroy(&h->wake);
    pthread_mutex_destroy(&h->lock);
    free(h);
}
