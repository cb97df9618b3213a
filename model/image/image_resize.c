/* image_resize.c: each output value is the mean of the input under a triangle,
 *
 *     out(o) = sum_i w(i) in(i) / sum_i w(i),   w(i) = max(0, 1 - |i + 1/2 - centre| / reach),
 *     step = input size / output size,   centre = (o + 1/2) step,   reach = max(1, step)
 *
 * in both directions, on the stored values (no gamma): bilinear when enlarging, antialiased when shrinking. It is what
 * PIL calls BILINEAR and most training pipelines use; the two differ by one step of rounding at most.
 *
 * Rows are summed first: that is most of the work, and whole rows lie contiguous, so it runs in vector registers. A
 * picture lower than the result is narrowed row by row and enlarged last, so that the work never exceeds a few
 * operations a pixel, whatever the shape. */
#include "model/image/image_resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHANNELS = 4 };

/* The inputs first <= i < end that one output looks at. */
typedef struct taps {
    int first, end;
    float centre, reach;
} taps;

static taps taps_of(int output, int outputs, int inputs)
{
    double step = (double)inputs / outputs;
    double centre = (output + 0.5) * step, reach = step > 1 ? step : 1;
    int first = (int)fmax(centre - reach + 0.5, 0), end = (int)fmin(centre + reach + 0.5, inputs);
    return (taps){first, end, (float)(centre - first), (float)reach}; /* relative to first: floats have 24 bits */
}

static inline float weight(const taps *t, int i)
{
    float w = 1 - fabsf((float)(i - t->first) + 0.5f - t->centre) / t->reach;
    return w > 0 ? w : 0;
}

static float total_weight(const taps *t)
{
    float total = 0;
    for (int i = t->first; i < t->end; i++)
        total += weight(t, i);
    return total;
}

/* sum[i] += a upper[i] + b lower[i]: two rows at a time halve the traffic of the sums. */
static void add_rows(float *restrict sum, const unsigned char *upper, float a, const unsigned char *lower, float b,
                     size_t count)
{
    for (size_t i = 0; i < count; i++)
        sum[i] += a * (float)upper[i] + b * (float)lower[i];
}

/* The rows under one output row, as one row. sum [row] */
static void sum_rows(float *sum, const unsigned char *pixels, size_t row, const taps *t)
{
    float scale = 1 / total_weight(t);
    memset(sum, 0, row * sizeof *sum);
    for (int y = t->first; y < t->end; y += 2) {
        const unsigned char *upper = pixels + (size_t)y * row;
        int has_lower = y + 1 < t->end;
        add_rows(sum, upper, weight(t, y) * scale, has_lower ? upper + row : upper,
                 has_lower ? weight(t, y + 1) * scale : 0, row);
    }
}

/* One output pixel out of a row of floats; inlined for each number of channels. */
static inline void sum_columns(float *out, const float *row, int channels, const taps *t)
{
    float sum[MAX_CHANNELS] = {0}, total = 0;
    for (int x = t->first; x < t->end; x++) {
        float w = weight(t, x);
        total += w;
        for (int c = 0; c < channels; c++)
            sum[c] += w * row[(size_t)x * (size_t)channels + (size_t)c];
    }
    for (int c = 0; c < channels; c++)
        out[c] = sum[c] / total;
}

/* row [width, channels] -> out [outputs, channels] */
static void narrow(float *out, int outputs, const float *row, int width, int channels)
{
    for (int x = 0; x < outputs; x++) {
        taps t = taps_of(x, outputs, width);
        if (channels == 3)
            sum_columns(out + x * 3, row, 3, &t);
        else
            sum_columns(out + x * channels, row, channels, &t);
    }
}

/* lines [height, count] -> out [outputs, count], rounded; height <= outputs, so each output looks at a few lines. */
static void stretch(unsigned char *out, int outputs, const float *lines, int height, size_t count)
{
    for (int y = 0; y < outputs; y++) {
        taps t = taps_of(y, outputs, height);
        float scale = 1 / total_weight(&t);
        for (size_t i = 0; i < count; i++) {
            float sum = 0;
            for (int line = t.first; line < t.end; line++)
                sum += weight(&t, line) * scale * lines[(size_t)line * count + i];
            *out++ = (unsigned char)fminf(sum + 0.5f, 255);
        }
    }
}

int image_resize(unsigned char *out, int out_width, int out_height, const unsigned char *pixels, int width, int height,
                 int channels)
{
    int lines = height < out_height ? height : out_height;
    size_t row = (size_t)width * (size_t)channels, count = (size_t)out_width * (size_t)channels;
    float *sum = malloc(row * sizeof *sum), *narrowed = malloc((size_t)lines * count * sizeof *narrowed);
    if (sum && narrowed) {
        for (int y = 0; y < lines; y++) {
            taps t = taps_of(y, lines, height);
            sum_rows(sum, pixels, row, &t);
            narrow(narrowed + (size_t)y * count, out_width, sum, width, channels);
        }
        stretch(out, out_height, narrowed, lines, count);
    }
    int done = sum && narrowed;
    free(sum);
    free(narrowed);
    return done;
}
