/* resample.h: rows of an image come in, its version of another size comes out; no more of the image is held than the
 * output and two rows.
 *
 * Each output value is the mean of the input under a triangle,
 *
 *     out(o) = sum_i w(i) in(i) / sum_i w(i),   w(i) = max(0, 1 - |i + 1/2 - centre| / reach),
 *     step = input size / output size,   centre = (o + 1/2) step,   reach = max(1, step)
 *
 * in both directions, on the stored values (no gamma): bilinear when enlarging, antialiased when shrinking. It is what
 * PIL calls BILINEAR and most training pipelines use; the two differ by one step of rounding at most.
 *
 * The mean is linear, so pixels may also come in any order (interlaced files, rows from the bottom, tiles): each is
 * added where it belongs. That holds one float for each output value and takes longer. */
#ifndef CAPTION_RESAMPLE_H
#define CAPTION_RESAMPLE_H

#include <stddef.h>

typedef struct resampler resampler;

typedef struct resample_shape {
    int width, height;         /* of the input */
    int out_width, out_height; /* of the output */
    int channels;              /* 1 to 4 */
    int bytes;                 /* of a value: 1 (unsigned char) or 2 (uint16_t), in and out */
    int any_order;             /* 1: resampler_span is called, 0: resampler_row */
} resample_shape;

/* The memory that resampler_new takes. */
size_t resampler_memory(const resample_shape *shape);

/* NULL: out of memory. */
resampler *resampler_new(const resample_shape *shape);
void resampler_free(resampler *r); /* NULL is allowed */

/* The next row, [width, channels]. */
void resampler_row(resampler *r, const void *row);

/* Pixels of row y: `count` of them, at columns x, x + step, x + 2 step ... Each pixel must come once. */
void resampler_span(resampler *r, int y, int x, int step, int count, const void *pixels);

/* The output [out_height, out_width, channels] after the last row; it belongs to the resampler. */
const void *resampler_finish(resampler *r);

/* All at once, for images that are in memory: unsigned char [height, width, channels] -> out. 0: out of memory. */
int image_resize(unsigned char *out, int out_width, int out_height, const unsigned char *pixels, int width, int height,
                 int channels);

#endif
