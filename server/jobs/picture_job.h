/* picture_job.h: what the jobs that make pictures have in common: fool, visualize, invert, dream.
 *
 * The photo lies in the job's directory (picture_files.h); pictures appear there while the work goes on. An attempt
 * that was killed is begun again: the same request makes the same picture. job_fool.c and its like do the rest. */
#ifndef SERVER_PICTURE_JOB_H
#define SERVER_PICTURE_JOB_H

#include "server/http/json.h"
#include "server/jobs/job_run.h"
#include "server/jobs/picture_report.h"
#include "server/jobs/visual_request.h"

extern const job_lane picture_lane;

enum { PREVIEWS = 4 }; /* kept: those that a client may be about to fetch */

typedef struct picture_job {
    job_run *run;
    const job_context *with;
    caption_encoder *encoder;
    visual_request request; /* its options report to this job */
    unsigned char *input;   /* the photo as sent; NULL: this kind has none */
    size_t input_size;

    picture_report report;
    char previews[PREVIEWS][PICTURE_NAME_BYTES]; /* a ring: the next one replaces previews[n % PREVIEWS] */
    int n;
    double told; /* clock_ms */
    int told_step;
    int fault; /* a preview could not be stored (caption_status) */
    caption_error reason;
    cJSON *pictures; /* of the result */
} picture_job;

/* The work of each kind (job_kind.run). */
int picture_job_run(job_run *run, caption_error *err);

/* ---- for the kinds ----------------------------------------------------------------------------------------------- */

/* Each makes its pictures and adds what is to be told of them to *result. */
int job_fool(picture_job *j, cJSON *result, caption_error *err);
int job_visualize(picture_job *j, cJSON *result, caption_error *err);
int job_invert(picture_job *j, cJSON *result, caption_error *err);
int job_dream(picture_job *j, cJSON *result, caption_error *err);

/* The photo in one or both of its forms (cage_work). */
int picture_job_decode(const picture_job *j, caption_image *image, caption_picture *picture, int max_side,
                       caption_error *err);

/* The photo as the encoder sees it, malloc'd. */
int picture_job_image(const picture_job *j, caption_image **out, caption_error *err);

/* Stores a picture of the result under this name ("difference"). */
int picture_job_save(picture_job *j, const char *name, const caption_picture *picture, caption_error *err);

/* CAPTION_ENOMEM unless `good`: for answers that are put together. */
int picture_job_check(int good, caption_error *err);

/* Adds {"class", "label"} to an object; 0 when out of memory. */
int picture_job_add_class(const picture_job *j, cJSON *object, int class_index);

#endif
