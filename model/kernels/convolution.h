/* convolution.h: the convolutions that are no plain GEMM, with their bias and swish, in one pass over memory.
 *
 *     out[y, x, o] = swish(bias[o] + sum over ky, kx, i of in[y*stride + ky, x*stride + kx, i] * weight[ky, kx, i, o])
 *
 * The input is already padded, [(rows - 1) * stride + kernel, (cols - 1) * stride + kernel, channels], so that no
 * kernel has a special case at a border; whoever writes the input writes it into the middle of a zeroed frame. Any
 * number of channels, any kernel size; 3 and 5 with stride 1 and 2 are the fast ones. Thread-safe. */
#ifndef CAPTION_KERNELS_CONVOLUTION_H
#define CAPTION_KERNELS_CONVOLUTION_H

#include <stddef.h>

#include "model/real.h"

typedef struct convolution_shape {
    int rows, cols; /* of the output */
    int in, out;    /* channels */
    int kernel, stride;
} convolution_shape;

/* Dense, for few input channels: weight [kernel, kernel, in, out], out [rows, cols, out]. slope, of the shape of `out`,
 * becomes swish' at the same place: that is what a backward pass needs, d loss/d(sum) = d loss/d out * slope. A forward
 * pass that nobody follows back has kernels/packed.h. */
void X(convolution_bias_swish_slope)(const convolution_shape *shape, const real *in, const real *weight,
                                     const real *bias, real *out, real *slope);

/* Depthwise, shape->in = shape->out: weight [kernel, kernel, out], every channel for itself. Also writes the sum of
 * each row's results, sums [rows, out]: squeeze-and-excitation wants the mean, and a float sum over all positions at
 * once would lose digits on flat pictures. */
void X(depthwise_bias_swish_slope)(const convolution_shape *shape, const real *in, const real *weight, const real *bias,
                                   real *out, real *slope, real *sums);

/* A map row of a depthwise convolution's input, backwards: row y of the framed input, columns left..left + cols - 1,
 * gets
 *
 *     din[x, c] = slope[x, c] * sum over ky, kx of weight[ky, kx, c] * dsum[(y - ky) / stride, (left + x - kx) /
 * stride, c]
 *
 * over those taps where both divide. din, slope [cols, channels]; slope NULL: 1. dsum points to position (y / stride,
 * 0) of a map whose rows are row_size numbers apart, and which is framed in zeros: (kernel - 1) / stride rows above and
 * columns before the positions read last, wherever there is no output. */
void X(depthwise_backward)(const convolution_shape *shape, int y, int left, int cols, size_t row_size, const real *dsum,
                           const real *weight, const real *slope, real *din);

#endif
