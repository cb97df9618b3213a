/* picture_files.h: what a job that makes pictures keeps in its directory (job_files.h):
 *
 *     input            the photo as it was sent; there before the job can be seen, gone when its result is there
 *     preview-STEP.png what the picture looked like; the newest few
 *     NAME.png         the results
 *     result.json      what is told of them; there when all of them are
 *
 * Each file appears whole or not at all, and what is there is on the disk. Without state. */
#ifndef SERVER_PICTURE_FILES_H
#define SERVER_PICTURE_FILES_H

#include <stddef.h>

#include "model/error.h"

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
