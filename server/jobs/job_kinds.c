/* job_kinds.c: every kind of job. */
#include "server/jobs/job_run.h"
#include "server/jobs/job_train.h"

const job_kind job_kinds[] = {
    {job_train_name, job_train_limit, job_train_run, job_train_publish},
    {0},
};
