/* job_store.h: jobs and their events on the disk: DATA/jobs.db, shared by all daemons of a data directory.
 *
 * A job goes queued -> running -> succeeded, failed or cancelled. It goes back to queued when the daemon that ran it
 * stops or dies, and may be cancelled while queued or running. Each change is one transaction that also writes an
 * event, so whoever sees the newest event number grow knows that something happened, in whatever daemon.
 *
 * Thread-safe. All functions wait for the disk and for each other: call them from threads that may (disk.h). Functions
 * with a `problem` return 0, or 1 with *p set and nothing changed. */
#ifndef SERVER_JOB_STORE_H
#define SERVER_JOB_STORE_H

#include "model/error.h"
#include "server/http/problem.h"

typedef enum job_state { JOB_QUEUED, JOB_RUNNING, JOB_SUCCEEDED, JOB_FAILED, JOB_CANCELLED } job_state;

const char *job_state_name(job_state state); /* "queued" */
int job_state_is_final(job_state state);

enum { JOB_KIND_BYTES = 32 };

typedef struct job_record {
    long long id;
    char kind[JOB_KIND_BYTES];
    job_state state;
    char *request;                  /* JSON: what was asked */
    char *progress;                 /* JSON: what it looks like now; NULL: nothing yet */
    char *result;                   /* JSON, of a succeeded one, else NULL */
    char *error;                    /* the reason, of a failed one, else NULL */
    double created, started, ended; /* seconds since 1970; 0: not yet */
} job_record;

void job_record_free(job_record *r);

typedef struct job_limits {
    int open;    /* jobs queued and running */
    int kept;    /* ended jobs that are kept */
    int history; /* events of a job that are kept */
} job_limits;

typedef struct job_store job_store;

int job_store_open(job_store **out, const char *directory, const job_limits *limits, caption_error *err);
void job_store_close(job_store *s); /* NULL is allowed */

/* If the index of jobs is damaged or lost, moves it and the files of jobs into DATA/quarantine, so that the next start
 * begins with none. For `captiond repair`, while no daemon uses the directory. */
int job_store_repair(const char *directory, int *was_set_aside, caption_error *err);

/* ---- from outside ---------------------------------------------------------------------------------------------- */

/* What jobs make and work with, as claims and needs name it: printf formats, and room for one. */
#define JOB_NAME_MODEL "model:%s"
#define JOB_NAME_DATASET "dataset:%s"
enum { JOB_NAME_BYTES = 80 };

typedef struct job_order {
    const char *kind;
    const char *lane;    /* jobs of one lane share its limits; NULL: the kind is a lane of its own */
    int open;            /* jobs of the lane that may be queued and running; 0: as many as of all */
    const char *claim;   /* a name that only one open job may claim ("model:birds"), or NULL */
    const char *needs;   /* names of what it works with, with a space between ("dataset:pets model:lstm"), or NULL */
    const char *request; /* JSON */

    /* Refuses with 1 and *p set; no job ends and nothing is held (job_store_hold) while it looks. May be NULL. */
    int (*check)(void *context, problem *p);

    /* Puts what the job needs where it belongs, before anybody can see the job; its failure undoes all. May be NULL. */
    int (*prepare)(void *context, long long id, problem *p);
    void *context;
} job_order;

/* Queues a job. */
int job_store_add(job_store *s, const job_order *order, long long *id, problem *p);

/* The caller frees *out with job_record_free. */
int job_store_get(job_store *s, long long id, job_record *out, problem *p);

/* Up to `limit` jobs, newest first, those older than `before` (0: from the newest); *more: others follow. `each` must
 * not call the store and may stop by returning non-zero. */
int job_store_list(job_store *s, long long before, int limit, int (*each)(void *context, const job_record *record),
                   void *context, int *more, problem *p);

/* An ended job cannot be cancelled (PROBLEM_JOB_ENDED). */
int job_store_cancel(job_store *s, long long id, problem *p);

/* Calls `change` while, in all daemons, no job is queued or ends and nobody else holds the store: so that what jobs are
 * checked against and what they publish changes one at a time. Returns what it returns; it must not call the store but
 * for the next. */
int job_store_hold(job_store *s, int (*change)(void *context, problem *p), void *context, problem *p);

/* Within `change`: refuses, with this kind of problem, if an open job needs `name`. */
int job_store_check_unneeded(job_store *s, const char *name, problem_kind kind, problem *p);

/* ---- from who runs it ------------------------------------------------------------------------------------------ */

/* The oldest queued job of this lane newer than `after`, or 0 if there is none or `limit` of the lane are running. */
int job_store_next(job_store *s, const char *lane, int limit, long long after, long long *id, problem *p);

/* queued -> running, unless it changed meanwhile or `limit` of its lane are running: *done tells. */
int job_store_start(job_store *s, long long id, int limit, int *done, problem *p);

/* It has what it wanted of `name`, which may go from now on. */
int job_store_release(job_store *s, long long id, const char *name, problem *p);

/* running -> queued, to be resumed; *done is 0 if it was not running. */
int job_store_requeue(job_store *s, long long id, int *done, problem *p);

typedef struct job_end {
    job_state state;
    const char *result, *error; /* one of them, or none */

    /* Called before the change is committed, if the job was still running; its failure undoes all. May be NULL. */
    int (*commit)(void *context, problem *p);
    void *context;
} job_end;

/* running -> ended; *done is 0 if it was cancelled first. */
int job_store_end(job_store *s, long long id, const job_end *end, int *done, problem *p);

/* Replaces the progress (NULL: leaves it) and adds n events, of a running job. */
int job_store_progress(job_store *s, long long id, const char *progress, int n, const char *const *types,
                       const char *const *data, problem *p);

/* How many jobs wait and how many run. */
int job_store_count_open(job_store *s, int *queued, int *running, problem *p);

/* Calls `each` with the ids of all running jobs. */
int job_store_running(job_store *s, int (*each)(void *context, long long id), void *context, problem *p);

/* ---- events ---------------------------------------------------------------------------------------------------- */

typedef struct job_event {
    long long id; /* grows from event to event, over all jobs */
    const char *type, *data;
} job_event;

/* The newest event's id, 0 if there never was one. */
int job_store_newest_event(job_store *s, long long *id, problem *p);

/* Calls `each` with the job's events newer than `after`, in order; `each` must not call the store and may stop by
 * returning non-zero. *ended: the job has ended and all its events were told. */
int job_store_events(job_store *s, long long job, long long after, int (*each)(void *context, const job_event *event),
                     void *context, int *ended, problem *p);

#endif
