/* connections.c: a list under one lock, and a thread that goes through it a few times a second.
 *
 * A connection belongs to the HTTP thread that accepted it: that thread alone reads from it, opens and closes it.
 * Others look at its phase and cut it off, under the lock, which is a leaf. To cut off is to shut the socket down and
 * to let recv say that it has ended: libmicrohttpd then closes it as if the client had. */
#include "server/http/connections.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/http/connection_answer.h"
#include "server/http/framing.h"

enum { ADDRESS_BYTES = 16, LOOK_MS = 250, MOST_SOCKETS = 1 << 20 };

typedef struct connection connection;

struct connection {
    connections *all;
    connection *previous, *next;
    int fd, exempt;
    unsigned char address[ADDRESS_BYTES];
    framing framing; /* the HTTP thread's alone */
    connection_phase phase;
    double since, began;        /* clock_ms: of the phase; of the request */
    double moved;               /* when a byte came or was taken last */
    uint64_t bytes;             /* of the body so far */
    double window;              /* the answer has been slow since */
    uint64_t taken, last_taken; /* of it then; when it was looked at last */
    int stalled;                /* it was, when it was looked at last */
    int is_stream;
    problem refused; /* there was no room */
    int cut;         /* no longer counted */
    int status;      /* of the answer that was given here */
};

struct connections {
    connections_limits limits;
    linger_set *linger;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    pthread_t thread;
    connection *first;
    int n, stop; /* n: those that are not cut off */
    unsigned long long evicted, slow;
};

/* Of every socket that libmicrohttpd reads from, by its number. */
static _Atomic(connection *) *by_socket;
static size_t sockets;

/* ---- addresses -----------------------------------------------------------------------------------------------------
 */

/* Of IPv6 the network, because a client has as many addresses in it as it likes. */
static void address_of(const struct sockaddr *a, unsigned char out[ADDRESS_BYTES])
{
    memset(out, 0, ADDRESS_BYTES);
    if (a->sa_family == AF_INET) {
        out[10] = out[11] = 0xff;
        memcpy(out + 12, &((const struct sockaddr_in *)(const void *)a)->sin_addr, 4);
    } else if (a->sa_family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
        memcpy(out, v6, IN6_IS_ADDR_V4MAPPED(v6) ? ADDRESS_BYTES : 8);
    }
}

static int same_address(const connection *a, const connection *b)
{
    return !a->exempt && !b->exempt && memcmp(a->address, b->address, ADDRESS_BYTES) == 0;
}

/* ---- cutting off; under the lock -----------------------------------------------------------------------------------
 */

/* Says why, if the client can still be told, and lets libmicrohttpd find the socket at its end. */
static void cut(connection *c, const problem *p)
{
    connections *all = c->all;
    c->cut = 1;
    all->n--;
    if (p && (c->phase == CONNECTION_HEAD || c->phase == CONNECTION_BODY)) {
        c->status = problem_status(p);
        connection_answer(c->fd, &c->framing, p);
        linger_add(all->linger, c->fd);
        shutdown(c->fd, SHUT_RD);
    } else {
        shutdown(c->fd, SHUT_RDWR);
    }
}

/* Bytes of answers that the client has not acknowledged, and those that it has. */
static void look_at_answer(const connection *c, int *waiting, uint64_t *taken)
{
    struct tcp_info info;
    socklen_t size = sizeof info;
    memset(&info, 0, sizeof info);
    *waiting = 0;
    ioctl(c->fd, SIOCOUTQ, waiting);
    *taken = getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_bytes_acked : 0;
}

/* 1 if it has been too slow for too long. */
static int answer_is_slow(connection *c, double now)
{
    const connections_limits *limits = &c->all->limits;
    int waiting;
    uint64_t taken;
    look_at_answer(c, &waiting, &taken);
    if (waiting == 0 || taken != c->last_taken)
        c->moved = now;
    c->last_taken = taken;
    c->stalled = waiting > 0 && (double)(taken - c->taken) * 1000 < limits->min_rate * (now - c->window);
    if (waiting == 0 || (!c->stalled && now - c->window > limits->header_ms)) {
        c->window = now;
        c->taken = taken;
    }
    return now - c->moved > limits->idle_ms || (c->stalled && now - c->window > limits->header_ms) ||
           (waiting > 0 && !c->is_stream && now - c->since > limits->request_ms);
}

static int body_is_slow(const connection *c, double now)
{
    const connections_limits *limits = &c->all->limits;
    double taken = now - c->since;
    return now - c->moved > limits->idle_ms || now - c->began > limits->request_ms ||
           (taken > limits->header_ms && (double)c->bytes * 1000 < limits->min_rate * taken);
}

/* Cuts it off if its time is over. */
static void look_at(connection *c, double now)
{
    const connections_limits *limits = &c->all->limits;
    int fresh = c->began == 0; /* it has never sent anything */
    problem p = {.kind = PROBLEM_NONE};
    switch (c->phase) {
    case CONNECTION_IDLE:
        if (now - c->since > (fresh && limits->header_ms < limits->idle_ms ? limits->header_ms : limits->idle_ms))
            cut(c, NULL);
        return;
    case CONNECTION_HEAD:
        if (now - c->began > limits->header_ms || now - c->moved > limits->idle_ms)
            problem_set(&p, PROBLEM_TOO_SLOW, "the head was not whole after %.0f s", (now - c->began) / 1000);
        break;
    case CONNECTION_BODY:
        if (body_is_slow(c, now))
            problem_set(&p, PROBLEM_TOO_SLOW, "the body came at less than %d bytes a second, or took longer than %d s",
                        limits->min_rate, limits->request_ms / 1000);
        break;
    case CONNECTION_ANSWER:
        if (answer_is_slow(c, now))
            problem_set(&p, PROBLEM_TOO_SLOW, "the answer was not taken");
        break;
    default:
        return;
    }
    if (p.kind) {
        c->all->slow++;
        cut(c, &p);
    }
}

/* ---- making room; under the lock -----------------------------------------------------------------------------------
 */

static double body_rate(const connection *c, double now)
{
    return (double)c->bytes / (now - c->since + 50);
}

/* How soon it has to leave, the lowest first; negative: not at all. */
static int rank(const connection *c, double now)
{
    enum { SLOW_MS = 1000 };
    if (c->cut || c->phase == CONNECTION_WORK)
        return -1;
    if (c->refused.kind)
        return 0;
    if (c->phase == CONNECTION_HEAD || (c->phase == CONNECTION_IDLE && c->began == 0))
        return 1;
    if (c->phase == CONNECTION_ANSWER)
        return c->stalled ? 2 : -1;
    if (c->phase == CONNECTION_IDLE)
        return 3;
    return now - c->since > SLOW_MS && body_rate(c, now) * 1000 < c->all->limits.min_rate ? 2 : 4;
}

/* Who leaves for `guest`: of its address, or of all. NULL: nobody. */
static connection *find_victim(const connections *all, const connection *guest, int of_address)
{
    connection *victim = NULL;
    double now = clock_ms();
    int lowest = 0;
    for (connection *c = all->first; c; c = c->next) {
        int r = c == guest || (of_address && !same_address(c, guest)) ? -1 : rank(c, now);
        if (r < 0)
            continue;
        int sooner = !victim || r < lowest ||
                     (r == lowest && (c->phase == CONNECTION_BODY && victim->phase == CONNECTION_BODY
                                          ? body_rate(c, now) < body_rate(victim, now)
                                          : c->since < victim->since));
        if (sooner) {
            victim = c;
            lowest = r;
        }
    }
    return victim;
}

static int evict(connections *all, const connection *guest, int of_address)
{
    problem p;
    connection *victim = find_victim(all, guest, of_address);
    if (!victim)
        return 0;
    problem_set(&p, PROBLEM_CONNECTIONS_FULL, "others need the place: there are %d connections", all->n);
    all->evicted++;
    cut(victim, &p);
    return 1;
}

static void make_room(connections *all, connection *guest)
{
    int of_address = 0;
    for (const connection *c = all->first; c; c = c->next)
        of_address += !c->cut && same_address(c, guest);
    if (all->limits.per_address && of_address > all->limits.per_address && !evict(all, guest, 1))
        problem_set(&guest->refused, PROBLEM_TOO_MANY_REQUESTS, "there are %d connections of this address, the limit",
                    all->limits.per_address);
    else if (all->limits.connections && all->n > all->limits.connections && !evict(all, guest, 0))
        problem_set(&guest->refused, PROBLEM_CONNECTIONS_FULL, "there are %d connections, the limit",
                    all->limits.connections);
}

/* ---- reading -------------------------------------------------------------------------------------------------------
 */

static void note_progress(connection *c, size_t n)
{
    connection_phase before = c->phase;
    pthread_mutex_lock(&c->all->lock);
    c->moved = clock_ms();
    if (before == CONNECTION_IDLE && n > 0) {
        c->phase = CONNECTION_HEAD;
        c->began = c->since = c->moved;
        c->status = 0;
    }
    if (c->phase == CONNECTION_BODY)
        c->bytes += n;
    if (c->framing.part == FRAMING_BODY && c->phase == CONNECTION_HEAD) {
        c->phase = CONNECTION_BODY;
        c->since = clock_ms();
        c->bytes = 0;
    }
    if (c->framing.part == FRAMING_BETWEEN && (c->phase == CONNECTION_HEAD || c->phase == CONNECTION_BODY))
        c->phase = CONNECTION_WORK;
    pthread_mutex_unlock(&c->all->lock);
}

/* Answers what is not in order, unless somebody has cut the connection off meanwhile. */
static ssize_t refuse(connection *c)
{
    const problem *fault = &c->framing.fault;
    log_line line;
    pthread_mutex_lock(&c->all->lock);
    if (!c->cut) {
        if (c->phase == CONNECTION_IDLE)
            c->phase = CONNECTION_HEAD;
        cut(c, fault);
    }
    pthread_mutex_unlock(&c->all->lock);
    log_begin(&line, LOG_LEVEL_INFO, "refused");
    log_text(&line, "reason", problem_name(fault));
    log_text(&line, "detail", fault->detail);
    log_end(&line);
    return 0;
}

static int is_cut(connection *c)
{
    pthread_mutex_lock(&c->all->lock);
    int over = c->cut;
    pthread_mutex_unlock(&c->all->lock);
    return over;
}

/* Looks first, and takes only what is in order: what follows stays in the socket for the next call. */
static ssize_t receive(connection *c, void *to, size_t room, int flags)
{
    if (is_cut(c))
        return 0;
    if (c->framing.fault.kind)
        return refuse(c);
    ssize_t n = recvfrom(c->fd, to, room, flags | MSG_PEEK, NULL, NULL);
    if (n <= 0)
        return n;
    size_t good = framing_feed(&c->framing, to, (size_t)n);
    note_progress(c, good);
    return good > 0 ? recvfrom(c->fd, to, good, flags, NULL, NULL) : refuse(c);
}

/* Visible, or libmicrohttpd would call libc's. (No attributes: clang takes none behind the inline ones of the headers.)
 */
#pragma GCC visibility push(default)
ssize_t recv(int fd, void *to, size_t room, int flags)
{
    connection *c = fd >= 0 && (size_t)fd < sockets ? atomic_load(&by_socket[fd]) : NULL;
    return c && room > 0 ? receive(c, to, room, flags) : recvfrom(fd, to, room, flags, NULL, NULL);
}

/* libmicrohttpd forgets that a connection was resumed if it then finds no memory to wait with, and would leave its
 * answer unsent until something else happens: so its threads look up now and then. */
static _Thread_local int is_http_thread;

int poll(struct pollfd *fds, nfds_t n, int ms)
{
    const int most = is_http_thread && (ms < 0 || ms > LOOK_MS) ? LOOK_MS : ms;
    const struct timespec wait = {most / 1000, most % 1000 * 1000000L};
    return ppoll(fds, n, most < 0 ? NULL : &wait, NULL);
}
#pragma GCC visibility pop

/* ---- life of a connection ------------------------------------------------------------------------------------------
 */

connection *connection_opened(connections *all, int fd, const struct sockaddr *address, int exempt)
{
    is_http_thread = 1;
    connection *c = (size_t)fd < sockets ? calloc(1, sizeof *c) : NULL;
    if (!c)
        return NULL;
    c->all = all;
    c->fd = fd;
    c->exempt = exempt || address->sa_family == AF_UNIX;
    c->since = clock_ms();
    address_of(address, c->address);
    pthread_mutex_lock(&all->lock);
    c->next = all->first;
    if (c->next)
        c->next->previous = c;
    all->first = c;
    all->n++;
    make_room(all, c);
    pthread_mutex_unlock(&all->lock);
    atomic_store(&by_socket[fd], c);
    return c;
}

void connection_closed(connection *c)
{
    connections *all = c->all;
    atomic_store(&by_socket[c->fd], NULL);
    pthread_mutex_lock(&all->lock);
    *(c->previous ? &c->previous->next : &all->first) = c->next;
    if (c->next)
        c->next->previous = c->previous;
    all->n -= !c->cut;
    pthread_mutex_unlock(&all->lock);
    free(c);
}

int connection_refused(const connection *c, problem *p)
{
    if (c->refused.kind)
        *p = c->refused;
    return c->refused.kind != PROBLEM_NONE;
}

void connection_answers(connection *c, int is_stream)
{
    int waiting;
    pthread_mutex_lock(&c->all->lock);
    c->phase = CONNECTION_ANSWER;
    c->since = c->window = c->moved = clock_ms();
    c->is_stream = is_stream;
    c->stalled = 0;
    look_at_answer(c, &waiting, &c->taken);
    c->last_taken = c->taken;
    pthread_mutex_unlock(&c->all->lock);
}

void connection_rests(connection *c)
{
    pthread_mutex_lock(&c->all->lock);
    c->phase = CONNECTION_IDLE;
    c->since = clock_ms();
    pthread_mutex_unlock(&c->all->lock);
}

int connection_status(const connection *c)
{
    return c->status;
}

/* ---- life of them all ----------------------------------------------------------------------------------------------
 */

static void *look_after(void *context)
{
    connections *all = context;
    pthread_mutex_lock(&all->lock);
    while (!all->stop) {
        double now = clock_ms();
        struct timespec until = clock_timespec(now + LOOK_MS);
        for (connection *c = all->first; c; c = c->next)
            if (!c->cut)
                look_at(c, now);
        pthread_cond_timedwait(&all->wake, &all->lock, &until);
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

/* As many places as there can be sockets; never freed. */
static int make_places(void)
{
    struct rlimit limit;
    if (by_socket)
        return 1;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_max > MOST_SOCKETS)
        limit.rlim_max = MOST_SOCKETS;
    by_socket = calloc(limit.rlim_max, sizeof *by_socket);
    sockets = by_socket ? limit.rlim_max : 0;
    return sockets > 0;
}

int connections_new(connections **out, const connections_limits *limits, linger_set *linger, caption_error *err)
{
    connections *all = make_places() ? calloc(1, sizeof *all) : NULL;
    if (!all)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for connections");
    all->limits = *limits;
    all->linger = linger;
    pthread_mutex_init(&all->lock, NULL);
    clock_condition_init(&all->wake);
    if (pthread_create(&all->thread, NULL, look_after, all)) {
        free(all);
        return caption_fail(err, CAPTION_ENOMEM, "cannot start the thread that looks after connections");
    }
    *out = all;
    return CAPTION_OK;
}

void connections_free(connections *all)
{
    if (!all)
        return;
    pthread_mutex_lock(&all->lock);
    all->stop = 1;
    pthread_cond_signal(&all->wake);
    pthread_mutex_unlock(&all->lock);
    pthread_join(all->thread, NULL);
    pthread_cond_destroy(&all->wake);
    pthread_mutex_destroy(&all->lock);
    free(all);
}

void connections_count(connections *all, int phases[CONNECTION_PHASES], unsigned long long *evicted,
                       unsigned long long *slow)
{
    memset(phases, 0, CONNECTION_PHASES * sizeof *phases);
    pthread_mutex_lock(&all->lock);
    for (const connection *c = all->first; c; c = c->next)
        phases[c->phase] += !c->cut;
    *evicted = all->evicted;
    *slow = all->slow;
    pthread_mutex_unlock(&all->lock);
}
