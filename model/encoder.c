/* encoder.c: the forward pass of EfficientNet-B0; encoder.h draws the network, encoder_network.c lists it.
 *
 * Where the time goes: 1x1 convolutions are 90 % of the arithmetic and run as one GEMM each on the BLAS. The rest is
 * arranged so that they find their data in the cache and nothing passes over memory twice:
 *   - an expanded map is computed in tiles of some rows; bias and swish are applied while the tile is in L2, on its way
 *     into the zero-framed map, so that the depthwise kernel needs no border cases and padding costs no pass;
 *   - the depthwise kernel adds bias, applies swish and sums each row for squeeze-and-excitation as it goes;
 *   - the excitation scales the project weights or the map, whichever is smaller;
 *   - a GEMM adds to its output: the output is prepared with bias, or, for a residual, is the block's input itself. */
#include "model/encoder.h"

#include <string.h>

#include "model/encoder_scratch.h"
#include "model/encoder_weights.h"
#include "model/kernels/activation.h"
#include "model/kernels/convolution.h"
#include "model/kernels/gemm.h"
#include "model/kernels/matrix.h"

/* ---- the framed map ----------------------------------------------------------------------------------------- */

static float *framed_row(const encoder_frame *f, float *framed, int y)
{
    return framed + (size_t)(f->top + y) * (size_t)f->framed_width * (size_t)f->shape.in;
}

/* Zeroes the frame around the map; the map itself is written by whoever calls. */
static void clear_frame(const encoder_frame *f, float *framed)
{
    const size_t channels = (size_t)f->shape.in, row = (size_t)f->framed_width * channels;
    const size_t before = (size_t)f->left * channels, behind = row - before - (size_t)f->width * channels;
    const int below = f->framed_height - f->top - f->height;
    memset(framed, 0, (size_t)f->top * row * sizeof *framed);
    for (int y = 0; y < f->height; y++) {
        float *start = framed_row(f, framed, y);
        memset(start, 0, before * sizeof *start);
        memset(start + row - behind, 0, behind * sizeof *start);
    }
    memset(framed_row(f, framed, f->height), 0, (size_t)below * row * sizeof *framed);
}

/* ---- layers ------------------------------------------------------------------------------------------------- */

/* pixels [height, width, 3], 0..255 -> framed, normalised */
static void normalise(const caption_encoder *e, const encoder_frame *f, const unsigned char *pixels, float *framed)
{
    clear_frame(f, framed);
    for (int y = 0; y < f->height; y++) {
        float *out = framed_row(f, framed, y) + f->left * ENCODER_CHANNELS;
        for (int i = 0; i < f->width * ENCODER_CHANNELS; i += ENCODER_CHANNELS, pixels += ENCODER_CHANNELS)
            for (int c = 0; c < ENCODER_CHANNELS; c++)
                out[i + c] = e->normalised[c][pixels[c]];
    }
}

/* map [h, w, in] -> framed [.., .., expanded] = swish(map W + bias), tile by tile */
static void expand(const encoder_layer *l, const encoder_frame *f, encoder_scratch *s, const float *map)
{
    const int tile_rows = encoder_tile_rows(f->width, l->out);
    const size_t channels = (size_t)l->out, row = (size_t)f->width * channels;
    clear_frame(f, s->framed);
    for (int y = 0; y < f->height; y += tile_rows) {
        int rows = f->height - y < tile_rows ? f->height - y : tile_rows;
        gemm(rows * f->width, l->out, l->in, map, l->weight, 0, s->tile);
        for (int r = 0; r < rows; r++)
            vector_bias_swish_f((size_t)f->width, channels, s->tile + (size_t)r * row, l->bias,
                                framed_row(f, s->framed, y + r) + (size_t)f->left * channels);
        map += (size_t)rows * (size_t)f->width * (size_t)l->in;
    }
}

/* A block without expansion filters its input as it is. */
static void copy_into_frame(const encoder_frame *f, const float *map, float *framed)
{
    const size_t channels = (size_t)f->shape.in, row = (size_t)f->width * channels;
    clear_frame(f, framed);
    for (int y = 0; y < f->height; y++, map += row)
        memcpy(framed_row(f, framed, y) + (size_t)f->left * channels, map, row * sizeof *map);
}

/* gate = sigmoid(excite(swish(reduce(mean over positions)))) */
static void squeeze_and_excite(const encoder_block *b, const convolution_shape *shape, encoder_scratch *s)
{
    const size_t expanded = (size_t)b->depthwise.out, reduced = (size_t)b->reduce.out;
    sum_rows_f((size_t)shape->rows, expanded, s->row_sums, s->squeezed);
    for (size_t c = 0; c < expanded; c++)
        s->squeezed[c] /= (float)(shape->rows * shape->cols);
    gemm(1, b->reduce.out, b->reduce.in, s->squeezed, b->reduce.weight, 0, s->reduced);
    vector_bias_swish_f(1, reduced, s->reduced, b->reduce.bias, s->reduced);
    memcpy(s->gate, b->excite.bias, expanded * sizeof *s->gate);
    gemm(1, b->excite.out, b->excite.in, s->reduced, b->excite.weight, 1, s->gate);
    vector_sigmoid_f(expanded, s->gate);
}

static void fill_rows(size_t rows, size_t cols, float *x, const float *row)
{
    for (size_t r = 0; r < rows; r++, x += cols)
        memcpy(x, row, cols * sizeof *x);
}

/* out [positions, out] = (filtered * gate) W + bias, added to what is in `out` if the block is residual.
 * (filtered * gate) W = filtered (gate * W): the gate goes to the smaller factor. */
static void project(const encoder_block *b, encoder_scratch *s, int positions, float *out)
{
    const size_t rows = (size_t)positions, in = (size_t)b->project.in, cols = (size_t)b->project.out;
    const float *weight = b->project.weight;
    if (positions < b->project.out) {
        scale_columns_f(rows, in, s->filtered, s->gate, s->filtered);
    } else {
        scale_rows_f(in, cols, weight, s->gate, s->scaled);
        weight = s->scaled;
    }
    if (b->residual)
        add_to_rows_f(rows, cols, out, b->project.bias);
    else
        fill_rows(rows, cols, out, b->project.bias);
    gemm(positions, b->project.out, b->project.in, s->filtered, weight, 1, out);
}

/* map[0] -> map[0]; see encoder.h */
static void mbconv(const encoder_block *b, const encoder_frame *f, encoder_scratch *s)
{
    const int positions = f->shape.rows * f->shape.cols;
    if (b->expand.out > 0)
        expand(&b->expand, f, s, s->map[0]);
    else
        copy_into_frame(f, s->map[0], s->framed);
    depthwise_bias_swish_f(&f->shape, s->framed, b->depthwise.weight, b->depthwise.bias, s->filtered, s->row_sums);
    squeeze_and_excite(b, &f->shape, s);
    if (b->residual) {
        project(b, s, positions, s->map[0]);
    } else {
        float *input = s->map[0];
        project(b, s, positions, s->map[1]);
        s->map[0] = s->map[1];
        s->map[1] = input;
    }
}

/* map[0] -> feature map, mean, logits, as far as they are wanted */
static void finish(const encoder_network *network, encoder_scratch *s, int image, const encoder_outputs *out)
{
    const convolution_shape *last = &s->blocks[ENCODER_BLOCKS - 1].shape;
    const size_t positions = (size_t)(last->rows * last->cols), channels = (size_t)network->head.out;
    const encoder_layer *head = &network->head, *classifier = &network->classifier;
    float *map = out->map ? out->map + (size_t)image * positions * channels : s->filtered;
    float *features = out->features ? out->features + (size_t)image * channels : s->squeezed;

    gemm((int)positions, head->out, head->in, s->map[0], head->weight, 0, map);
    vector_bias_swish_f(positions, channels, map, head->bias, map);
    sum_rows_f(positions, channels, map, features);
    for (size_t c = 0; c < channels; c++)
        features[c] /= (float)positions;
    if (out->logits) {
        float *logits = out->logits + (size_t)image * (size_t)classifier->out;
        memcpy(logits, classifier->bias, (size_t)classifier->out * sizeof *logits);
        gemm(1, classifier->out, classifier->in, features, classifier->weight, 1, logits);
    }
}

/* ---- the network -------------------------------------------------------------------------------------------- */

static void observe(const encoder_outputs *out, int image, int block, const convolution_shape *shape, int channels,
                    const float *map)
{
    if (out->observe)
        out->observe(out->context, image, block, shape->rows, shape->cols, channels, map);
}

static void forward_one(const caption_encoder *e, encoder_scratch *s, int image, const unsigned char *pixels,
                        const encoder_outputs *out)
{
    const encoder_layer *stem = &e->network.stem;
    normalise(e, &s->stem, pixels, s->framed);
    convolution_bias_swish_f(&s->stem.shape, s->framed, stem->weight, stem->bias, s->map[0]);
    observe(out, image, 0, &s->stem.shape, stem->out, s->map[0]);
    for (int i = 0; i < ENCODER_BLOCKS; i++) {
        const encoder_block *b = &e->network.blocks[i];
        mbconv(b, &s->blocks[i], s);
        observe(out, image, i + 1, &s->blocks[i].shape, b->project.out, s->map[0]);
    }
    if (out->map || out->features || out->logits)
        finish(&e->network, s, image, out);
}

void encoder_forward(const caption_encoder *e, encoder_scratch *s, int n, const unsigned char *pixels,
                     const encoder_outputs *out)
{
    const size_t image_size = (size_t)s->stem.height * (size_t)s->stem.width * ENCODER_CHANNELS;
    for (int i = 0; i < n; i++)
        forward_one(e, s, i, pixels + (size_t)i * image_size, out);
}
