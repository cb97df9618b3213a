/* selftest.c: see selftest.h.
 *
 * Two threads. The keeper, of normal priority, sleeps until somebody asks, starts a thread for the run, waits for it
 * and answers. The run's thread works in the background (background.h) and takes no lock: if it held one that HTTP
 * threads need, a busy machine might keep it from running, and them with it. Not SCHED_IDLE, since somebody waits for
 * the answer: a run of some twenty milliseconds takes about 70 times as long where nothing is left over, not 300 times.
 *
 * There is a run as long as `waiting` is not empty. */
#include "server/api/selftest.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/selftest_json.h"
#include "server/base/background.h"
#include "server/base/clock.h"
#include "server/base/log.h"

enum { RETRY_AFTER_S = 1 };

typedef struct waiter {
    http_request *request;
    struct waiter *next;
} waiter;

struct selftest {
    int deadline_ms;
    pthread_t keeper;
    atomic_int stop;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t asked;
    selftest_question question;
    waiter *waiting;
};

typedef struct run {
    selftest *owner;
    selftest_question question;
    double started, until; /* clock_ms */
    int status, failed;
    char *text;
    caption_error err;
} run;

/* ---- a run ----------------------------------------------------------------------------------------------------- */

static int is_over(void *context)
{
    const run *r = context;
    return atomic_load(&r->owner->stop) || clock_ms() >= r->until;
}

static void *compute(void *context)
{
    run *r = context;
    const char *layer = r->question.layer;
    background_enter(BACKGROUND_LOW);
    r->status = selftest_json(r->question.seed, *layer ? layer : NULL, is_over, r, &r->text, &r->failed, &r->err);
    return NULL;
}

static void execute(run *r)
{
    pthread_t thread;
    r->started = clock_ms();
    r->until = r->started + r->owner->deadline_ms;
    int code = pthread_create(&thread, NULL, compute, r);
    if (code)
        r->status = caption_fail(&r->err, CAPTION_ENOMEM, "cannot start a thread: %s", strerror(code));
    else
        pthread_join(thread, NULL);
}

static void log_run(const run *r)
{
    log_line line;
    log_begin(&line, r->status || r->failed ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "selftest");
    log_text(&line, "layer", r->question.layer);
    log_integer(&line, "failed", r->failed);
    if (r->status)
        log_text(&line, "reason", r->err.message);
    log_ms(&line, "ms", clock_ms() - r->started);
    log_end(&line);
}

/* ---- answers --------------------------------------------------------------------------------------------------- */

/* Why a run has no report. */
static void explain(const run *r, problem *p)
{
    if (r->status == CAPTION_ECANCELLED && atomic_load(&r->owner->stop))
        problem_set(p, PROBLEM_DRAINING, "the time to finish requests is over");
    else if (r->status == CAPTION_ECANCELLED)
        problem_set(p, PROBLEM_DEADLINE, "the self-test was not done in %d ms", r->owner->deadline_ms);
    else
        problem_set(p, r->status == CAPTION_ENOMEM ? PROBLEM_MEMORY_FULL : PROBLEM_INTERNAL, "%s", r->err.message);
}

static void answer(http_request *request, const run *r)
{
    problem p = {.kind = PROBLEM_NONE};
    if (r->status) {
        explain(r, &p);
        http_answer_problem(request, &p);
    } else {
        http_answer_json(request, 200, strdup(r->text));
    }
    http_resume(request);
}

static void answer_all(waiter *list, const run *r)
{
    while (list) {
        waiter *next = list->next;
        answer(list->request, r);
        free(list);
        list = next;
    }
}

/* ---- the keeper ------------------------------------------------------------------------------------------------ */

/* Sleeps until there is a question; 0 at the end. */
static int next_question(selftest *s, selftest_question *question)
{
    pthread_mutex_lock(&s->lock);
    while (!s->waiting && !atomic_load(&s->stop))
        pthread_cond_wait(&s->asked, &s->lock);
    int asked = s->waiting != NULL;
    *question = s->question;
    pthread_mutex_unlock(&s->lock);
    return asked;
}

/* From here on, a request begins a new run. */
static waiter *end_run(selftest *s)
{
    pthread_mutex_lock(&s->lock);
    waiter *list = s->waiting;
    s->waiting = NULL;
    pthread_mutex_unlock(&s->lock);
    return list;
}

static void *keep(void *context)
{
    selftest *s = context;
    run r = {.owner = s};
    while (next_question(s, &r.question)) {
        execute(&r);
        log_run(&r);
        answer_all(end_run(s), &r);
        free(r.text);
        r = (run){.owner = s};
    }
    return NULL;
}

/* ---- asking ---------------------------------------------------------------------------------------------------- */

static int is_same(const selftest_question *a, const selftest_question *b)
{
    return a->seed == b->seed && strcmp(a->layer, b->layer) == 0;
}

static int join_locked(selftest *s, const selftest_question *question, waiter *w, problem *p)
{
    if (atomic_load(&s->stop))
        return problem_set(p, PROBLEM_DRAINING, "no new requests are taken");
    if (s->waiting && !is_same(&s->question, question)) {
        problem_set(p, PROBLEM_SELFTEST_BUSY, "a self-test of another layer or seed is running");
        p->retry_after = RETRY_AFTER_S;
        return 1;
    }
    s->question = *question;
    w->next = s->waiting;
    s->waiting = w;
    pthread_cond_signal(&s->asked);
    return 0;
}

static int join(selftest *s, const selftest_question *question, waiter *w, problem *p)
{
    pthread_mutex_lock(&s->lock);
    int refused = join_locked(s, question, w, p);
    pthread_mutex_unlock(&s->lock);
    return refused;
}

void selftest_ask(http_request *request, const selftest_question *question)
{
    problem p = {.kind = PROBLEM_NONE};
    waiter *w = calloc(1, sizeof *w);
    if (!w) {
        problem_set(&p, PROBLEM_MEMORY_FULL, "out of memory");
        http_answer_problem(request, &p);
        return;
    }
    w->request = request;
    http_suspend(request);
    if (join(request->server->selftest, question, w, &p)) {
        free(w);
        http_answer_problem(request, &p);
        http_resume(request);
    }
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

static void release(selftest *s)
{
    pthread_cond_destroy(&s->asked);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int selftest_start(selftest **out, const config *c, caption_error *err)
{
    selftest *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the self-test");
    s->deadline_ms = c->deadline_ms;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->asked, NULL);
    int code = pthread_create(&s->keeper, NULL, keep, s);
    if (code) {
        release(s);
        return caption_fail(err, CAPTION_ENOMEM, "cannot start a thread for self-tests: %s", strerror(code));
    }
    *out = s;
    return CAPTION_OK;
}

void selftest_stop(selftest *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->stop, 1);
    pthread_cond_signal(&s->asked);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->keeper, NULL);
}

void selftest_free(selftest *s)
{
    if (s)
        release(s);
}
