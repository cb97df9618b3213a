/* dataset.h: what tests ask of /v1/datasets.
 *
 *     dataset_make(c, "pets");
 *     reply r = dataset_add(c, "pets", &picture, (const char *const[]){"a dog", "a brown dog", NULL});
 *     assert_int_equal(r.status, 201);
 *     reply_free(&r); */
#ifndef TESTS_SUPPORT_DATASET_H
#define TESTS_SUPPORT_DATASET_H

#include "tests/support/client.h"
#include "tests/support/photo.h"

/* Asks without a body; the path is a printf format. */
reply dataset_ask(const captiond *c, const char *method, const char *path, ...) __attribute__((format(printf, 3, 4)));

/* Makes a dataset. Fails the test unless the answer is 201. */
void dataset_make(const captiond *c, const char *name);

/* Adds a photo as a form; captions end with NULL. */
reply dataset_add(const captiond *c, const char *name, const photo *image, const char *const *captions);

/* The form alone, malloc'd bytes. */
photo dataset_form(const photo *image, const char *const *captions);

/* Adds a generated picture, other for each seed, and returns the item's id. Fails the test unless the answer is 201. */
long long dataset_fill(const captiond *c, const char *name, unsigned seed, const char *caption);

/* How many image files lie in DATA/images. */
int dataset_count_files(const char *data);

#endif
