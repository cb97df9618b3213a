/* linger.c: one thread polls the lingering sockets. Others only append to the array, under the lock; the thread alone
 * removes. */
#include "server/http/linger.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/base/clock.h"

enum { MAX_LINGERING = 64, LINGER_MS = 5000, READ_BYTES = 1 << 16 };

struct linger_set {
    pthread_mutex_t lock;
    pthread_t thread;
    int wake; /* eventfd: the array grew, or stop */
    int stop, n;
    struct {
        int fd;
        double until;
    } sockets[MAX_LINGERING];
};

/* The poll set of this moment: [0] is the wake-up. Returns its size, 0 to stop. *timeout becomes the earliest end. */
static int make_poll_set(linger_set *l, struct pollfd set[MAX_LINGERING + 1], int *timeout)
{
    double now = clock_ms();
    pthread_mutex_lock(&l->lock);
    int n = l->stop ? 0 : l->n + 1;
    *timeout = -1;
    set[0] = (struct pollfd){l->wake, POLLIN, 0};
    for (int i = 0; i + 1 < n; i++) {
        double left = l->sockets[i].until - now;
        int ms = left > 0 ? (int)left + 1 : 0;
        set[i + 1] = (struct pollfd){l->sockets[i].fd, POLLIN, 0};
        *timeout = *timeout < 0 || ms < *timeout ? ms : *timeout;
    }
    pthread_mutex_unlock(&l->lock);
    return n;
}

/* Throws away what has come; returns 0 once the client has closed. */
static int discard(int fd)
{
    char bytes[READ_BYTES];
    ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
    return n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR));
}

/* Serves the polled sockets, from the last so that removing one leaves those before it in place. */
static void serve(linger_set *l, const struct pollfd *set, int n)
{
    double now = clock_ms();
    for (int i = n - 2; i >= 0; i--) {
        int keep = !set[i + 1].revents || discard(set[i + 1].fd);
        pthread_mutex_lock(&l->lock);
        if (!keep || l->sockets[i].until <= now) {
            close(l->sockets[i].fd);
            l->sockets[i] = l->sockets[--l->n];
        }
        pthread_mutex_unlock(&l->lock);
    }
}

static void *run(void *context)
{
    linger_set *l = context;
    struct pollfd set[MAX_LINGERING + 1];
    int n, timeout;
    while ((n = make_poll_set(l, set, &timeout)) > 0) {
        eventfd_t ignored;
        poll(set, (nfds_t)n, timeout);
        if (set[0].revents)
            eventfd_read(l->wake, &ignored);
        serve(l, set, n);
    }
    return NULL;
}

int linger_new(linger_set **out, caption_error *err)
{
    linger_set *l = calloc(1, sizeof *l);
    if (!l)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the linger thread");
    pthread_mutex_init(&l->lock, NULL);
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->wake < 0 || pthread_create(&l->thread, NULL, run, l)) {
        if (l->wake >= 0)
            close(l->wake);
        pthread_mutex_destroy(&l->lock);
        free(l);
        return caption_fail(err, CAPTION_ENOMEM, "cannot start the linger thread");
    }
    *out = l;
    return CAPTION_OK;
}

void linger_add(linger_set *l, int fd)
{
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return;
    pthread_mutex_lock(&l->lock);
    int room = l->n < MAX_LINGERING;
    if (room) {
        l->sockets[l->n].fd = copy;
        l->sockets[l->n++].until = clock_ms() + LINGER_MS;
    }
    pthread_mutex_unlock(&l->lock);
    if (room)
        eventfd_write(l->wake, 1);
    else
        close(copy);
}

void linger_free(linger_set *l)
{
    if (!l)
        return;
    pthread_mutex_lock(&l->lock);
    l->stop = 1;
    pthread_mutex_unlock(&l->lock);
    eventfd_write(l->wake, 1);
    pthread_join(l->thread, NULL);
    for (int i = 0; i < l->n; i++)
        close(l->sockets[i].fd);
    close(l->wake);
    pthread_mutex_destroy(&l->lock);
    free(l);
}
