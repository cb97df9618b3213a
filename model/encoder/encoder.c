/* encoder.c: the forward pass of EfficientNet-B0; encoder.h draws the network, encoder_network.c lists it.
 *
 * Where the time goes: 1x1 convolutions are 90 % of the arithmetic and run on the BLAS (gemm_pieces.h). The rest is
 * arranged so that they find their data in the cache and nothing passes over memory twice:
 *   - an expanded map is never there as a whole: a window of some rows is computed, bias and swish are applied on the
 *     way into a zero frame, so that the depthwise kernel needs no border cases, and it is filtered before the next
 *     rows overwrite it, all in L2;
 *   - the depthwise kernel adds bias, applies swish and sums each row for squeeze-and-excitation as it goes;
 *   - the excitation scales the project weights or the map, whichever is smaller;
 *   - a GEMM adds to its output: the output is prepared with bias, or, for a residual, is the block's input itself. */
#include "model/encoder/encoder.h"

#include <string.h>

#include "model/encoder/encoder_scratch.h"
#include "model/encoder/encoder_weights.h"
#include "model/kernels/activation.h"
#include "model/kernels/convolution.h"
#include "model/kernels/gemm_pieces.h"
#include "model/kernels/matrix.h"

/* ---- layers ------------------------------------------------------------------------------------------------- */

/* pixels [height, width, 3], 0..255 -> image, framed and normalised */
static void normalise(const caption_encoder *e, const encoder_frame *f, const unsigned char *pixels, float *image)
{
    const size_t row = (size_t)f->framed_width * ENCODER_CHANNELS;
    memset(image, 0, (size_t)f->framed_height * row * sizeof *image);
    for (int y = 0; y < f->height; y++) {
        float *out = image + (size_t)(f->top + y) * row + f->left * ENCODER_CHANNELS;
        for (int i = 0; i < f->width * ENCODER_CHANNELS; i += ENCODER_CHANNELS, pixels += ENCODER_CHANNELS)
            for (int c = 0; c < ENCODER_CHANNELS; c++)
                out[i + c] = e->normalised[c][pixels[c]];
    }
}

/* map [rows, width, in] -> as many rows of the window: swish(map W + bias) */
static void expand(const encoder_layer *l, const encoder_frame *f, int rows, const float *map, float *tile,
                   float *window)
{
    const size_t channels = (size_t)l->out, row = (size_t)f->width * channels;
    gemm_pieces(rows * f->width, l->out, l->in, map, l->weight, 0, tile);
    for (int y = 0; y < rows; y++, window += (size_t)f->framed_width * channels)
        vector_bias_swish_f((size_t)f->width, channels, tile + (size_t)y * row, l->bias,
                            window + (size_t)f->left * channels);
}

/* The same for a block that filters its input as it is. */
static void copy(const encoder_frame *f, int rows, const float *map, float *window)
{
    const size_t channels = (size_t)f->shape.in, row = (size_t)f->width * channels;
    for (int y = 0; y < rows; y++, window += (size_t)f->framed_width * channels)
        memcpy(window + (size_t)f->left * channels, map + (size_t)y * row, row * sizeof *map);
}

/* Computes rows begin..end of the frame into `window`: zeros above and below the map; the columns beside it are zero
 * already. */
static void fill_window(const encoder_block *b, const encoder_frame *f, encoder_scratch *s, int begin, int end,
                        float *window)
{
    const size_t step = (size_t)f->framed_width * (size_t)f->shape.in;
    const int below = f->top + f->height, first = begin < f->top ? f->top : begin, last = end < below ? end : below;
    for (int y = begin; y < end; y++)
        if (y < first || y >= last)
            memset(window + (size_t)(y - begin) * step, 0, step * sizeof *window);
    if (first >= last)
        return;
    const size_t map_position = (size_t)(first - f->top) * (size_t)f->width;
    float *inside = window + (size_t)(first - begin) * step;
    if (b->expand.out > 0)
        expand(&b->expand, f, last - first, s->map[0] + map_position * (size_t)b->expand.in, s->tile, inside);
    else
        copy(f, last - first, s->map[0] + map_position * (size_t)f->shape.in, inside);
}

static void clear_sides(const encoder_frame *f, float *window)
{
    const size_t channels = (size_t)f->shape.in, step = (size_t)f->framed_width * channels;
    const size_t before = (size_t)f->left * channels, behind = before + (size_t)f->width * channels;
    for (int y = 0; y < encoder_window_rows(f, f->strip); y++, window += step) {
        memset(window, 0, before * sizeof *window);
        memset(window + behind, 0, (step - behind) * sizeof *window);
    }
}

/* map[0] -> filtered, row_sums: expansion and depthwise convolution, window by window. Neighbouring windows share
 * kernel - stride rows, which move to the top. */
static void filter(const encoder_block *b, const encoder_frame *f, encoder_scratch *s)
{
    const size_t channels = (size_t)f->shape.in, step = (size_t)f->framed_width * channels;
    convolution_shape strip = f->shape;
    int kept = 0;
    clear_sides(f, s->window);
    for (int y = 0; y < f->shape.rows; y += strip.rows) {
        const int begin = y * f->shape.stride;
        strip.rows = f->shape.rows - y < f->strip ? f->shape.rows - y : f->strip;
        fill_window(b, f, s, begin + kept, begin + encoder_window_rows(f, strip.rows), s->window + (size_t)kept * step);
        depthwise_bias_swish_f(&strip, s->window, b->depthwise.weight, b->depthwise.bias,
                               s->filtered + (size_t)(y * f->shape.cols) * channels,
                               s->row_sums + (size_t)y * channels);
        kept = f->shape.kernel - f->shape.stride;
        memmove(s->window, s->window + (size_t)(strip.rows * f->shape.stride) * step,
                (size_t)kept * step * sizeof *s->window);
    }
}

/* gate = sigmoid(excite(swish(reduce(mean over positions)))) */
static void squeeze_and_excite(const encoder_block *b, const convolution_shape *shape, encoder_scratch *s)
{
    const size_t expanded = (size_t)b->depthwise.out, reduced = (size_t)b->reduce.out;
    sum_rows_f((size_t)shape->rows, expanded, s->row_sums, s->squeezed);
    for (size_t c = 0; c < expanded; c++)
        s->squeezed[c] /= (float)(shape->rows * shape->cols);
    gemm_pieces(1, b->reduce.out, b->reduce.in, s->squeezed, b->reduce.weight, 0, s->reduced);
    vector_bias_swish_f(1, reduced, s->reduced, b->reduce.bias, s->reduced);
    memcpy(s->gate, b->excite.bias, expanded * sizeof *s->gate);
    gemm_pieces(1, b->excite.out, b->excite.in, s->reduced, b->excite.weight, 1, s->gate);
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
    gemm_pieces(positions, b->project.out, b->project.in, s->filtered, weight, 1, out);
}

/* map[0] -> map[0]; see encoder.h */
static void mbconv(const encoder_block *b, const encoder_frame *f, encoder_scratch *s)
{
    const int positions = f->shape.rows * f->shape.cols;
    filter(b, f, s);
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

    gemm_pieces((int)positions, head->out, head->in, s->map[0], head->weight, 0, map);
    vector_bias_swish_f(positions, channels, map, head->bias, map);
    sum_rows_f(positions, channels, map, features);
    for (size_t c = 0; c < channels; c++)
        features[c] /= (float)positions;
    if (out->logits) {
        float *logits = out->logits + (size_t)image * (size_t)classifier->out;
        memcpy(logits, classifier->bias, (size_t)classifier->out * sizeof *logits);
        gemm_pieces(1, classifier->out, classifier->in, features, classifier->weight, 1, logits);
    }
}

static void copy_local(const encoder_network *network, const encoder_scratch *s, int image, float *local)
{
    const convolution_shape *last = &s->blocks[ENCODER_BLOCKS - 1].shape;
    const size_t size = (size_t)(last->rows * last->cols) * (size_t)network->head.in;
    memcpy(local + (size_t)image * size, s->map[0], size * sizeof *local);
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
    normalise(e, &s->stem, pixels, s->image);
    convolution_bias_swish_f(&s->stem.shape, s->image, stem->weight, stem->bias, s->map[0]);
    observe(out, image, 0, &s->stem.shape, stem->out, s->map[0]);
    for (int i = 0; i < ENCODER_BLOCKS; i++) {
        const encoder_block *b = &e->network.blocks[i];
        mbconv(b, &s->blocks[i], s);
        observe(out, image, i + 1, &s->blocks[i].shape, b->project.out, s->map[0]);
    }
    if (out->local)
        copy_local(&e->network, s, image, out->local);
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
