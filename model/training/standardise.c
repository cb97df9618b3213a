/* standardise.c: means and scales of the features, folded into the first layer of what is saved (standardise.h). */
#include "model/training/standardise.h"

#include <math.h>
#include <stdlib.h>

#include "model/training/train_options.h"

enum { D = CAPTION_FEATURES, M = CAPTION_MAP_CHANNELS, POSITIONS = CAPTION_MAP / CAPTION_MAP_CHANNELS };

static const double SMALLEST_DEVIATION = 1e-2; /* on photos those of features lie between 0.07 and 0.85 */

/* The numbers that are measured: of each record, `rows` rows of `width` from `offset` on. */
typedef struct part {
    const feature_cache *cache;
    const long *records; /* [n], `stride` apart */
    size_t n, stride;
    int offset, rows, width;
    const caption_train_options *options;
    float *scratch; /* [rows, width] */
} part;

/* sum += (x - mean)^power of each of `width` numbers in `rows` rows. */
static void add_powers(int rows, int width, const float *x, const double *mean, double *sum)
{
    for (int r = 0; r < rows; r++, x += width)
        for (int j = 0; j < width; j++)
            sum[j] += mean ? (x[j] - mean[j]) * (x[j] - mean[j]) : x[j];
}

/* One pass. */
static int add_all(const part *p, const double *mean, double *sum, caption_error *err)
{
    for (size_t i = 0; i < p->n; i++) {
        if (train_options_stop(p->options))
            return caption_fail(err, CAPTION_ECANCELLED, "stopped while features were standardised");
        int status = feature_cache_read(p->cache, p->records[i * p->stride], (size_t)p->offset,
                                        (size_t)p->rows * (size_t)p->width, p->scratch, err);
        if (status != CAPTION_OK)
            return status;
        add_powers(p->rows, p->width, p->scratch, mean, sum);
    }
    return CAPTION_OK;
}

/* Two passes in double: mean, then deviation. A number that hardly varies is not blown up. */
static int measure(const part *p, float *mean, float *scale, caption_error *err)
{
    double sum[D] = {0}, squares[D] = {0}, count = (double)p->n * p->rows;
    _Static_assert(D >= M, "both fit");
    int status = add_all(p, NULL, sum, err);
    if (status != CAPTION_OK)
        return status;
    for (int j = 0; j < p->width; j++)
        sum[j] /= count;
    status = add_all(p, sum, squares, err);
    if (status != CAPTION_OK)
        return status;
    for (int j = 0; j < p->width; j++) {
        mean[j] = (float)sum[j];
        scale[j] = (float)(1 / fmax(sqrt(squares[j] / count), SMALLEST_DEVIATION));
    }
    return CAPTION_OK;
}

int standardise_measure(standardiser *s, const feature_cache *cache, const long *records, size_t n, size_t stride,
                        const caption_train_options *options, caption_error *err)
{
    float *scratch = malloc(CAPTION_MAP * sizeof *scratch);
    const part features = {cache, records, n, stride, 0, 1, D, options, scratch};
    const part map = {cache, records, n, stride, D, POSITIONS, M, options, scratch};
    _Static_assert((int)CAPTION_MAP >= (int)D, "the scratch fits both");
    int status = scratch ? measure(&features, s->mean, s->scale, err)
                         : caption_fail(err, CAPTION_ENOMEM, "out of memory to standardise features");
    if (status == CAPTION_OK)
        status = measure(&map, s->map_mean, s->map_scale, err);
    free(scratch);
    return status;
}

static void standardise(int rows, int width, const float *x, const float *mean, const float *scale, float *out)
{
    for (int r = 0; r < rows; r++, x += width, out += width)
        for (int j = 0; j < width; j++)
            out[j] = (x[j] - mean[j]) * scale[j];
}

void standardise_record(const standardiser *s, const float *record, float *features, float *map)
{
    standardise(1, D, record, s->mean, s->scale, features);
    if (map)
        standardise(POSITIONS, M, record + D, s->map_mean, s->map_scale, map);
}

/* W' = scale W by rows, b' = b - mean W', of w [inputs, outputs] and b [outputs]. */
static void fold(int inputs, int outputs, const float *mean, const float *scale, float *w, float *b)
{
    for (int i = 0; i < inputs; i++, w += outputs)
        for (int j = 0; j < outputs; j++) {
            w[j] *= scale[i];
            b[j] -= mean[i] * w[j];
        }
}

static void unfold(int inputs, int outputs, const float *mean, const float *scale, float *w, float *b)
{
    for (int i = 0; i < inputs; i++, w += outputs)
        for (int j = 0; j < outputs; j++) {
            b[j] += mean[i] * w[j];
            w[j] /= scale[i];
        }
}

void standardise_fold_layer(int inputs, int outputs, const float *mean, const float *scale, float *weights)
{
    fold(inputs, outputs, mean, scale, weights, weights + (size_t)inputs * (size_t)outputs);
}

void standardise_unfold_layer(int inputs, int outputs, const float *mean, const float *scale, float *weights)
{
    unfold(inputs, outputs, mean, scale, weights, weights + (size_t)inputs * (size_t)outputs);
}

typedef void layer_change(int inputs, int outputs, const float *mean, const float *scale, float *w, float *b);

static void each_input_layer(const standardiser *s, const decoder_shape *shape, float *parameters, layer_change *change)
{
    decoder_tensor at[DECODER_MAX_TENSORS];
    size_t total;
    decoder_layout(shape, at, &total);
    change(D, shape->hidden, s->mean, s->scale, parameters + at[DECODER_W_PROJ].offset,
           parameters + at[DECODER_B_PROJ].offset);
    if (decoder_looks(shape->kind))
        change(M, shape->attention, s->map_mean, s->map_scale, parameters + at[DECODER_W_MAP].offset,
               parameters + at[DECODER_B_MAP].offset);
}

void standardise_fold(const standardiser *s, const decoder_shape *shape, float *parameters)
{
    each_input_layer(s, shape, parameters, fold);
}

void standardise_unfold(const standardiser *s, const decoder_shape *shape, float *parameters)
{
    each_input_layer(s, shape, parameters, unfold);
}
