/* jobs.c: the keeper thread; see jobs.h.
 *
 * The list of runs belongs to the keeper alone. Other threads only wake it, under j->lock, which is a leaf. */
#include "server/jobs/jobs.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/metrics.h"
#include "server/base/paths.h"
#include "server/jobs/job_run.h"

enum { MAX_RUNS = 32, LOOK_MS = 250, ADOPT_MS = 2000 };

struct jobs {
    job_context context;
    pthread_t keeper;
    pthread_mutex_t lock; /* guards the next four */
    pthread_cond_t changed;
    int woken, stopping, over;

    /* the keeper's own */
    job_run *runs[MAX_RUNS];
    int n;
    long long newest; /* event seen last */
    int missed;       /* what it told is still to be looked at */
    double adopted;   /* when orphans were last looked for */
};

/* ---- waking ------------------------------------------------------------------------------------------------------ */

void jobs_wake(jobs *j)
{
    if (!j)
        return;
    pthread_mutex_lock(&j->lock);
    j->woken = 1;
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->lock);
}

static void wake(void *context)
{
    jobs_wake(context);
}

/* Sleeps until woken or it is time to look; returns 1 if the daemon is stopping. */
static int wait_for_change(jobs *j)
{
    struct timespec until = clock_timespec(clock_ms() + LOOK_MS);
    pthread_mutex_lock(&j->lock);
    while (!j->woken && pthread_cond_timedwait(&j->changed, &j->lock, &until) != ETIMEDOUT)
        ;
    j->woken = 0;
    int stopping = j->stopping;
    pthread_mutex_unlock(&j->lock);
    return stopping;
}

/* ---- what is counted --------------------------------------------------------------------------------------------- */

enum { MAX_KINDS = 16, STATES = JOB_CANCELLED + 1 };

static struct {
    metrics_gauge queued, running;
    metrics_counter ended[MAX_KINDS][STATES]; /* by place in job_kinds */
} counts;

/* A job that this daemon has brought to an end. */
static void count_end(const char *kind, job_state state)
{
    for (int i = 0; i < MAX_KINDS && job_kinds[i].name; i++)
        if (strcmp(job_kinds[i].name, kind) == 0)
            metrics_add(&counts.ended[i][state], 1);
}

void jobs_metrics(FILE *out, void *unused)
{
    static const char ended[] = "captiond_jobs_ended_total";
    (void)unused;
    metrics_write_gauge(out, "captiond_jobs_queued", "Jobs of the data directory that wait.",
                        (double)atomic_load(&counts.queued));
    metrics_write_gauge(out, "captiond_jobs_running", "Jobs of the data directory that run, in whatever daemon.",
                        (double)atomic_load(&counts.running));
    metrics_write_head(out, ended, "counter", "Jobs that this daemon brought to an end.");
    for (int i = 0; i < MAX_KINDS && job_kinds[i].name; i++)
        for (job_state state = JOB_SUCCEEDED; state <= JOB_CANCELLED; state++)
            fprintf(out, "%s{kind=\"%s\",state=\"%s\"} %llu\n", ended, job_kinds[i].name, job_state_name(state),
                    (unsigned long long)metrics_read(&counts.ended[i][state]));
}

/* ---- log --------------------------------------------------------------------------------------------------------- */

static void log_job(log_level level, const char *event, long long id, const char *detail)
{
    log_line line;
    log_begin(&line, level, event);
    log_integer(&line, "job", id);
    log_text(&line, "detail", detail);
    log_end(&line);
}

static int log_store_fault(long long id, const problem *p)
{
    log_job(LOG_LEVEL_ERROR, "job-store", id, p->detail);
    return 1;
}

/* Stores how a job ended, unless it was cancelled meanwhile (*done is 0 then). Returns 1 if the store failed. Where its
 * files are, the log alone tells. */
static int store_end(jobs *j, const char *kind, long long id, const job_end *end, int *done)
{
    problem p;
    caption_error told;
    job_end stored = *end;
    if (end->error) {
        caption_fail(&told, CAPTION_EIO, "%s", end->error);
        paths_hide(told.message);
        stored.error = told.message;
    }
    if (job_store_end(j->context.job_store, id, &stored, done, &p))
        return log_store_fault(id, &p);
    count_end(kind, *done ? end->state : JOB_CANCELLED);
    log_job(end->error ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "job-ended", id,
            !*done       ? "cancelled"
            : end->error ? end->error
                         : job_state_name(end->state));
    return 0;
}

/* ---- starting ---------------------------------------------------------------------------------------------------- */

/* If that cannot be stored, the job is adopted again with its files. */
static void fail_job(jobs *j, const char *kind, long long id, job_files *files, const char *reason)
{
    int done;
    const job_end end = {.state = JOB_FAILED, .error = reason};
    if (store_end(j, kind, id, &end, &done))
        job_files_leave(files);
    else
        job_files_remove(files);
}

/* The job is ours and said to run: starts its thread, or fails it. */
static void launch(jobs *j, long long id, job_files *files)
{
    problem p;
    caption_error err;
    job_record record;
    if (job_store_get(j->context.job_store, id, &record, &p)) {
        job_files_leave(files);
        return;
    }
    const job_kind *kind = job_kind_find(record.kind);
    int status = kind ? job_run_start(&j->runs[j->n], &j->context, kind, &record, files, wake, j, &err)
                      : caption_fail(&err, CAPTION_EUNSUPPORTED, "jobs of kind %s are not known", record.kind);
    if (status) {
        fail_job(j, record.kind, id, files, err.message);
    } else {
        j->n++;
        log_job(LOG_LEVEL_INFO, "job-started", id, kind->name);
    }
    job_record_free(&record);
}

/* Tries to make one queued job ours; returns 0 if there is no sense in trying the next. */
static int start_job(jobs *j, int limit, long long id)
{
    problem p;
    caption_error err;
    job_files files;
    int done, status = job_files_take(&files, store_directory(j->context.store), id, &err);
    if (status == CAPTION_ECANCELLED)
        return 1;
    if (status) {
        log_job(LOG_LEVEL_ERROR, "job-files", id, err.message);
        return 0;
    }
    if (job_store_start(j->context.job_store, id, limit, &done, &p) || !done) {
        job_files_leave(&files);
        return 1;
    }
    launch(j, id, &files);
    return 1;
}

/* Threads at work, those too whose job was cancelled and that have not come to stop yet: they hold memory. */
static int runs_in(const jobs *j, const job_lane *lane)
{
    int n = 0;
    for (int i = 0; i < j->n; i++)
        n += job_run_kind(j->runs[i])->lane == lane;
    return n;
}

static void start_jobs(jobs *j)
{
    problem p;
    for (const job_lane *lane, *const *next = job_lanes; (lane = *next); next++)
        for (long long id = 0; j->n < MAX_RUNS;) {
            int limit = lane->limit(j->context.config);
            if (runs_in(j, lane) >= limit || job_store_next(j->context.job_store, lane->name, limit, id, &id, &p) ||
                id == 0 || !start_job(j, limit, id))
                break;
        }
}

/* ---- what runs tell ---------------------------------------------------------------------------------------------- */

static void store_mail(jobs *j, job_run *run)
{
    problem p;
    job_mail mail;
    job_run_take_mail(run, &mail);
    if ((mail.progress || mail.n > 0) && job_store_progress(j->context.job_store, job_run_id(run), mail.progress,
                                                            mail.n, mail.types, (const char *const *)mail.data, &p))
        log_job(LOG_LEVEL_WARNING, "job-store", job_run_id(run), p.detail); /* what comes next says more anyway */
    job_run_mail_stored(run);
    job_mail_free(&mail);
}

/* ---- ending ------------------------------------------------------------------------------------------------------ */

typedef struct publication {
    job_run *run;
    problem *failed; /* why the result could not become visible; PROBLEM_NONE: it did */
} publication;

static int publish(void *context, problem *p)
{
    publication *what = context;
    const job_kind *kind = job_run_kind(what->run);
    if (!kind->publish || !kind->publish(what->run, p))
        return 0;
    *what->failed = *p;
    return 1;
}

/* Each of these stores how a run ended; returns 0, or 1 to try again later. */

static int store_run_end(jobs *j, const job_run *run, const job_end *end, int *done)
{
    return store_end(j, job_run_kind(run)->name, job_run_id(run), end, done);
}

/* The files go first: they may be what fills the disk. */
static int store_failure(jobs *j, job_run *run, const char *reason)
{
    int done;
    const job_end end = {.state = JOB_FAILED, .error = reason};
    job_files_clear(job_run_files(run));
    return store_run_end(j, run, &end, &done);
}

/* *keep: the files are the result. */
static int store_success(jobs *j, job_run *run, int *keep)
{
    problem failed = {.kind = PROBLEM_NONE};
    publication what = {run, &failed};
    const job_end end = {JOB_SUCCEEDED, job_run_result(run), NULL, publish, &what};
    int done = 0, again = store_run_end(j, run, &end, &done);
    *keep = done && !failed.kind && job_run_kind(run)->keeps_files;
    return failed.kind ? store_failure(j, run, failed.detail) : again;
}

/* The work was told to stop. *keep: because the daemon stops, and the next one goes on with its files. */
static int store_interruption(jobs *j, job_run *run, const char *reason, int *keep)
{
    problem p;
    if (job_store_requeue(j->context.job_store, job_run_id(run), keep, &p))
        return log_store_fault(job_run_id(run), &p);
    if (!*keep)
        count_end(job_run_kind(run)->name, JOB_CANCELLED);
    log_job(LOG_LEVEL_INFO, *keep ? "job-interrupted" : "job-ended", job_run_id(run), *keep ? reason : "cancelled");
    return 0;
}

/* Stores what a run told, and how it ended if it did. Returns 1 if it is over with. */
static int serve_run(jobs *j, job_run *run)
{
    int status, again, keep = 0;
    caption_error err;
    int ended = job_run_ended(run, &status, &err);
    store_mail(j, run); /* after the line above, so that nothing told is lost */
    if (!ended)
        return 0;
    if (status == CAPTION_OK)
        again = store_success(j, run, &keep);
    else if (status == CAPTION_ECANCELLED)
        again = store_interruption(j, run, err.message, &keep);
    else
        again = store_failure(j, run, err.message);
    if (again)
        return 0;
    if (keep)
        job_files_leave(job_run_files(run));
    else
        job_files_remove(job_run_files(run));
    job_run_free(run);
    return 1;
}

static void serve_runs(jobs *j)
{
    for (int i = 0; i < j->n;)
        if (serve_run(j, j->runs[i]))
            j->runs[i] = j->runs[--j->n];
        else
            i++;
}

/* ---- what other daemons do --------------------------------------------------------------------------------------- */

/* Stops runs that were cancelled, by whatever daemon. Returns 1 if it could not look at all of them. */
static int stop_cancelled(jobs *j)
{
    problem p;
    int missed = 0;
    for (int i = 0; i < j->n; i++) {
        job_record record;
        int known = job_store_get(j->context.job_store, job_run_id(j->runs[i]), &record, &p) == 0;
        if (known ? record.state != JOB_RUNNING : p.kind == PROBLEM_UNKNOWN_JOB)
            job_run_stop(j->runs[i], JOB_RUN_ABANDON);
        else
            missed |= !known;
        if (known)
            job_record_free(&record);
    }
    return missed;
}

typedef struct id_list {
    long long ids[MAX_RUNS];
    int n;
} id_list;

static int add_id(void *context, long long id)
{
    id_list *list = context;
    list->ids[list->n++] = id;
    return list->n == MAX_RUNS;
}

/* Queues jobs again that are said to run and whose lock is free. */
static void adopt_orphans(jobs *j)
{
    problem p;
    job_files files;
    id_list running = {.n = 0};
    int done;
    job_store_running(j->context.job_store, add_id, &running, &p);
    for (int i = 0; i < running.n; i++) {
        if (job_files_take(&files, store_directory(j->context.store), running.ids[i], NULL))
            continue;
        if (job_store_requeue(j->context.job_store, running.ids[i], &done, &p) == 0 && done)
            log_job(LOG_LEVEL_WARNING, "job-adopted", running.ids[i], "its daemon is gone");
        job_files_leave(&files);
    }
}

/* 1 if nobody needs the files of this job any more. Of kinds that only other versions know, nothing is known. */
static int is_done_with(const job_record *record)
{
    const job_kind *kind = job_kind_find(record->kind);
    return job_state_is_final(record->state) && (record->state != JOB_SUCCEEDED || (kind && !kind->keeps_files));
}

/* The same by number; 1 also if the job is forgotten. */
static int is_over(jobs *j, long long id)
{
    problem p;
    job_record record;
    int known = job_store_get(j->context.job_store, id, &record, &p) == 0;
    int over = known ? is_done_with(&record) : p.kind == PROBLEM_UNKNOWN_JOB;
    if (known)
        job_record_free(&record);
    return over;
}

/* Removes the files of a job that has ended or is forgotten, unless they are its result or somebody still works there.
 * Only with the lock is the store's word good: without it, the job may be one that is just being queued. */
static void sweep(void *context, long long id)
{
    jobs *j = context;
    job_files files;
    if (!is_over(j, id) || job_files_take(&files, store_directory(j->context.store), id, NULL))
        return;
    if (is_over(j, id))
        job_files_remove(&files);
    else
        job_files_leave(&files);
}

/* ---- the keeper -------------------------------------------------------------------------------------------------- */

/* Looks at what happened; 1 if something did. */
static int look(jobs *j)
{
    problem p;
    long long newest = j->newest;
    if (job_store_newest_event(j->context.job_store, &newest, &p) || newest == j->newest)
        return 0;
    j->newest = newest;
    j->context.observe(j->context.observer, newest);
    return 1;
}

static void count_open(jobs *j)
{
    problem p;
    int queued, running;
    if (job_store_count_open(j->context.job_store, &queued, &running, &p))
        return;
    metrics_set(&counts.queued, queued);
    metrics_set(&counts.running, running);
}

static void stop_runs(jobs *j)
{
    for (int i = 0; i < j->n; i++)
        job_run_stop(j->runs[i], JOB_RUN_STOP);
}

static void *keep(void *context)
{
    jobs *j = context;
    int stopping = 0;
    while (!stopping || j->n > 0) {
        if (stopping)
            stop_runs(j);
        serve_runs(j);
        if (look(j) || j->missed) {
            j->missed = stop_cancelled(j);
            count_open(j);
        }
        if (!stopping && clock_ms() >= j->adopted + ADOPT_MS) {
            adopt_orphans(j);
            job_files_each(store_directory(j->context.store), sweep, j);
            j->adopted = clock_ms();
        }
        if (!stopping)
            start_jobs(j);
        stopping = wait_for_change(j);
    }
    pthread_mutex_lock(&j->lock);
    j->over = 1;
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->lock);
    return NULL;
}

int jobs_start(jobs **out, const job_context *context, caption_error *err)
{
    jobs *j = calloc(1, sizeof *j);
    if (!j)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for jobs");
    j->context = *context;
    j->adopted = -INFINITY;
    pthread_mutex_init(&j->lock, NULL);
    clock_condition_init(&j->changed);
    int code = pthread_create(&j->keeper, NULL, keep, j);
    if (code) {
        free(j);
        return caption_fail(err, CAPTION_ENOMEM, "cannot start the jobs' keeper: %s", strerror(code));
    }
    *out = j;
    return CAPTION_OK;
}

const job_context *jobs_context(const jobs *j)
{
    return &j->context;
}

void jobs_begin_stop(jobs *j)
{
    if (!j)
        return;
    pthread_mutex_lock(&j->lock);
    j->stopping = j->woken = 1;
    pthread_cond_broadcast(&j->changed);
    pthread_mutex_unlock(&j->lock);
}

int jobs_stop(jobs *j, int ms)
{
    if (!j)
        return 0;
    jobs_begin_stop(j);
    struct timespec until = clock_timespec(clock_ms() + ms);
    pthread_mutex_lock(&j->lock);
    while (!j->over && pthread_cond_timedwait(&j->changed, &j->lock, &until) != ETIMEDOUT)
        ;
    int over = j->over;
    pthread_mutex_unlock(&j->lock);
    if (!over)
        return 1;
    pthread_join(j->keeper, NULL);
    pthread_cond_destroy(&j->changed);
    pthread_mutex_destroy(&j->lock);
    free(j);
    return 0;
}
