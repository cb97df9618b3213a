/* convolution_backward.c: a depthwise convolution backwards to its input; see kernels/convolution.h.
 *
 * Of the kernel's taps an input pixel is reached by every stride-th, from its own phase on: y mod stride, x mod stride.
 * Pixels of one phase, `stride` apart, have their outputs next to each other, so one step computes PIXELS of them times
 * LANES channels, exactly as the forward pass does; kernel, stride and both phases are constants to the compiler. */
#include "model/kernels/convolution.h"

#include "model/kernels/simd/kernels.h"
#include "model/kernels/simd/lanes.h"

enum { PIXELS = 7 };

typedef struct row {
    size_t channels, row_size;
    const real *dsum, *weight, *slope; /* at the first pixel's output and channel */
    real *din;
} row;

INLINE void step(int kernel, int stride, int phase_y, int phase_x, int pixels, size_t lanes, const row *r)
{
    vec acc[PIXELS];
    for (int p = 0; p < pixels; p++)
        acc[p] = vec_all(0);
    for (int ky = phase_y; ky < kernel; ky += stride)
        for (int kx = phase_x; kx < kernel; kx += stride) {
            const vec w = load(r->weight + (size_t)(ky * kernel + kx) * r->channels, lanes);
            const real *from = r->dsum - (size_t)(ky / stride) * r->row_size - (size_t)(kx / stride) * r->channels;
            for (int p = 0; p < pixels; p++)
                acc[p] += w * load(from + (size_t)p * r->channels, lanes);
        }
    for (int p = 0; p < pixels; p++) {
        const size_t at = (size_t)(p * stride) * r->channels;
        store(r->din + at, lanes, r->slope ? acc[p] * load(r->slope + at, lanes) : acc[p]);
    }
}

INLINE row moved(const row *r, size_t output, size_t input)
{
    return (row){r->channels,   r->row_size, r->dsum + output, r->weight, r->slope ? r->slope + input : NULL,
                 r->din + input};
}

INLINE void pixels_of(int kernel, int stride, int phase_y, int phase_x, int pixels, const row *r)
{
    size_t c = 0;
    for (; c + LANES <= r->channels; c += LANES) {
        row at = moved(r, c, c);
        at.weight += c;
        step(kernel, stride, phase_y, phase_x, pixels, LANES, &at);
    }
    if (c < r->channels) {
        row at = moved(r, c, c);
        at.weight += c;
        step(kernel, stride, phase_y, phase_x, pixels, r->channels - c, &at);
    }
}

/* The `count` pixels of one phase, from *r on. */
INLINE void phase(int kernel, int stride, int phase_y, int phase_x, int count, const row *r)
{
    int p = 0;
    for (; p + PIXELS <= count; p += PIXELS) {
        const row at = moved(r, (size_t)p * r->channels, (size_t)(p * stride) * r->channels);
        pixels_of(kernel, stride, phase_y, phase_x, PIXELS, &at);
    }
    for (; p < count; p++) {
        const row at = moved(r, (size_t)p * r->channels, (size_t)(p * stride) * r->channels);
        pixels_of(kernel, stride, phase_y, phase_x, 1, &at);
    }
}

INLINE void phases(int kernel, int stride, int phase_y, int left, int cols, const row *r)
{
    for (int x = 0; x < stride && x < cols; x++) {
        const row at = moved(r, (size_t)((left + x) / stride) * r->channels, (size_t)x * r->channels);
        const int count = (cols - x + stride - 1) / stride, phase_x = (left + x) % stride;
        if (stride == 2 && phase_x == 0)
            phase(kernel, 2, phase_y, 0, count, &at);
        else if (stride == 2)
            phase(kernel, 2, phase_y, 1, count, &at);
        else
            phase(kernel, stride, phase_y, phase_x, count, &at);
    }
}

INLINE void either(int kernel, int stride, int y, int left, int cols, const row *r)
{
    if (stride == 1)
        phases(kernel, 1, 0, left, cols, r);
    else if (stride == 2 && y % 2 == 0)
        phases(kernel, 2, 0, left, cols, r);
    else if (stride == 2)
        phases(kernel, 2, 1, left, cols, r);
    else
        phases(kernel, stride, y % stride, left, cols, r);
}

void SIMD(depthwise_backward)(const convolution_shape *s, int y, int left, int cols, size_t row_size, const real *dsum,
                              const real *weight, const real *slope, real *din)
{
    const row r = {(size_t)s->out, row_size, dsum, weight, slope, din};
    if (s->kernel == 3)
        either(3, s->stride, y, left, cols, &r);
    else if (s->kernel == 5)
        either(5, s->stride, y, left, cols, &r);
    else
        either(s->kernel, s->stride, y, left, cols, &r);
}
