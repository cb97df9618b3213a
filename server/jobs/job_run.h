/* job_run.h: one attempt at a job, on a thread of its own.
 *
 * What the work has to tell (progress, events, its result) goes into a mailbox, which the keeper thread of jobs.c
 * empties: so the thread that computes waits for the disk only if it asks to, and nobody ever waits for a thread that
 * the system lets run only when no other wants to. */
#ifndef SERVER_JOB_RUN_H
#define SERVER_JOB_RUN_H

#include "server/base/config.h"
#include "server/decode/cage.h"
#include "server/engine/models.h"
#include "server/jobs/job_files.h"
#include "server/jobs/job_store.h"
#include "server/store/store.h"

typedef struct job_run job_run;

/* What jobs work with. */
typedef struct job_context {
    const config *config;
    registry *registry;
    models *models;
    store *store;
    job_store *job_store;
    cage *cage; /* that decodes their images */

    /* Called on the keeper thread when jobs, of whatever daemon, have new events; newest: the number of the last. */
    void (*observe)(void *observer, long long newest);
    void *observer;
} job_context;

/* Kinds of job that share how many may run at once, over all daemons of a data directory; the oldest is next. */
typedef struct job_lane {
    const char *name;
    int (*limit)(const config *c);
} job_lane;

extern const job_lane *const job_lanes[]; /* ends with NULL */

/* A kind of job; job_run.c lists them. */
typedef struct job_kind {
    const char *name;
    const job_lane *lane;
    int keeps_files; /* the files of a job that succeeded are its result: they stay until it is forgotten */

    /* The work: what takes long in the background (background.h). Goes on from what an earlier attempt
     * left in the directory; ends with CAPTION_ECANCELLED soon after job_run_stopping says so. */
    int (*run)(job_run *run, caption_error *err);

    /* Makes the result visible, on the keeper thread, after `run` was well done and if the job was not cancelled; or
     * NULL. May be called again for a result that is visible already. */
    int (*publish)(job_run *run, problem *p);
} job_kind;

extern const job_kind job_kinds[]; /* ends with a NULL name */

/* Defined in job_train.c and job_pictures.c. */
extern const char job_train_name[]; /* "train" */
extern const job_lane job_train_lane, job_pictures_lane;
int job_train_run(job_run *run, caption_error *err);
int job_train_publish(job_run *run, problem *p);
int job_pictures_run(job_run *run, caption_error *err);

/* NULL if there is no such kind. */
const job_kind *job_kind_find(const char *name);

/* ---- for the work ------------------------------------------------------------------------------------------------ */

long long job_run_id(const job_run *run);
const job_kind *job_run_kind(const job_run *run);
const job_context *job_run_context(const job_run *run);
const char *job_run_directory(const job_run *run); /* of its files */
const char *job_run_request(const job_run *run);   /* JSON: what was asked */
const char *job_run_progress(const job_run *run);  /* JSON: what an earlier attempt told, or NULL */

/* Must the work stop, and if so, will nobody go on with it? Cheap. */
typedef enum job_run_order { JOB_RUN_GO_ON, JOB_RUN_STOP, JOB_RUN_ABANDON } job_run_order;
job_run_order job_run_stopping(const job_run *run);

/* All three take `json` (malloc'd; NULL, out of memory, tells nothing). The last progress and the last result count; of
 * events, the oldest are dropped if they come faster than they can be stored. type: a string literal. */
void job_run_tell_progress(job_run *run, char *json);
void job_run_tell_event(job_run *run, const char *type, char *json);
void job_run_tell_result(job_run *run, char *json);

/* Waits until what was told is stored, as far as the store can, or the work must stop. */
void job_run_await_storing(job_run *run);

/* ---- for jobs.c -------------------------------------------------------------------------------------------------- */

/* Takes *record and *files and starts the thread. Calls wake(context) on that thread when the work is over or waits for
 * its mail to be stored. */
int job_run_start(job_run **out, const job_context *shared, const job_kind *kind, job_record *record, job_files *files,
                  void (*wake)(void *context), void *context, caption_error *err);

void job_run_stop(job_run *run, job_run_order order);

/* 1 when the work is over: *status and *err are how it went. */
int job_run_ended(job_run *run, int *status, caption_error *err);

enum { JOB_RUN_EVENTS = 64 };

/* The mailbox's content, which the caller stores and frees. */
typedef struct job_mail {
    char *progress; /* NULL: nothing new */
    int n;
    const char *types[JOB_RUN_EVENTS]; /* [n] of the events */
    char *data[JOB_RUN_EVENTS];        /* [n] */
} job_mail;

void job_run_take_mail(job_run *run, job_mail *mail);
void job_run_mail_stored(job_run *run); /* what was taken */
void job_mail_free(job_mail *mail);

const char *job_run_result(job_run *run); /* after the end; NULL: none */
job_files *job_run_files(job_run *run);

/* Joins the thread, which has ended or is about to, and frees; the files are the caller's to leave or remove before. */
void job_run_free(job_run *run);

#endif
