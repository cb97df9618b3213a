/* train_request.h: what a client asks of POST /v1/train, checked; and the form in which the job keeps it.
 *
 *     {"dataset": "birds", "model": "my-birds", "epochs": 10, "learning_rate": 0.0005}
 *
 * It goes on from the default captioner unless it names another `base`, or says "from_scratch": true.
 * dataset is a stored one, or {"images": DIR, "captions": FILE, "dev": FILE} below --training-root; so is the file
 * `text` of captions without images. The numbers, their ranges and defaults are the trainer's (train.h), under the
 * names of its command line with _ for -. What the job keeps names every number, so that a run that a later version
 * resumes is the same run. */
#ifndef SERVER_TRAIN_REQUEST_H
#define SERVER_TRAIN_REQUEST_H

#include <limits.h>

#include "model/train.h"
#include "server/jobs/job_run.h"

typedef struct train_files {
    char images[PATH_MAX], captions[PATH_MAX], dev[PATH_MAX]; /* dev "": none */
} train_files;

typedef struct train_request {
    char dataset[STORE_NAME_BYTES]; /* "": files */
    train_files files;              /* as the client wrote them */
    char text[PATH_MAX];            /* captions without images, a file as the client wrote it; "": none */
    double dev_fraction;
    char model[WEIGHTS_NAME_BYTES]; /* to be made */
    char base[WEIGHTS_NAME_BYTES];  /* "": none, or that which train_request_settle chooses */
    int from_scratch;
    char kind[WEIGHTS_NAME_BYTES];
    char objective[WEIGHTS_NAME_BYTES]; /* caption_train_objective */
    int kind_given;
    const char *size_given;        /* a member that is the base's if there is one; NULL: none */
    caption_train_options options; /* kind, hidden, words and attention are the base's if there is one */
} train_request;

/* All return 0, or 1 with *p set. */

/* Refuses unknown members, wrong types and numbers out of range by name. What an earlier version let a job keep is read
 * still. */
int train_request_parse(train_request *out, const char *json, size_t size, problem *p);

/* Names the base of a new request that leaves it open: the default captioner, or if a kind was asked for, one of that.
 */
void train_request_settle(train_request *r, const job_context *with);

/* Whether all that is asked for can have an effect, dataset and base are there, and the model's name is free. Waits for
 * the disk. */
int train_request_check(const train_request *r, const job_context *with, problem *p);

/* The form that the job keeps, which train_request_parse reads; malloc'd, NULL when out of memory. */
char *train_request_json(const train_request *r);

/* The paths of r->files; they lie below --training-root, even where they are links. */
int train_request_files(const train_request *r, const config *c, train_files *out, problem *p);

/* The path of r->text, which is given; as those. */
int train_request_text(const train_request *r, const config *c, char out[PATH_MAX], problem *p);

/* The base's weight file. */
int train_request_base(const train_request *r, const job_context *with, char path[PATH_MAX], problem *p);

#endif
