/* job_run.c: see job_run.h. */
#include "server/jobs/job_run.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- kinds ------------------------------------------------------------------------------------------------------- */

const job_lane *const job_lanes[] = {&job_train_lane, &job_pictures_lane, NULL};

const job_kind job_kinds[] = {
    {job_train_name, &job_train_lane, 0, job_train_run, job_train_publish},
    {"fool", &job_pictures_lane, 1, job_pictures_run, NULL},
    {"visualize", &job_pictures_lane, 1, job_pictures_run, NULL},
    {"invert", &job_pictures_lane, 1, job_pictures_run, NULL},
    {"dream", &job_pictures_lane, 1, job_pictures_run, NULL},
    {0},
};

const job_kind *job_kind_find(const char *name)
{
    for (const job_kind *kind = job_kinds; kind->name; kind++)
        if (strcmp(kind->name, name) == 0)
            return kind;
    return NULL;
}

/* ---- a run ------------------------------------------------------------------------------------------------------- */

struct job_run {
    const job_context *shared;
    const job_kind *kind;
    job_record record;
    job_files files;
    pthread_t thread;
    void (*wake)(void *context);
    void *context;
    atomic_int stopping; /* job_run_order */

    pthread_mutex_t lock; /* a leaf; guards the rest */
    pthread_cond_t stored;
    job_mail mail;
    int taken; /* mail that is being stored */
    char *result;
    int ended, status;
    caption_error err;
};

/* ---- for the work ------------------------------------------------------------------------------------------------ */

const job_context *job_run_context(const job_run *run)
{
    return run->shared;
}

const char *job_run_directory(const job_run *run)
{
    return run->files.directory;
}

const char *job_run_request(const job_run *run)
{
    return run->record.request;
}

const char *job_run_progress(const job_run *run)
{
    return run->record.progress;
}

job_run_order job_run_stopping(const job_run *run)
{
    return (job_run_order)atomic_load_explicit(&run->stopping, memory_order_relaxed);
}

/* Replaces *place by `text`, if there is one. */
static void replace(job_run *run, char **place, char *text)
{
    if (!text)
        return;
    pthread_mutex_lock(&run->lock);
    char *old = *place;
    *place = text;
    pthread_mutex_unlock(&run->lock);
    free(old);
}

void job_run_tell_progress(job_run *run, char *json)
{
    replace(run, &run->mail.progress, json);
}

void job_run_tell_result(job_run *run, char *json)
{
    replace(run, &run->result, json);
}

void job_run_tell_event(job_run *run, const char *type, char *json)
{
    char *dropped = NULL;
    if (!json)
        return;
    pthread_mutex_lock(&run->lock);
    job_mail *m = &run->mail;
    if (m->n == JOB_RUN_EVENTS) {
        dropped = m->data[0];
        m->n--;
        memmove(m->types, m->types + 1, (size_t)m->n * sizeof *m->types);
        memmove(m->data, m->data + 1, (size_t)m->n * sizeof *m->data);
    }
    m->types[m->n] = type;
    m->data[m->n++] = json;
    pthread_mutex_unlock(&run->lock);
    free(dropped);
}

void job_run_await_storing(job_run *run)
{
    run->wake(run->context);
    pthread_mutex_lock(&run->lock);
    while ((run->mail.progress || run->mail.n > 0 || run->taken) && !job_run_stopping(run))
        pthread_cond_wait(&run->stored, &run->lock);
    pthread_mutex_unlock(&run->lock);
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static void *work(void *context)
{
    job_run *run = context;
    caption_error err = {""};
    int status = run->kind->run(run, &err);
    void (*wake)(void *) = run->wake;
    void *context_of_wake = run->context;
    pthread_mutex_lock(&run->lock);
    run->ended = 1;
    run->status = status;
    run->err = err;
    pthread_mutex_unlock(&run->lock);
    wake(context_of_wake); /* the keeper may free `run` from here on, but it joins this thread first */
    return NULL;
}

int job_run_start(job_run **out, const job_context *shared, const job_kind *kind, job_record *record, job_files *files,
                  void (*wake)(void *context), void *context, caption_error *err)
{
    job_run *run = calloc(1, sizeof *run);
    if (!run)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for a job");
    run->shared = shared;
    run->kind = kind;
    run->record = *record;
    run->files = *files;
    run->wake = wake;
    run->context = context;
    pthread_mutex_init(&run->lock, NULL);
    pthread_cond_init(&run->stored, NULL);
    int code = pthread_create(&run->thread, NULL, work, run);
    if (code) {
        pthread_cond_destroy(&run->stored);
        pthread_mutex_destroy(&run->lock);
        free(run);
        return caption_fail(err, CAPTION_ENOMEM, "cannot start a thread for a job: %s", strerror(code));
    }
    *record = (job_record){0};
    *out = run;
    return CAPTION_OK;
}

/* ---- for jobs.c -------------------------------------------------------------------------------------------------- */

long long job_run_id(const job_run *run)
{
    return run->record.id;
}

const job_kind *job_run_kind(const job_run *run)
{
    return run->kind;
}

job_files *job_run_files(job_run *run)
{
    return &run->files;
}

void job_run_stop(job_run *run, job_run_order order)
{
    pthread_mutex_lock(&run->lock);
    if (atomic_load(&run->stopping) < (int)order)
        atomic_store(&run->stopping, (int)order);
    pthread_cond_broadcast(&run->stored);
    pthread_mutex_unlock(&run->lock);
}

int job_run_ended(job_run *run, int *status, caption_error *err)
{
    pthread_mutex_lock(&run->lock);
    int ended = run->ended;
    *status = run->status;
    *err = run->err;
    pthread_mutex_unlock(&run->lock);
    return ended;
}

const char *job_run_result(job_run *run)
{
    pthread_mutex_lock(&run->lock);
    const char *result = run->result;
    pthread_mutex_unlock(&run->lock);
    return result;
}

void job_run_take_mail(job_run *run, job_mail *mail)
{
    pthread_mutex_lock(&run->lock);
    *mail = run->mail;
    run->mail = (job_mail){0};
    run->taken = 1;
    pthread_mutex_unlock(&run->lock);
}

void job_run_mail_stored(job_run *run)
{
    pthread_mutex_lock(&run->lock);
    run->taken = 0;
    pthread_cond_broadcast(&run->stored);
    pthread_mutex_unlock(&run->lock);
}

void job_mail_free(job_mail *mail)
{
    for (int i = 0; i < mail->n; i++)
        free(mail->data[i]);
    free(mail->progress);
}

void job_run_free(job_run *run)
{
    pthread_join(run->thread, NULL);
    job_record_free(&run->record);
    job_mail_free(&run->mail);
    free(run->result);
    pthread_cond_destroy(&run->stored);
    pthread_mutex_destroy(&run->lock);
    free(run);
}
