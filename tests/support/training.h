/* training.h: what tests ask of /v1/train and /v1/jobs.
 *
 *     training_upload(c, "lessons", LESSONS);
 *     long long id = training_submit(c, TRAINING_TINY, "lessons", "mine", 20);
 *     training_wait(c, id, "succeeded"); */
#ifndef TESTS_SUPPORT_TRAINING_H
#define TESTS_SUPPORT_TRAINING_H

#include "tests/support/client.h"

/* Members of a request that begins with random weights, however few its captions are. */
#define TRAINING_SCRATCH "\"from_scratch\":true,\"minimum_captions\":1"

/* A network so small that it learns the lessons in seconds: dataset, model, epochs. */
#define TRAINING_TINY                                                                                                  \
    "{\"dataset\":\"%s\",\"model\":\"%s\"," TRAINING_SCRATCH                                                           \
    ",\"epochs\":%d,\"hidden\":128,\"words\":32,\"minimum_count\":1,\"batch\":2,"                                      \
    "\"learning_rate\":0.004,\"dropout\":0,\"feature_dropout\":0,\"label_smoothing\":0,\"average\":0,\"flip\":false,"  \
    "\"patience\":0,\"dev_fraction\":0}"

/* One that goes on until somebody ends it: dataset, model. */
#define TRAINING_ENDLESS                                                                                               \
    "{\"dataset\":\"%s\",\"model\":\"%s\"," TRAINING_SCRATCH                                                           \
    ",\"epochs\":100000,\"hidden\":16,\"words\":8,\"minimum_count\":1,"                                                \
    "\"patience\":0,\"flip\":false}"

/* Makes a dataset of the first n lessons (lessons.h). */
void training_upload(const captiond *c, const char *dataset, int n);

/* Posts the JSON, a printf format. */
reply training_post(const captiond *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The same; fails the test unless it becomes a job, whose id is returned. */
long long training_submit(const captiond *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* DELETE: fails the test unless the answer shows the job cancelled and ended. */
void training_cancel(const captiond *c, long long id);

/* Waits until the job has ended; fails the test unless in this state. The caller frees the job. */
reply training_wait(const captiond *c, long long id, const char *state);
void training_expect(const captiond *c, long long id, const char *state); /* the same, and frees it */

/* Waits until the job is in this state, or has told of so many batches. */
void training_wait_state(const captiond *c, long long id, const char *state);
void training_wait_iteration(const captiond *c, long long id, int iteration);

/* The caption of a lesson's picture; the caller frees it. model: NULL for the default. */
char *training_caption(const captiond *c, int lesson, const char *model);

/* The bytes of a trained model, malloc'd. */
unsigned char *training_model(const char *model, size_t *size);

#endif
