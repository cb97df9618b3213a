/* half.h: IEEE 754 half precision (binary16), the storage type of shipped weights.
 *
 * Half the bytes of float32 for a relative error of at most 2^-11; nothing is computed in it. */
#ifndef CAPTION_HALF_H
#define CAPTION_HALF_H

#include <stddef.h>
#include <stdint.h>

/* Exact. `halves` may be unaligned, as tensors in a file are. NaN and infinity stay what they are. */
void half_widen(float *out, const void *halves, size_t count);

/* Rounds to nearest, ties to even; from 65520 on the result is infinity, NaN stays NaN. */
void half_narrow(uint16_t *out, const float *values, size_t count);

#endif
