/* golden.h: reads the JSON files of tests/golden/. Whatever is missing or malformed fails the test. */
#ifndef TESTS_SUPPORT_GOLDEN_H
#define TESTS_SUPPORT_GOLDEN_H

#include <cjson/cJSON.h>
#include <stddef.h>

/* The caller deletes it. `path` is relative to the checkout, where tests run. */
cJSON *golden_open(const char *path);

const cJSON *golden_member(const cJSON *object, const char *key);
double golden_number(const cJSON *object, const char *key);
const char *golden_text(const cJSON *object, const char *key);
double golden_at(const cJSON *array, int index); /* the number there */

/* How far values[count] are from a tensor summary {"sum", "abs_sum", "abs_max", "samples"}: the larger of the sample
 * error relative to the largest magnitude, and the sum's error relative to the sum of magnitudes. Samples lie evenly
 * from the first element to the last. Infinite if a value is not a number. */
double golden_error(const cJSON *summary, size_t count, const float *values);

#endif
