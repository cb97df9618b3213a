/* train_report.h: what a training job tells of itself, as JSON.
 *
 *     progress {"stage", "epoch", "epochs", "iteration", "iterations", "loss", "reward" (if it learns from rewards),
 *              "learning_rate", "captions_per_second", "seconds_left", "loss_history": [[iteration, loss], ...],
 *              "dev_scores": [{"epoch", ...}, ...], "samples": [{"image", "caption", "reference"}, ...]}
 *     events   "progress": the numbers of it; "scores": those of an epoch, with samples
 *
 * All of it is bounded. One thread. */
#ifndef SERVER_TRAIN_REPORT_H
#define SERVER_TRAIN_REPORT_H

#include "model/train.h"

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
