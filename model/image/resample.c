/* resample.c: see resample.h.
 *
 * In order: when the image is higher than the result, each row is added to the one or two output rows whose triangles
 * it lies under (`sum`: whole rows lie contiguous, so this runs in vector registers, and is most of the work); an
 * output row that has its last input is narrowed to the output's width. An image lower than the result is narrowed row
 * by row and stretched at the end. So the work never exceeds a few operations a pixel, whatever the shape.
 *
 * In any order: a span is narrowed into `line`, which is added to the output rows under whose triangles it lies. */
#include "model/image/resample.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_CHANNELS = 4 };

/* One direction. An output's inputs are first <= i < end. */
typedef struct axis {
    int inputs, outputs;
    double step, reach;
    float *scale; /* [outputs] 1 / the sum of an output's weights */
} axis;

struct resampler {
    resample_shape shape;
    axis x, y;
    int next_row, next_output; /* in order: the row that comes next, the output row that is ready next */
    float *sum[2];             /* [width, channels] in order, shrinking: output row o gathers in sum[o % 2] */
    float *line;               /* [out_width, channels] a narrowed row */
    float *lines;              /* [height, out_width, channels] in order, enlarging; [out_height, ...] in any order */
    float *tap;                /* horizontal weights: in order those of each output, in any order those of each input */
    int *tap_first;     /* [out_width] the first input of each output; or [width] the first output of each input */
    size_t *tap_at;     /* [out_width + 1] or [width + 1] where its weights are in `tap` */
    unsigned char *out; /* [out_height, out_width, channels] of shape.bytes */
};

/* ---- the triangle ------------------------------------------------------------------------------------------------ */

static double centre(const axis *a, int output)
{
    return (output + 0.5) * a->step;
}

static int first_input(const axis *a, int output)
{
    return (int)fmax(centre(a, output) - a->reach + 0.5, 0);
}

static int end_input(const axis *a, int output)
{
    return (int)fmin(centre(a, output) + a->reach + 0.5, a->inputs);
}

/* Unscaled. */
static double weight(const axis *a, int output, int input)
{
    const double w = 1 - fabs(input + 0.5 - centre(a, output)) / a->reach;
    return w > 0 ? w : 0;
}

static float share(const axis *a, int output, int input)
{
    return (float)weight(a, output, input) * a->scale[output];
}

/* The outputs first <= o < end under whose triangles an input lies; some at the ends may have weight 0. */
static int first_output(const axis *a, int input)
{
    const double first = ceil((input + 0.5 - a->reach) / a->step - 0.5);
    return first > 0 ? (int)first : 0;
}

static int end_output(const axis *a, int input)
{
    const double end = floor((input + 0.5 + a->reach) / a->step - 0.5) + 1;
    return end < a->outputs ? (int)end : a->outputs;
}

static int axis_init(axis *a, int inputs, int outputs)
{
    const double step = (double)inputs / outputs;
    *a = (axis){inputs, outputs, step, step > 1 ? step : 1, malloc((size_t)outputs * sizeof(float))};
    for (int o = 0; a->scale && o < outputs; o++) {
        double total = 0;
        for (int i = first_input(a, o), end = end_input(a, o); i < end; i++)
            total += weight(a, o, i);
        a->scale[o] = (float)(1 / total);
    }
    return a->scale != NULL;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* Floats for a row of the output. */
static size_t line_floats(const resample_shape *s)
{
    return (size_t)s->out_width * (size_t)s->channels;
}

static int shrinks(const resample_shape *s)
{
    return s->height >= s->out_height;
}

static size_t lines_held(const resample_shape *s)
{
    return s->any_order ? (size_t)s->out_height : shrinks(s) ? 0 : (size_t)s->height;
}

static size_t sum_floats(const resample_shape *s)
{
    return (size_t)s->width * (size_t)s->channels;
}

/* Each input lies under two triangles when shrinking, under each lie two inputs when enlarging; and those at the very
 * edge, which weigh nothing. */
static size_t most_taps(const resample_shape *s)
{
    return 4 * ((size_t)s->width + (size_t)s->out_width);
}

static size_t tap_rows(const resample_shape *s)
{
    return (size_t)(s->any_order ? s->width : s->out_width);
}

static size_t out_bytes(const resample_shape *s)
{
    return line_floats(s) * (size_t)s->out_height * (size_t)s->bytes;
}

size_t resampler_memory(const resample_shape *s)
{
    const size_t floats = (s->any_order ? 0 : 2 * sum_floats(s)) + (1 + lines_held(s)) * line_floats(s) + most_taps(s) +
                          (size_t)s->out_width + (size_t)s->out_height;
    return floats * sizeof(float) + tap_rows(s) * (sizeof(int) + sizeof(size_t)) + out_bytes(s);
}

static int make_taps(resampler *r)
{
    const size_t rows = tap_rows(&r->shape);
    r->tap = malloc(most_taps(&r->shape) * sizeof *r->tap);
    r->tap_first = malloc(rows * sizeof *r->tap_first);
    r->tap_at = malloc((rows + 1) * sizeof *r->tap_at);
    if (!r->tap || !r->tap_first || !r->tap_at)
        return 0;
    size_t at = 0;
    for (int i = 0; i < (int)rows; i++) {
        const int first = r->shape.any_order ? first_output(&r->x, i) : first_input(&r->x, i);
        const int end = r->shape.any_order ? end_output(&r->x, i) : end_input(&r->x, i);
        r->tap_first[i] = first;
        r->tap_at[i] = at;
        for (int j = first; j < end; j++)
            r->tap[at++] = r->shape.any_order ? share(&r->x, j, i) : share(&r->x, i, j);
    }
    r->tap_at[rows] = at;
    return 1;
}

resampler *resampler_new(const resample_shape *shape)
{
    resampler *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->shape = *shape;
    const size_t line = line_floats(shape), held = lines_held(shape);
    int good = axis_init(&r->x, shape->width, shape->out_width) && axis_init(&r->y, shape->height, shape->out_height);
    good = good && (r->line = calloc(line, sizeof *r->line)) && (r->out = malloc(out_bytes(shape)));
    if (good && held)
        good = (r->lines = calloc(held * line, sizeof *r->lines)) != NULL;
    good = good && make_taps(r);
    for (int i = 0; i < 2 && good && !shape->any_order; i++)
        good = (r->sum[i] = calloc(sum_floats(shape), sizeof(float))) != NULL;
    if (good)
        return r;
    resampler_free(r);
    return NULL;
}

void resampler_free(resampler *r)
{
    if (!r)
        return;
    void *const held[] = {r->x.scale, r->y.scale, r->sum[0],    r->sum[1], r->line,
                          r->lines,   r->tap,     r->tap_first, r->tap_at, r->out};
    for (size_t i = 0; i < sizeof held / sizeof *held; i++)
        free(held[i]);
    free(r);
}

/* ---- rows in order ----------------------------------------------------------------------------------------------- */

/* sum[i] += w in[i] for one or two sums at a time: a row is read once. */
static void add_bytes(float *restrict a, float wa, float *restrict b, float wb, const unsigned char *restrict in,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const float value = (float)in[i];
        a[i] += wa * value;
        b[i] += wb * value;
    }
}

static void add_words(float *restrict a, float wa, float *restrict b, float wb, const uint16_t *restrict in,
                      size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const float value = (float)in[i];
        a[i] += wa * value;
        b[i] += wb * value;
    }
}

/* row [width, channels] -> line [out_width, channels]; inlined for each number of channels. */
static inline void narrow(const resampler *r, const float *row, float *line, int channels)
{
    for (int x = 0; x < r->shape.out_width; x++, line += channels) {
        float sum[MAX_CHANNELS] = {0};
        const float *in = row + (size_t)r->tap_first[x] * (size_t)channels;
        for (size_t t = r->tap_at[x]; t < r->tap_at[x + 1]; t++, in += channels)
            for (int c = 0; c < channels; c++)
                sum[c] += r->tap[t] * in[c];
        for (int c = 0; c < channels; c++)
            line[c] = sum[c];
    }
}

static void narrow_row(const resampler *r, const float *row, float *line)
{
    if (r->shape.channels == 1)
        narrow(r, row, line, 1);
    else if (r->shape.channels == 3)
        narrow(r, row, line, 3);
    else
        narrow(r, row, line, r->shape.channels);
}

/* Writes output row `y`, rounded. */
static void put_line(resampler *r, int y, const float *line)
{
    const size_t count = line_floats(&r->shape), at = (size_t)y * count;
    if (r->shape.bytes == 1)
        for (size_t i = 0; i < count; i++)
            r->out[at + i] = (unsigned char)fminf(line[i] + 0.5f, 255);
    else
        for (size_t i = 0; i < count; i++)
            ((uint16_t *)r->out)[at + i] = (uint16_t)fminf(line[i] + 0.5f, 65535);
}

static void shrink_row(resampler *r, int y, const void *row)
{
    const int first = first_output(&r->y, y), end = end_output(&r->y, y);
    const size_t count = sum_floats(&r->shape);
    float *a = r->sum[first % 2], *b = r->sum[(first + 1) % 2];
    const float wa = first < r->y.outputs ? share(&r->y, first, y) : 0;
    const float wb = first + 1 < end ? share(&r->y, first + 1, y) : 0;
    if (r->shape.bytes == 1)
        add_bytes(a, wa, b, wb, row, count);
    else
        add_words(a, wa, b, wb, row, count);
    for (int o = r->next_output; o < r->y.outputs && end_input(&r->y, o) <= y + 1; o = ++r->next_output) {
        narrow_row(r, r->sum[o % 2], r->line);
        put_line(r, o, r->line);
        memset(r->sum[o % 2], 0, count * sizeof(float));
    }
}

void resampler_row(resampler *r, const void *row)
{
    const int y = r->next_row++;
    if (y >= r->shape.height)
        return;
    if (shrinks(&r->shape)) {
        shrink_row(r, y, row);
        return;
    }
    const size_t count = sum_floats(&r->shape);
    for (size_t i = 0; i < count; i++)
        r->sum[0][i] = r->shape.bytes == 1 ? (float)((const unsigned char *)row)[i] : (float)((const uint16_t *)row)[i];
    narrow_row(r, r->sum[0], r->lines + (size_t)y * line_floats(&r->shape));
}

/* ---- pixels in any order ----------------------------------------------------------------------------------------- */

static inline void pixel_of(const resampler *r, const void *pixels, size_t at, float *pixel)
{
    for (int c = 0; c < r->shape.channels; c++, at++)
        pixel[c] =
            r->shape.bytes == 1 ? (float)((const unsigned char *)pixels)[at] : (float)((const uint16_t *)pixels)[at];
}

/* Adds one pixel to the columns under whose triangles it lies. */
static inline void add_pixel(resampler *r, int x, const float *pixel)
{
    const int channels = r->shape.channels;
    float *line = r->line + (size_t)r->tap_first[x] * (size_t)channels;
    for (size_t t = r->tap_at[x]; t < r->tap_at[x + 1]; t++)
        for (int c = 0; c < channels; c++)
            *line++ += r->tap[t] * pixel[c];
}

/* Where the columns of input x begin and end in `line`. */
static size_t columns_begin(const resampler *r, int x)
{
    return (size_t)r->tap_first[x] * (size_t)r->shape.channels;
}

static size_t columns_end(const resampler *r, int x)
{
    return columns_begin(r, x) + (r->tap_at[x + 1] - r->tap_at[x]) * (size_t)r->shape.channels;
}

void resampler_span(resampler *r, int y, int x, int step, int count, const void *pixels)
{
    if (count < 1)
        return;
    for (int i = 0; i < count; i++) {
        float pixel[MAX_CHANNELS];
        pixel_of(r, pixels, (size_t)i * (size_t)r->shape.channels, pixel);
        add_pixel(r, x + i * step, pixel);
    }
    const size_t from = columns_begin(r, x), to = columns_end(r, x + (count - 1) * step);
    for (int o = first_output(&r->y, y), end = end_output(&r->y, y); o < end; o++) {
        const float w = share(&r->y, o, y);
        float *line = r->lines + (size_t)o * line_floats(&r->shape);
        for (size_t i = from; i < to; i++)
            line[i] += w * r->line[i];
    }
    memset(r->line + from, 0, (to - from) * sizeof(float));
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

/* lines [height, count] -> out; height < out_height, so each output looks at a few lines. */
static void stretch(resampler *r)
{
    const size_t count = line_floats(&r->shape);
    for (int y = 0; y < r->shape.out_height; y++) {
        memset(r->line, 0, count * sizeof(float));
        for (int i = first_input(&r->y, y), end = end_input(&r->y, y); i < end; i++) {
            const float w = share(&r->y, y, i), *line = r->lines + (size_t)i * count;
            for (size_t c = 0; c < count; c++)
                r->line[c] += w * line[c];
        }
        put_line(r, y, r->line);
    }
}

const void *resampler_finish(resampler *r)
{
    if (r->shape.any_order)
        for (int y = 0; y < r->shape.out_height; y++)
            put_line(r, y, r->lines + (size_t)y * line_floats(&r->shape));
    else if (!shrinks(&r->shape))
        stretch(r);
    return r->out;
}

int image_resize(unsigned char *out, int out_width, int out_height, const unsigned char *pixels, int width, int height,
                 int channels)
{
    const resample_shape shape = {width, height, out_width, out_height, channels, 1, 0};
    resampler *r = resampler_new(&shape);
    if (!r)
        return 0;
    for (int y = 0; y < height; y++)
        resampler_row(r, pixels + (size_t)y * (size_t)width * (size_t)channels);
    memcpy(out, resampler_finish(r), out_bytes(&shape));
    resampler_free(r);
    return 1;
}
