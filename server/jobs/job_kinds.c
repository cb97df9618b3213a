/* job_kinds.c: every kind of job, and the lanes they wait in. */
#include <string.h>

#include "server/jobs/job_run.h"
#include "server/jobs/job_train.h"

const job_lane job_lanes[] = {
    {job_train_name, job_train_limit},
    {0},
};

static const job_kind kinds[] = {
    {job_train_name, 0, job_train_run, job_train_publish},
};

const job_kind *job_kind_find(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return &kinds[i];
    return NULL;
}
