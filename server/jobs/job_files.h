/* job_files.h: each job's own directory, DATA/jobs/ID, and who works in it.
 *
 * A daemon that runs a job holds a lock in its directory. The lock goes with the process, however that ends, so a job
 * that is said to run and whose lock is free has lost its daemon. */
#ifndef SERVER_JOB_FILES_H
#define SERVER_JOB_FILES_H

#include <limits.h>

#include "model/error.h"

enum { JOB_FILES_PATH = PATH_MAX - 64 }; /* so that the names of files in it always fit in PATH_MAX */

typedef struct job_files {
    char directory[JOB_FILES_PATH]; /* DATA/jobs/ID */
    int lock;                       /* file descriptor */
} job_files;

/* Makes DATA/jobs. */
int job_files_prepare(const char *data, caption_error *err);

/* Makes the directory unless it is there and takes its lock. CAPTION_ECANCELLED: somebody else holds it. */
int job_files_take(job_files *f, const char *data, long long id, caption_error *err);

/* Makes durable that the directory and the files in it are there. */
int job_files_flush(const job_files *f, caption_error *err);

/* Gives up the lock and leaves the files for whoever goes on with the job. */
void job_files_leave(job_files *f);

/* Removes all files but the lock, which stays held. */
void job_files_clear(job_files *f);

/* Removes the directory with all that is in it; gives up the lock. */
void job_files_remove(job_files *f);

/* 1 if there are directories of jobs. */
int job_files_any(const char *data);

/* Calls `each` with every id that has a directory. */
void job_files_each(const char *data, void (*each)(void *context, long long id), void *context);

#endif
