/* job_store_open.h: an open store of jobs, for job_store.c, job_changes.c and job_events.c alone. */
#ifndef SERVER_JOB_STORE_OPEN_H
#define SERVER_JOB_STORE_OPEN_H

#include "server/jobs/job_store.h"
#include "server/store/database.h"

struct job_store {
    database *db;
    job_limits limits;
};

/* As job_store_get, with the database locked. */
int job_store_find(job_store *s, long long id, job_record *out, problem *p);

/* Within a transaction: adds an event and forgets those beyond the limit. */
int job_event_add(job_store *s, long long job, const char *type, const char *data, problem *p);

/* The same for a change of state. end: how the job ended, or NULL. */
int job_event_add_state(job_store *s, long long job, job_state state, const job_end *end, problem *p);

#endif
