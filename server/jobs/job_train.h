/* job_train.h: a training as a job. */
#ifndef SERVER_JOB_TRAIN_H
#define SERVER_JOB_TRAIN_H

#include "server/jobs/job_run.h"

extern const char job_train_name[]; /* "train" */
extern const job_lane job_train_lane;

int job_train_run(job_run *run, caption_error *err);
int job_train_publish(job_run *run, problem *p);

#endif
