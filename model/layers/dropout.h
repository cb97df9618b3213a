/* dropout.h: inverted dropout (Srivastava et al. 2014): each element is zeroed with probability `rate`, the others are
 * scaled by 1 / (1 - rate), so that the mean stays and captioning needs no rescaling.
 *
 * The mask is drawn again rather than stored, so the backward pass is the same call on the gradient. That of caption k
 * follows from seed + k alone, so that it does not depend on which captions come with it. Float and double drop the
 * same elements. */
#ifndef CAPTION_LAYERS_DROPOUT_H
#define CAPTION_LAYERS_DROPOUT_H

#include <stdint.h>

#include "model/layers/steps.h"
#include "model/real.h"

/* In place on x [R, width], whose sequence i is caption order[i]; 0 <= rate < 1 is rounded to a multiple of 2^-16; rate
 * 0 leaves x as it is. */
void X(dropout)(const sequence_steps *s, const int *order, int width, real *x, real rate, uint64_t seed);

#endif
