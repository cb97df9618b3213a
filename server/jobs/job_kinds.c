/* job_kinds.c: every kind of job, and the lanes they wait in. */
#include <string.h>

#include "server/jobs/job_run.h"
#include "server/jobs/job_train.h"
#include "server/jobs/picture_job.h"

const job_lane *const job_lanes[] = {&job_train_lane, &picture_lane, NULL};

const job_kind job_kinds[] = {
    {job_train_name, &job_train_lane, 0, job_train_run, job_train_publish},
    {"fool", &picture_lane, 1, picture_job_run, NULL},
    {"visualize", &picture_lane, 1, picture_job_run, NULL},
    {"invert", &picture_lane, 1, picture_job_run, NULL},
    {"dream", &picture_lane, 1, picture_job_run, NULL},
    {0},
};

const job_kind *job_kind_find(const char *name)
{
    for (const job_kind *kind = job_kinds; kind->name; kind++)
        if (strcmp(kind->name, name) == 0)
            return kind;
    return NULL;
}
