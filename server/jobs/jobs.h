/* jobs.h: long work: who runs which job when.
 *
 * One keeper thread a daemon, of normal priority: it starts queued jobs on threads of their own (job_run.h), stores
 * what they tell, ends them and takes over jobs whose daemon died. Other daemons on the data directory are seen by
 * looking, a few times a second, at one number in the database: that works wherever the database does, and costs
 * microseconds. */
#ifndef SERVER_JOBS_H
#define SERVER_JOBS_H

#include <stdio.h>

#include "server/jobs/job_run.h"

typedef struct jobs jobs;

/* Starts the keeper; what *context points to outlives it. */
int jobs_start(jobs **out, const job_context *context, caption_error *err);
const job_context *jobs_context(const jobs *j);

/* Something is to be done at once: a job was added or cancelled. NULL is allowed. */
void jobs_wake(jobs *j);

/* No more jobs are started; those that run stop behind a checkpoint and are queued again, for the next daemon. */
void jobs_begin_stop(jobs *j);

/* Waits for that until the time is over; returns 1 if jobs were still at work, in which case their memory must
 * stay. NULL is allowed: nothing runs. */
int jobs_stop(jobs *j, int ms);

/* What is counted of them, for metrics_register. */
void jobs_metrics(FILE *out, void *unused);

#endif
