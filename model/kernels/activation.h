/* activation.h: element-wise kernels, each one pass over memory, vectorised for the CPU found at run time.
 *
 *     sigmoid(x) = 1 / (1 + e^-x)                swish(x) = x sigmoid(x)
 *     swish'(x) = s + x s (1 - s), s = sigmoid(x)
 *     softmax(x)_i = e^(x_i - max x) / sum_j e^(x_j - max x)
 *
 * In float: relative error below 1e-6 over the finite range; results smaller than 4e-36 may come out as 0. In double:
 * libm. Thread-safe. */
#ifndef CAPTION_KERNELS_ACTIVATION_H
#define CAPTION_KERNELS_ACTIVATION_H

#include <stddef.h>

#include "model/real.h"

void X(vector_tanh)(size_t n, real *x);
void X(vector_sigmoid)(size_t n, real *x);

/* out[rows, cols] = swish(x[rows, cols] + bias[cols]), and the slope at the same place: slope[rows, cols] =
 * swish'(x + bias), which is all that a backward pass needs of it; out may be x. */
void X(vector_bias_swish_slope)(size_t rows, size_t cols, const real *x, const real *bias, real *out, real *slope);

/* Softmax in place; returns log(sum_j e^(x_j)) of the input row, so that log p_i = x_i - result. */
real X(vector_softmax)(size_t n, real *x);

#endif
