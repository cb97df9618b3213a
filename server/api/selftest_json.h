/* selftest_json.h: the gradient check as JSON, for `captiond selftest --json` and GET /v1/selftest/gradients alike:
 *
 *     {"passed":true,"seed":0,"precision":"float64","seconds":0.021,
 *      "checks":[{"name":"affine.dx","shape":[4,3,6],"max_relative_error":5.4e-14,"threshold":1e-9,"passed":true,
 *                 "seconds":0.0001},...]}
 *
 * An error that is not finite is null. */
#ifndef SERVER_SELFTEST_JSON_H
#define SERVER_SELFTEST_JSON_H

#include <stdint.h>

#include "model/error.h"

/* Runs the checks of `layer` (NULL: all) and makes *text (malloc'd) and *failed, the number of checks that did not
 * pass. `stop` (may be NULL) is asked after each check: non-zero ends it with CAPTION_ECANCELLED. */
int selftest_json(uint64_t seed, const char *layer, int (*stop)(void *context), void *context, char **text, int *failed,
                  caption_error *err);

#endif
