/* job_files.h: each job's own directory, DATA/jobs/ID, and who works in it.
 *
 * A daemon that runs a job holds a lock in its directory. The lock goes with the process, however that ends, so a job
 * that is said to run and whose lock is free has lost its daemon. */
#ifndef SERVER_JOB_FILES_H
#define SERVER_JOB_FILES_H

#include <limits.h>
#include <stddef.h>

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

/* ---- what a job that makes pictures keeps in its directory ---------------------------------------------------------
 *
 *     input            the image as it was sent; there before the job can be seen, gone when its result is there
 *     preview-STEP.png previews; the newest few
 *     NAME.png         the results
 *     result.json      the description of the results; there when all of them are
 *
 * Each file appears whole or not at all, and what is there is on the disk. */

enum { PICTURE_NAME_BYTES = 48, PICTURE_URL_BYTES = 128 };

extern const char picture_input[], picture_result[]; /* "input", "result.json" */

/* Writes a file, replacing one of that name. errno tells more of a CAPTION_EIO. */
int picture_files_put(const char *directory, const char *name, const void *bytes, size_t size, caption_error *err);

/* *bytes is malloc'd, with a NUL behind them. CAPTION_EIO if there is no such file. */
int picture_files_get(const char *directory, const char *name, unsigned char **bytes, size_t *size, caption_error *err);

void picture_files_drop(const char *directory, const char *name);

/* Removes what an attempt that was killed left behind: its previews, and files that were not whole. */
void picture_files_drop_previews(const char *directory);

/* 1 if `name` is one that a client may ask for: letters, digits and '-', then ".png". */
int picture_files_is_picture(const char *name);

/* Opens a picture of a job for reading: a file descriptor, or -1. */
int picture_files_open(const char *data, long long job, const char *name, size_t *size);

/* "/v1/jobs/17/pictures/result.png" */
void picture_files_url(long long job, const char *name, char out[PICTURE_URL_BYTES]);

#endif
