/* bench.h: how fast it works, for `captiond bench`. Not installed: programs of others have no use for it. */
#ifndef CAPTION_BENCH_H
#define CAPTION_BENCH_H

#include "model/caption.h"

#pragma GCC visibility push(default)

/* ---- how fast it learns ------------------------------------------------------------------------------------------ */

typedef struct caption_train_load {
    const char *kind;
    int batch, shortest, steps;    /* N captions of `shortest` to T words, every length as often as another */
    int words, hidden, vocabulary; /* W, H, V */
    int mixed;                     /* as in caption_train_options */
} caption_train_load;

typedef struct caption_train_speed {
    double captions_per_second;
    double operations; /* multiplications and additions that one caption takes, forward and backward */
} caption_train_speed;

/* Takes training steps (loss with dropout and label smoothing, gradients, clipping, Adam) on made-up captions of that
 * size for about `seconds`, at least one. CAPTION_EINVAL for an unknown kind or a size that makes no sense. */
int caption_train_measure(caption_train_speed *out, const caption_train_load *load, double seconds, caption_error *err);

/* ---- how fast a gradient is
 * --------------------------------------------------------------------------------------------------- */

/* Milliseconds that the gradient of a class score takes, forward and back to the pixels of 224 x 224, on this thread:
 * the best and the mean of all passes within about `seconds`. */
int caption_gradient_measure(caption_encoder *encoder, double seconds, double *best_ms, double *mean_ms, int *passes,
                             caption_error *err);

#pragma GCC visibility pop

#endif
