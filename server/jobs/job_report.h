/* job_report.h: what jobs report about themselves, as JSON. All of it is bounded; each is used by one thread. */
#ifndef SERVER_JOB_REPORT_H
#define SERVER_JOB_REPORT_H

#include "model/train.h"
#include "model/visualize.h"
#include "server/http/json.h"
#include "server/jobs/job_files.h"

/* ---- a curve ---------------------------------------------------------------------------------------------------
 *
 * Of any length, in bounded memory: when it is full, neighbours are averaged in pairs, so that the
 * whole course stays visible and only the detail halves. */

enum { CURVE_POINTS = 512 };

typedef struct curve {
    int n;
    double x[CURVE_POINTS], y[CURVE_POINTS];
    int stride;  /* how many values make a point now; 0 before the first */
    int pending; /* values of the point to come, */
    double sum;  /* and their sum */
} curve;

/* x grows. Points at and behind x that were there before are dropped: the run went back to a checkpoint. */
void curve_add(curve *c, double x, double y);

/* [[x, y], ...], x whole, y with four decimals; NULL when out of memory. */
cJSON *curve_json(const curve *c);

/* Fills an empty curve from that form; whatever is not in it is passed over. */
void curve_restore(curve *c, const cJSON *points);

/* ---- a job that makes pictures ----------------------------------------------------------------------------------
 *
 *     progress {"stage", "step", "steps", "score" | "loss" | "activation", "history": [[step, value], ...], "preview"}
 *     event    the same without the history */

enum { REPORT_WORD_BYTES = 48 };

typedef struct picture_report {
    char stage[REPORT_WORD_BYTES], name[REPORT_WORD_BYTES]; /* name: what the value is */
    int step, steps;
    double value;
    curve history;
    char preview[PICTURE_URL_BYTES]; /* "": none yet */
} picture_report;

void picture_report_add(picture_report *r, const caption_visual_progress *p);

/* malloc'd; NULL when out of memory. */
char *picture_report_json(const picture_report *r, int with_history);

/* ---- a training job ---------------------------------------------------------------------------------------------
 *
 *     progress {"stage", "epoch", "epochs", "iteration", "iterations", "loss", "reward" (self-critical training),
 *              "learning_rate", "captions_per_second", "seconds_left", "ended" (why, when it is over),
 *              "loss_history": [[iteration, loss], ...],
 *              "dev_scores": [{"epoch", ...}, ...], "samples": [{"image", "caption", "reference"}, ...]}
 *     events   "progress": the numbers of it; "scores": those of an epoch, with samples */

typedef struct train_report train_report;

/* dev: the images that samples are of, or NULL; rewards: does it learn from them? progress: what an earlier attempt
 * told, or NULL. NULL when out of memory. */
train_report *train_report_new(const caption_dataset *dev, int rewards, const char *progress);
void train_report_free(train_report *r); /* NULL is allowed */

void train_report_add(train_report *r, const caption_train_progress *p);

/* These are malloc'd; NULL when out of memory. */
char *train_report_progress(const train_report *r);
char *train_report_event(const train_report *r);  /* "progress" */
char *train_report_scores(const train_report *r); /* "scores", after an epoch */

#endif
