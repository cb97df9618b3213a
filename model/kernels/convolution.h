/* convolution.h: the convolutions that are no plain GEMM, with their bias and swish, in one pass over memory.
 *
 *     out[y, x, o] = swish(bias[o] + sum over ky, kx, i of in[y*stride + ky, x*stride + kx, i] * weight[ky, kx, i, o])
 *
 * The input is already padded, [(rows - 1) * stride + kernel, (cols - 1) * stride + kernel, channels], so that no
 * kernel has a special case at a border; whoever writes the input writes it into the middle of a zeroed frame. Any
 * number of channels, any kernel size; 3 and 5 with stride 1 and 2 are the fast ones. Thread-safe. */
#ifndef CAPTION_KERNELS_CONVOLUTION_H
#define CAPTION_KERNELS_CONVOLUTION_H

#include "model/real.h"

typedef struct convolution_shape {
    int rows, cols; /* of the output */
    int in, out;    /* channels */
    int kernel, stride;
} convolution_shape;

/* Dense, for few input channels: weight [kernel, kernel, in, out], out [rows, cols, out]. */
void X(convolution_bias_swish)(const convolution_shape *shape, const real *in, const real *weight, const real *bias,
                               real *out);

/* Depthwise, shape->in = shape->out: weight [kernel, kernel, out], every channel for itself. Also writes the sum of
 * each row's results, sums [rows, out]: squeeze-and-excitation wants the mean, and a float sum over all positions at
 * once would lose digits on flat pictures. */
void X(depthwise_bias_swish)(const convolution_shape *shape, const real *in, const real *weight, const real *bias,
                             real *out, real *sums);

#endif
