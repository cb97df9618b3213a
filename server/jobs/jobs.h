/* jobs.h: long work: who runs which job when.
 *
 * One keeper thread a daemon, of normal priority: it starts queued jobs on threads of their own (job_run.h), stores
 * what they tell, ends them, takes over jobs whose daemon died, and tells the event streams (events.h) and the models
 * (models.h) that time has passed. Other daemons on the data directory are seen by looking, a few times a second, at
 * one number in the database: that works wherever the database does, and costs microseconds. */
#ifndef SERVER_JOBS_H
#define SERVER_JOBS_H

#include "server/api/server.h"

typedef struct jobs jobs;

/* Starts the keeper; `s` has its job_store, events and models. */
int jobs_start(jobs **out, server *s, caption_error *err);

/* Something is to be done at once: a job was added or cancelled, a stream wants more. NULL is allowed. */
void jobs_wake(jobs *j);

/* No more jobs are started; those that run stop behind a checkpoint and are queued again, for the next daemon. */
void jobs_begin_stop(jobs *j);

/* Waits for that until the time is over; returns 1 if jobs were still at work, in which case their memory must
 * stay. NULL is allowed: nothing runs. */
int jobs_stop(jobs *j, int ms);

#endif
