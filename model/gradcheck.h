/* gradcheck.h: does every backward pass compute the derivative of its forward pass?
 *
 * Runs in float64 over the very layer sources that train and serve (real.h). Each check compares the analytic gradient
 * with central differences, (f(x+h) - f(x-h)) / 2h, extrapolated to h = 0 so that their own error stays far below the
 * threshold whatever the seed, by the error of the CS231n course:
 *     max |a - b| / max(1e-8, |a| + |b|)
 *
 *     int print(void *context, const caption_gradcheck *check) { puts(check->name); return 0; }
 *     caption_gradcheck_run(0, NULL, print, NULL, &err);
 *
 * Thread-safe: no state. */
#ifndef CAPTION_GRADCHECK_H
#define CAPTION_GRADCHECK_H

#include <stdint.h>

#include "model/error.h"

#pragma GCC visibility push(default) /* all else in the library is hidden */

#ifdef __cplusplus
extern "C" {
#endif

enum { CAPTION_GRADCHECK_DIMENSIONS = 4 };

typedef struct caption_gradcheck {
    const char *name;                        /* "lstm_step.dwx": layer, then the gradient */
    int shape[CAPTION_GRADCHECK_DIMENSIONS]; /* of the gradient, [T, N, H]; zeros after the last dimension */
    double max_relative_error;               /* infinite if a number is not finite */
    double threshold;                        /* the check passes if max_relative_error <= threshold */
    double seconds;
    int passed;
} caption_gradcheck;

/* CAPTION_OK if there are checks of this layer, else CAPTION_EINVAL and a message that names those there are. */
int caption_gradcheck_known(const char *layer, caption_error *err);

/* Runs every check whose layer is `layer` (all if NULL) on inputs drawn from `seed`, calling report after each;
 * a non-zero return from report stops (CAPTION_ECANCELLED). An unknown layer is refused as above. */
int caption_gradcheck_run(uint64_t seed, const char *layer,
                          int (*report)(void *context, const caption_gradcheck *check), void *context,
                          caption_error *err);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop
#endif
