/* cage.c: the helpers of a cage, and the thread that keeps them running.
 *
 * A slot is the place of a helper: memory that is shared with it, and when one runs there its process and socket. Who
 * has taken a slot asks its helper, watches the time, and buries it when it dies; the keeper buries those that die
 * without being asked, and starts others. The lock guards the slots' states and is held by neither while it waits. */
#include "server/decode/cage.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/base/clock.h"
#include "server/base/metrics.h"
#include "server/decode/helper.h"
#include "server/decode/spawn.h"

enum {
    WALL_FACTOR = 10,      /* a helper that takes so many times its budget without using it hangs */
    WALL_LEAST_MS = 20000, /* but not sooner */
    MAX_TRIES = 5,         /* to find a helper that lives long enough to be asked */
    RETRY_MS = 1000,       /* after a helper could not be started */
    KEPT_BYTES = 4 << 20,  /* of shared memory, from one image to the next */
};

typedef enum slot_state { SLOT_EMPTY, SLOT_STARTING, SLOT_FREE, SLOT_TAKEN } slot_state;

typedef struct slot {
    slot_state state;
    helper_process process; /* while FREE or TAKEN */
    int is_dead;            /* the keeper noticed, while it was taken */
    int memory_fd;
    size_t memory_size;
    helper_memory *memory;
} slot;

struct cage {
    cage_limits limits;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a slot is free, or none can be started */
    pthread_t keeper;
    int wake; /* eventfd: the keeper has something to do */
    int waiting, stopped;
    unsigned failures; /* to start a helper; the last one: */
    int fault_status;
    caption_error fault;
    slot slots[];
};

/* ---- what is counted --------------------------------------------------------------------------------------------- */

/* What images are stopped for. */
typedef enum stop_reason { CRASH, FORBIDDEN, TIME, MEMORY, KILLED, STOP_REASONS } stop_reason;

static const char *const reasons[STOP_REASONS] = {"crash", "forbidden", "time", "memory", "killed"};

static metrics_gauge running;
static metrics_counter started, stops[STOP_REASONS];

void cage_metrics(FILE *out, void *unused)
{
    static const char name[] = "captiond_images_stopped_total";
    (void)unused;
    metrics_write_gauge(out, "captiond_decoders", "Processes that decode images.", (double)atomic_load(&running));
    metrics_write_counter(out, "captiond_decoders_started_total", "Such processes started so far.", &started);
    metrics_write_head(out, name, "counter",
                       "Images whose decoder crashed, tried what is forbidden, took too much time or memory, or was "
                       "killed.");
    for (int i = 0; i < STOP_REASONS; i++)
        fprintf(out, "%s{reason=\"%s\"} %llu\n", name, reasons[i], (unsigned long long)metrics_read(&stops[i]));
}

cage_limits cage_defaults(void)
{
    return (cage_limits){
        .level = BACKGROUND_NORMAL, .helpers = 1, .file_mb = 256, .picture_ms = 2000, .picture_mb = 1024};
}

/* ---- the keeper -------------------------------------------------------------------------------------------------- */

static void wake_keeper(const cage *c)
{
    const uint64_t one = 1;
    if (write(c->wake, &one, sizeof one) < 0)
        return; /* it has been woken already */
}

static int has_hung_up(const slot *s)
{
    struct pollfd look = {.fd = s->process.socket};
    return poll(&look, 1, 0) > 0;
}

/* Ends the helper of a slot, under the lock; returns what waitpid says of it. */
static int bury(slot *s)
{
    const int status = helper_end(&s->process);
    metrics_shift(&running, -1);
    s->is_dead = 0;
    return status;
}

/* The same for a slot that the caller has taken: the keeper looks at it, too. */
static int bury_taken(cage *c, slot *s)
{
    pthread_mutex_lock(&c->lock);
    const int status = bury(s);
    pthread_mutex_unlock(&c->lock);
    return status;
}

/* The slot that a helper is to be started in, or NULL. */
static slot *wanted_slot(cage *c)
{
    int coming = 0; /* helpers that those who wait will get */
    slot *empty = NULL;
    for (int i = c->limits.helpers - 1; i >= 0; i--) {
        coming += c->slots[i].state == SLOT_STARTING || c->slots[i].state == SLOT_FREE;
        if (c->slots[i].state == SLOT_EMPTY)
            empty = &c->slots[i];
    }
    return !c->stopped && (c->limits.at_once || c->waiting > coming) ? empty : NULL;
}

/* Starts one helper, without the lock meanwhile. 0 if that failed. */
static int start_helper(cage *c, slot *s)
{
    caption_error reason;
    s->state = SLOT_STARTING;
    pthread_mutex_unlock(&c->lock);
    s->memory->memory_mb = (size_t)c->limits.picture_mb;
    const int status = helper_start(&s->process, s->memory_fd, s->memory, &reason);
    pthread_mutex_lock(&c->lock);
    s->state = status ? SLOT_EMPTY : SLOT_FREE;
    if (status) {
        c->fault = reason;
        c->fault_status = status;
        c->failures++;
    } else {
        metrics_shift(&running, 1);
        metrics_add(&started, 1);
    }
    pthread_cond_broadcast(&c->changed);
    return status == CAPTION_OK;
}

/* Which slots the keeper watches for helpers that end by themselves. */
static int list_watched(cage *c, struct pollfd *list, slot **of)
{
    int n = 0;
    for (int i = 0; i < c->limits.helpers; i++) {
        slot *s = &c->slots[i];
        if (!s->is_dead && (s->state == SLOT_FREE || s->state == SLOT_TAKEN)) {
            of[n] = s;
            list[n++] = (struct pollfd){.fd = s->process.socket}; /* that it hangs up need not be asked for */
        }
    }
    return n;
}

/* Of n watched slots, some may have changed meanwhile. */
static void bury_ended(const struct pollfd *list, slot **of, int n)
{
    for (int i = 0; i < n; i++) {
        slot *s = of[i];
        if (!list[i].revents || s->process.socket != list[i].fd || s->is_dead || !has_hung_up(s))
            continue;
        if (s->state == SLOT_TAKEN) {
            s->is_dead = 1; /* its taker will see for itself */
        } else if (s->state == SLOT_FREE) {
            bury(s);
            s->state = SLOT_EMPTY;
        }
    }
}

static void *keep(void *context)
{
    cage *c = context;
    const int n = c->limits.helpers;
    struct pollfd *list = calloc((size_t)n + 1, sizeof *list);
    slot **of = calloc((size_t)n + 1, sizeof *of);
    uint64_t count;
    background_enter(c->limits.level);
    pthread_mutex_lock(&c->lock);
    while (!c->stopped && list && of) {
        slot *s = wanted_slot(c);
        const int good = !s || start_helper(c, s);
        if (s && good)
            continue;
        const int watched = list_watched(c, list, of);
        list[watched] = (struct pollfd){.fd = c->wake, .events = POLLIN};
        pthread_mutex_unlock(&c->lock);
        poll(list, (nfds_t)watched + 1, good ? -1 : RETRY_MS);
        if (list[watched].revents && read(c->wake, &count, sizeof count) < 0)
            count = 0;
        pthread_mutex_lock(&c->lock);
        bury_ended(list, of, watched);
    }
    pthread_mutex_unlock(&c->lock);
    free(list);
    free(of);
    return NULL;
}

/* ---- taking and giving back -------------------------------------------------------------------------------------- */

/* A free slot, the lowest: its memory is the warmest. One whose helper ended meanwhile is no blame of the next image.
 */
static slot *free_slot(cage *c)
{
    for (int i = 0; i < c->limits.helpers; i++) {
        slot *s = &c->slots[i];
        if (s->state != SLOT_FREE)
            continue;
        if (!has_hung_up(s))
            return s;
        bury(s);
        s->state = SLOT_EMPTY;
    }
    return NULL;
}

static int take(cage *c, slot **out, int keep_free, caption_error *err)
{
    pthread_mutex_lock(&c->lock);
    const unsigned failures = c->failures;
    slot *s;
    c->waiting++;
    while (!(s = free_slot(c)) && c->failures == failures) {
        wake_keeper(c);
        pthread_cond_wait(&c->changed, &c->lock);
    }
    c->waiting--;
    if (s && !keep_free)
        s->state = SLOT_TAKEN;
    const caption_error fault = c->fault;
    const int fault_status = c->fault_status;
    pthread_mutex_unlock(&c->lock);
    *out = s;
    return s ? CAPTION_OK
             : caption_fail(err, (enum caption_status)fault_status, "no decoder can be started: %.400s", fault.message);
}

static void give(cage *c, slot *s, int is_alive)
{
    pthread_mutex_lock(&c->lock);
    s->state = is_alive ? SLOT_FREE : SLOT_EMPTY;
    if (is_alive)
        pthread_cond_signal(&c->changed);
    else
        wake_keeper(c);
    pthread_mutex_unlock(&c->lock);
}

int cage_wait(cage *c, caption_error *err)
{
    slot *s;
    return take(c, &s, 1, err);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

typedef struct allowance {
    double ms;         /* of processor time, for this image */
    int is_of_request; /* it is what the request's budget leaves */
} allowance;

static int allow(const cage *c, cage_budget *budget, allowance *out, caption_error *err)
{
    *out = (allowance){.ms = c->limits.picture_ms};
    if (!budget)
        return CAPTION_OK;
    const double left = budget->ms - (double)atomic_load(&budget->used_us) / 1e3;
    if (left <= 0) {
        metrics_add(&stops[TIME], 1);
        return caption_fail(err, CAPTION_ESTOPPED, "the request's images took all of its %d ms of processor time",
                            budget->ms);
    }
    if (left < out->ms)
        *out = (allowance){left, 1};
    return CAPTION_OK;
}

typedef enum ending { ANSWERED, DIED, TOOK_TOO_LONG, HANGS } ending;

/* Waits for the answer. Processor time never passes faster than time, so that much can be slept. */
static ending await(const slot *s, background_level level, double allowed_ms, double cpu_began)
{
    const double began = clock_ms();
    double longest = allowed_ms * WALL_FACTOR > WALL_LEAST_MS ? allowed_ms * WALL_FACTOR : WALL_LEAST_MS;
    if (level != BACKGROUND_NORMAL)
        longest = INFINITY;
    for (;;) {
        const double left = allowed_ms - (helper_cpu_ms(&s->process) - cpu_began);
        struct pollfd look = {.fd = s->process.socket, .events = POLLIN};
        if (left <= 0)
            return TOOK_TOO_LONG;
        if (clock_ms() - began > longest)
            return HANGS;
        if (poll(&look, 1, left < 1 ? 1 : (int)left) <= 0)
            continue;
        char byte;
        return recv(s->process.socket, &byte, 1, 0) == 1 ? ANSWERED : DIED;
    }
}

/* Buries the helper and says what it died of. */
static int explain_end(cage *c, slot *s, ending end, const allowance *allowed, const cage_budget *budget,
                       caption_error *err)
{
    const int status = bury_taken(c, s);
    const int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    const stop_reason what = end != DIED ? TIME : number == SIGSYS ? FORBIDDEN : number == SIGKILL ? KILLED : CRASH;
    metrics_add(&stops[what], 1);
    if (end == HANGS)
        return caption_fail(err, CAPTION_ESTOPPED, "decoding it hangs and was stopped");
    if (end == TOOK_TOO_LONG && allowed->is_of_request)
        return caption_fail(err, CAPTION_ESTOPPED,
                            "decoding it was stopped: the request's images took all of its %d ms of"
                            " processor time",
                            budget->ms);
    if (end == TOOK_TOO_LONG)
        return caption_fail(err, CAPTION_ESTOPPED, "decoding it was stopped after %d ms of processor time",
                            c->limits.picture_ms);
    if (number == SIGSYS)
        return caption_fail(err, CAPTION_ESTOPPED, "its decoder tried what decoders may not do, and was stopped");
    if (number == SIGKILL)
        return caption_fail(err, CAPTION_ESTOPPED, "its decoder was killed, for want of memory or by somebody");
    return caption_fail(err, CAPTION_ESTOPPED, "its decoder crashed (%s)", number ? strsignal(number) : "it ended");
}

/* The answer, of which nothing is believed: each value is read once, then checked. */
static int read_answer(cage *c, const slot *s, const cage_work *work, caption_error *err)
{
    helper_answer a;
    memcpy(&a, &s->memory->answer, sizeof a);
    a.reason.message[sizeof a.reason.message - 1] = '\0';
    if (a.status == CAPTION_ENOMEM) {
        metrics_add(&stops[MEMORY], 1);
        return caption_fail(err, CAPTION_ESTOPPED, "decoding it takes more than %d MB of memory", c->limits.picture_mb);
    }
    if (a.status == CAPTION_EFORMAT || a.status == CAPTION_EUNSUPPORTED || a.status == CAPTION_ELIMIT)
        return caption_fail(err, a.status, "%s", a.reason.message);
    if (a.status != CAPTION_OK)
        return caption_fail(err, CAPTION_ESTOPPED, "its decoder answered nonsense");
    if (work->image) {
        memcpy(work->image, &s->memory->image, sizeof *work->image);
        if (work->image->width < 1 || work->image->height < 1)
            return caption_fail(err, CAPTION_ESTOPPED, "its decoder answered nonsense");
    }
    if (!work->picture)
        return CAPTION_OK;
    if (a.width < 1 || a.height < 1 || a.width > HELPER_SIDE || a.height > HELPER_SIDE)
        return caption_fail(err, CAPTION_ESTOPPED, "its decoder answered nonsense");
    const size_t bytes = (size_t)a.width * (size_t)a.height * 3;
    *work->picture = (caption_picture){a.width, a.height, malloc(bytes)};
    if (!work->picture->rgb) {
        *work->picture = (caption_picture){0};
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for a picture");
    }
    memcpy(work->picture->rgb, s->memory->picture, bytes);
    return CAPTION_OK;
}

/* Gives pages of the shared memory back that a usual image does not need. */
static void forget_pages(unsigned char *from, size_t size)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (size <= KEPT_BYTES)
        return;
    const uintptr_t first = ((uintptr_t)from + page - 1) / page * page, end = ((uintptr_t)from + size) / page * page;
    madvise((void *)first, end - first, MADV_REMOVE);
}

/* Hands the question over and waits. `read_it`: the helper has got so far. */
static ending question(const cage *c, const slot *s, const cage_work *work, const allowance *allowed, int *read_it)
{
    const double cpu_began = helper_cpu_ms(&s->process);
    ending end = DIED;
    caption_image_limits limits = work->limits;
    const size_t memory = (size_t)c->limits.picture_mb << 20;
    if (!limits.max_memory && memory < CAPTION_IMAGE_MEMORY)
        limits.max_memory = memory; /* so that the header refuses it, before the helper runs out of memory */
    s->memory->question = (helper_question){
        .wanted = (work->image ? HELPER_IMAGE : 0) | (work->picture ? HELPER_PICTURE : 0),
        .max_side = work->max_side ? work->max_side : HELPER_SIDE,
        .size = work->size,
        .limits = limits,
    };
    s->memory->answer.status = HELPER_ASKED;
    memcpy(s->memory->file, work->file, work->size);
    if (send(s->process.socket, "", 1, MSG_NOSIGNAL) == 1)
        end = await(s, c->limits.level, allowed->ms, cpu_began);
    *read_it = s->memory->answer.status != HELPER_ASKED;
    if (work->budget)
        atomic_fetch_add(&work->budget->used_us, (long long)((helper_cpu_ms(&s->process) - cpu_began) * 1e3));
    return end;
}

/* One that died before it had read the question says nothing about this image: ASK_AGAIN. */
enum { ASK_AGAIN = -1 };

static int ask(cage *c, slot *s, const cage_work *work, const allowance *allowed, caption_error *err)
{
    int status, read_it;
    const ending end = question(c, s, work, allowed, &read_it);
    if (end == ANSWERED) {
        status = read_answer(c, s, work, err);
    } else if (end == DIED && !read_it) {
        bury_taken(c, s);
        status = ASK_AGAIN;
    } else {
        status = explain_end(c, s, end, allowed, work->budget, err);
    }
    forget_pages(s->memory->file, work->size);
    if (work->picture)
        forget_pages(s->memory->picture, (size_t)work->picture->width * (size_t)work->picture->height * 3);
    give(c, s, end == ANSWERED);
    return status;
}

int cage_decode(cage *c, const cage_work *work, caption_error *err)
{
    allowance allowed;
    slot *s;
    if (work->picture)
        *work->picture = (caption_picture){0};
    if (work->size > (size_t)c->limits.file_mb << 20)
        return caption_fail(err, CAPTION_ELIMIT, "the file is larger than %d MB", c->limits.file_mb);
    int status = allow(c, work->budget, &allowed, err);
    for (int tries = 0; !status && tries < MAX_TRIES; tries++) {
        status = take(c, &s, 0, err);
        if (!status)
            status = ask(c, s, work, &allowed, err);
        if (status != ASK_AGAIN)
            return status;
        status = CAPTION_OK;
    }
    return status ? status : caption_fail(err, CAPTION_EIO, "decoders die before they are asked");
}

static int decode(void *context, caption_image *out, const void *bytes, size_t size, caption_error *err)
{
    const cage_work work = {.file = bytes, .size = size, .image = out};
    return cage_decode(context, &work, err);
}

caption_decoder cage_decoder(cage *c)
{
    return (caption_decoder){decode, c};
}

/* ---- life -------------------------------------------------------------------------------------------------------- */

/* A limit on the size of files (RLIMIT_FSIZE) counts for this memory, too, which is no file: it is lifted meanwhile. */
static int give_size(int fd, size_t size)
{
    struct rlimit limit;
    if (ftruncate(fd, (off_t)size) == 0)
        return 0;
    if (errno != EFBIG || getrlimit(RLIMIT_FSIZE, &limit))
        return -1;
    const struct rlimit lifted = {limit.rlim_max, limit.rlim_max};
    int status = setrlimit(RLIMIT_FSIZE, &lifted) || ftruncate(fd, (off_t)size) ? -1 : 0;
    const int reason = errno;
    setrlimit(RLIMIT_FSIZE, &limit);
    errno = reason;
    return status;
}

static int make_slot(slot *s, size_t size, caption_error *err)
{
    s->memory_fd = memfd_create("captiond-decode", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (s->memory_fd < 0 || give_size(s->memory_fd, size) ||
        fcntl(s->memory_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL))
        return caption_fail(err, CAPTION_ENOMEM, "no memory can be shared with a decoder: %s", strerror(errno));
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, s->memory_fd, 0);
    if (at == MAP_FAILED)
        return caption_fail(err, CAPTION_ENOMEM, "no memory can be shared with a decoder: %s", strerror(errno));
    s->memory = at;
    s->memory_size = size;
    return CAPTION_OK;
}

static void free_slot_memory(slot *s)
{
    if (s->memory)
        munmap(s->memory, s->memory_size);
    if (s->memory_fd >= 0)
        close(s->memory_fd);
}

static void release(cage *c)
{
    for (int i = 0; i < c->limits.helpers; i++) {
        slot *s = &c->slots[i];
        if (s->state == SLOT_FREE)
            bury(s);
        free_slot_memory(s);
    }
    if (c->wake >= 0)
        close(c->wake);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static int prepare(cage *c, caption_error *err)
{
    int status = CAPTION_OK;
    for (int i = 0; i < c->limits.helpers && !status; i++)
        status = make_slot(&c->slots[i], sizeof(helper_memory) + ((size_t)c->limits.file_mb << 20), err);
    if (status)
        return status;
    c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    const int code = c->wake < 0 ? errno : pthread_create(&c->keeper, NULL, keep, c);
    return code ? caption_fail(err, CAPTION_ENOMEM, "the decoders' thread cannot be started: %s", strerror(code))
                : CAPTION_OK;
}

int cage_open(cage **out, const cage_limits *limits, caption_error *err)
{
    cage *c = calloc(1, sizeof *c + (size_t)limits->helpers * sizeof *c->slots);
    *out = NULL;
    if (!c)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for decoders");
    c->limits = *limits;
    c->wake = -1;
    for (int i = 0; i < limits->helpers; i++)
        c->slots[i].memory_fd = -1;
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->changed, NULL);
    const int status = prepare(c, err);
    if (status)
        release(c);
    else
        *out = c;
    return status;
}

void cage_close(cage *c)
{
    if (!c)
        return;
    pthread_mutex_lock(&c->lock);
    c->stopped = 1;
    wake_keeper(c);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->keeper, NULL);
    release(c);
}
