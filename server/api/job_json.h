/* job_json.h: a job as clients see it. */
#ifndef SERVER_JOB_JSON_H
#define SERVER_JOB_JSON_H

#include "server/http/json.h"
#include "server/jobs/job_store.h"

/* NULL when out of memory. whole: with request, progress and result, not only what a list needs. */
cJSON *job_json(const job_record *record, int whole);

#endif
