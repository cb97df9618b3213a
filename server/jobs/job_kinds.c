/* job_kinds.c: every kind of job, and the lanes they wait in. */
#include <string.h>

#include "server/jobs/job_run.h"
#include "server/jobs/job_train.h"
#include "server/jobs/picture_job.h"

const job_lane *const job_lanes[] = {&job_train_lane, &picture_lane, NULL};

static const job_kind kinds[] = {
    {job_train_name, 0, job_train_run, job_train_publish},
    {"fool", 1, picture_job_run, NULL},
    {"visualize", 1, picture_job_run, NULL},
    {"invert", 1, picture_job_run, NULL},
    {"dream", 1, picture_job_run, NULL},
};

const job_kind *job_kind_find(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}
