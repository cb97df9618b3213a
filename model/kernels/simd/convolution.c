/* convolution.c: direct convolutions over NHWC; see kernels/convolution.h.
 *
 * One step computes PIXELS neighbouring pixels of an output row times LANES channels: PIXELS accumulators stay in
 * registers over all taps, each weight vector is loaded once for all of them, and swish is applied before the one
 * store. 7 divides every map width of a 224-pixel image (112 .. 7), and 7 accumulators leave room for the operands even
 * where there are only 16 registers. The step is always inlined with constant kernel, stride and pixel count, so the
 * compiler unrolls it; leftover pixels and channels run through the same text with other constants. */
#include "model/kernels/convolution.h"

#include "model/kernels/simd/kernels.h"
#include "model/kernels/simd/lanes.h"

enum { PIXELS = 7 };

/* out[at..] = swish(x), returned too; slope[at..]: its derivative. */
INLINE vec put_swish(vec x, size_t lanes, size_t at, real *out, real *slope)
{
    vec y;
    store(slope + at, lanes, vec_swish_slope(x, &y));
    store(out + at, lanes, y);
    return y;
}

/* ---- depthwise ---------------------------------------------------------------------------------------------- */

/* `pixels` outputs from `out` on, `lanes` channels; the pointers stand at the first channel already. */
INLINE void depthwise_step(int kernel, int stride, int pixels, size_t lanes, size_t channels, size_t row_size,
                           const real *in, const real *weight, const real *bias, real *out, real *slope, real *sum)
{
    vec acc[PIXELS];
    for (int p = 0; p < pixels; p++)
        acc[p] = load(bias, lanes);
    for (int ky = 0; ky < kernel; ky++)
        for (int kx = 0; kx < kernel; kx++) {
            vec w = load(weight + (size_t)(ky * kernel + kx) * channels, lanes);
            for (int p = 0; p < pixels; p++)
                acc[p] += w * load(in + (size_t)ky * row_size + (size_t)(p * stride + kx) * channels, lanes);
        }
    vec total = load(sum, lanes);
    for (int p = 0; p < pixels; p++)
        total += put_swish(acc[p], lanes, (size_t)p * channels, out, slope);
    store(sum, lanes, total);
}

/* All channels of `pixels` outputs. */
INLINE void depthwise_pixels(int kernel, int stride, int pixels, size_t channels, size_t row_size, const real *in,
                             const real *weight, const real *bias, real *out, real *slope, real *sum)
{
    size_t c = 0;
    for (; c + LANES <= channels; c += LANES)
        depthwise_step(kernel, stride, pixels, LANES, channels, row_size, in + c, weight + c, bias + c, out + c,
                       slope + c, sum + c);
    if (c < channels)
        depthwise_step(kernel, stride, pixels, channels - c, channels, row_size, in + c, weight + c, bias + c, out + c,
                       slope + c, sum + c);
}

INLINE void depthwise(int kernel, int stride, const convolution_shape *s, const real *in, const real *weight,
                      const real *bias, real *out, real *slope, real *sum)
{
    size_t channels = (size_t)s->out, row_size = (size_t)((s->cols - 1) * stride + kernel) * channels;
    for (int y = 0; y < s->rows; y++, sum += channels) {
        const real *row = in + (size_t)(y * stride) * row_size;
        int x = 0;
        memset(sum, 0, channels * sizeof *sum);
        for (; x + PIXELS <= s->cols; x += PIXELS, out += PIXELS * channels, slope += PIXELS * channels)
            depthwise_pixels(kernel, stride, PIXELS, channels, row_size, row + (size_t)(x * stride) * channels, weight,
                             bias, out, slope, sum);
        for (; x < s->cols; x++, out += channels, slope += channels)
            depthwise_pixels(kernel, stride, 1, channels, row_size, row + (size_t)(x * stride) * channels, weight, bias,
                             out, slope, sum);
    }
}

/* The shapes that the network is made of, with their numbers as constants, and any other. */
void SIMD(depthwise_bias_swish_slope)(const convolution_shape *s, const real *in, const real *weight, const real *bias,
                                      real *out, real *slope, real *sums)
{
    if (s->kernel == 3 && s->stride == 1)
        depthwise(3, 1, s, in, weight, bias, out, slope, sums);
    else if (s->kernel == 3 && s->stride == 2)
        depthwise(3, 2, s, in, weight, bias, out, slope, sums);
    else if (s->kernel == 5 && s->stride == 1)
        depthwise(5, 1, s, in, weight, bias, out, slope, sums);
    else if (s->kernel == 5 && s->stride == 2)
        depthwise(5, 2, s, in, weight, bias, out, slope, sums);
    else
        depthwise(s->kernel, s->stride, s, in, weight, bias, out, slope, sums);
}

/* ---- dense -------------------------------------------------------------------------------------------------- */

INLINE void dense_step(const convolution_shape *s, int pixels, size_t lanes, size_t row_size, const real *in,
                       const real *weight, const real *bias, real *out, real *slope)
{
    size_t channels = (size_t)s->out, step = (size_t)(s->stride * s->in);
    vec acc[PIXELS];
    for (int p = 0; p < pixels; p++)
        acc[p] = load(bias, lanes);
    for (int ky = 0; ky < s->kernel; ky++)
        for (int i = 0; i < s->kernel * s->in;
             i++, weight += channels) { /* a tap's row is contiguous: kx and channel */
            vec w = load(weight, lanes);
            for (int p = 0; p < pixels; p++)
                acc[p] += w * in[(size_t)ky * row_size + (size_t)p * step + (size_t)i];
        }
    for (int p = 0; p < pixels; p++)
        put_swish(acc[p], lanes, (size_t)p * channels, out, slope);
}

INLINE void dense_pixels(const convolution_shape *s, int pixels, size_t row_size, const real *in, const real *weight,
                         const real *bias, real *out, real *slope)
{
    size_t c = 0, channels = (size_t)s->out;
    for (; c + LANES <= channels; c += LANES)
        dense_step(s, pixels, LANES, row_size, in, weight + c, bias + c, out + c, slope + c);
    if (c < channels)
        dense_step(s, pixels, channels - c, row_size, in, weight + c, bias + c, out + c, slope + c);
}

void SIMD(convolution_bias_swish_slope)(const convolution_shape *s, const real *in, const real *weight,
                                        const real *bias, real *out, real *slope)
{
    size_t channels = (size_t)s->out, step = (size_t)(s->stride * s->in);
    size_t row_size = (size_t)((s->cols - 1) * s->stride + s->kernel) * (size_t)s->in;
    for (int y = 0; y < s->rows; y++) {
        const real *row = in + (size_t)(y * s->stride) * row_size;
        int x = 0;
        for (; x + PIXELS <= s->cols; x += PIXELS, out += PIXELS * channels, slope += PIXELS * channels)
            dense_pixels(s, PIXELS, row_size, row + (size_t)x * step, weight, bias, out, slope);
        for (; x < s->cols; x++, out += channels, slope += channels)
            dense_pixels(s, 1, row_size, row + (size_t)x * step, weight, bias, out, slope);
    }
}
