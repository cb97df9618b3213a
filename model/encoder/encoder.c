/* encoder.c: the forward pass of EfficientNet-B0; encoder.h draws the network, encoder_network.c lists it.
 *
 * 1x1 convolutions are 90 % of the arithmetic. They and the stem are products with packed weights (kernels/packed.h),
 * and everything is arranged so that they find their data in the cache and nothing passes over memory twice:
 *   - an expanded map is never there as a whole: one panel of the expand weights gives two or three of its planes, with
 *     bias and swish, into a zero frame, so that the depthwise kernel needs no border cases, and they are filtered
 *     before the next panel overwrites them; so it is with the stem, whose planes the first block filters;
 *   - the depthwise kernel adds bias, applies swish and sums up for squeeze-and-excitation as it goes;
 *   - the excitation scales the project weights or the map, whichever is smaller;
 *   - a product begins with the bias and ends with swish, or with the sum with the block's input. */
#include "model/encoder/encoder.h"

#include <string.h>

#include "model/encoder/encoder_scratch.h"
#include "model/encoder/encoder_weights.h"
#include "model/kernels/activation.h"
#include "model/kernels/matrix.h"

/* One forward pass: who computes, and with what. */
typedef struct pass {
    const simd_set *kernels;
    const encoder_network *network;
    encoder_scratch *s;
    size_t lanes;
} pass;

static int planes_of(const pass *p, int channels)
{
    return (channels + (int)p->lanes - 1) / (int)p->lanes;
}

/* Planes of `positions`, one behind the other. */
static packed_target planes_at(const pass *p, float *out, int positions, packed_ending ending)
{
    return (packed_target){.out = out,
                           .plane_step = (size_t)positions * p->lanes,
                           .position_step = p->lanes,
                           .line = positions,
                           .ending = ending};
}

/* A map [positions, channels]; channels are whole planes. */
static packed_target rows_at(const pass *p, float *out, int positions, int channels, packed_ending ending)
{
    return (packed_target){
        .out = out, .plane_step = p->lanes, .position_step = (size_t)channels, .line = positions, .ending = ending};
}

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

/* Rows begin.. of the stem's output, of `channels` from where `packed` stands. */
static void stem(const pass *p, int begin, int rows, int channels, const float *packed, packed_target target)
{
    const encoder_frame *f = &p->s->stem;
    const size_t row = (size_t)f->framed_width * ENCODER_CHANNELS;
    for (int y = begin; y < begin + rows; y++, target.out += target.line_step)
        p->kernels->packed_stem(f->shape.cols, channels, p->s->image + (size_t)(y * f->shape.stride) * row, row, packed,
                                &target);
}

/* One panel of the layer that a block's depthwise convolution reads: its expansion, or the stem. */
typedef struct source_panel {
    const encoder_layer *layer; /* the expansion, or NULL */
    const float *packed;
    int planes;
} source_panel;

/* Rows begin..end of the frame into the window: zeros above and below the map; the columns beside it are zero already.
 */
static void fill_window(const pass *p, const encoder_frame *f, const source_panel *panel, int begin, int end,
                        float *window, size_t plane)
{
    const size_t step = (size_t)f->framed_width * p->lanes;
    const int below = f->top + f->height, first = begin < f->top ? f->top : begin, last = end < below ? end : below;
    const int channels = panel->planes * (int)p->lanes, positions = f->height * f->width;
    for (int y = begin; y < end; y++)
        for (int i = 0; i < panel->planes && (y < first || y >= last); i++)
            memset(window + (size_t)i * plane + (size_t)(y - begin) * step, 0, step * sizeof *window);
    if (first >= last)
        return;
    const packed_target inside = {.out = window + (size_t)(first - begin) * step + (size_t)f->left * p->lanes,
                                  .plane_step = plane,
                                  .position_step = p->lanes,
                                  .line = f->width,
                                  .line_step = step,
                                  .ending = PACKED_SWISH};
    if (panel->layer)
        p->kernels->packed_product((last - first) * f->width, panel->layer->in, channels,
                                   p->s->map[0] + (size_t)((first - f->top) * f->width) * p->lanes,
                                   (size_t)positions * p->lanes, panel->packed, &inside);
    else
        stem(p, first - f->top, last - first, channels, panel->packed, inside);
}

/* A panel's planes, strip by strip, through the depthwise convolution. Neighbouring strips share kernel - stride rows,
 * which move to the top. */
static void filter_panel(const pass *p, const encoder_frame *f, const source_panel *panel, const float *taps,
                         float *out, float *sum)
{
    const size_t step = (size_t)f->framed_width * p->lanes, row = (size_t)f->shape.cols * p->lanes;
    const size_t plane = (size_t)encoder_window_rows(f, f->strip) * step;
    const size_t packed_taps = (size_t)(1 + f->shape.kernel * f->shape.kernel) * p->lanes;
    float *window = p->s->window;
    convolution_shape strip = f->shape;
    int kept = 0;
    for (int y = 0; y < f->shape.rows; y += strip.rows) {
        const int begin = y * f->shape.stride;
        strip.rows = f->shape.rows - y < f->strip ? f->shape.rows - y : f->strip;
        fill_window(p, f, panel, begin + kept, begin + encoder_window_rows(f, strip.rows), window + (size_t)kept * step,
                    plane);
        kept = f->shape.kernel - f->shape.stride;
        for (int i = 0; i < panel->planes; i++) {
            p->kernels->packed_depthwise(&strip, window + (size_t)i * plane, taps + (size_t)i * packed_taps,
                                         out + (size_t)i * (size_t)f->shape.rows * row + (size_t)y * row,
                                         sum + (size_t)i * p->lanes);
            if (y + strip.rows < f->shape.rows)
                memmove(window + (size_t)i * plane,
                        window + (size_t)i * plane + (size_t)(strip.rows * f->shape.stride) * step,
                        (size_t)kept * step * sizeof *window);
        }
    }
}

/* map[0] or the image -> filtered, and the mean of each channel */
static void filter(const pass *p, const encoder_block *b, const encoder_frame *f)
{
    const encoder_layer *source = b->expand.out > 0 ? &b->expand : &p->network->stem;
    const int planes = planes_of(p, b->depthwise.out), positions = f->shape.rows * f->shape.cols;
    const size_t taps = (size_t)(1 + f->shape.kernel * f->shape.kernel) * p->lanes;
    const size_t inputs = (size_t)(1 + source->kernel * source->kernel * source->in) * p->lanes;
    memset(p->s->mean, 0, (size_t)planes * p->lanes * sizeof *p->s->mean);
    memset(p->s->window, 0,
           ENCODER_PANEL * (size_t)encoder_window_rows(f, f->strip) * (size_t)f->framed_width * p->lanes *
               sizeof *p->s->window);
    for (int first = 0, width; first < planes; first += width) {
        width = packed_panel_width(planes, first);
        const source_panel panel = {b->expand.out > 0 ? source : NULL, source->packed + (size_t)first * inputs, width};
        filter_panel(p, f, &panel, b->depthwise.packed + (size_t)first * taps,
                     p->s->filtered + (size_t)first * (size_t)positions * p->lanes,
                     p->s->mean + (size_t)first * p->lanes);
    }
    for (size_t c = 0; c < (size_t)planes * p->lanes; c++)
        p->s->mean[c] /= (float)positions;
}

/* gate = sigmoid(excite(swish(reduce(mean over positions)))) */
static void squeeze_and_excite(const pass *p, const encoder_block *b)
{
    encoder_scratch *s = p->s;
    const packed_target reduced = planes_at(p, s->reduced, 1, PACKED_SWISH);
    const packed_target gate = planes_at(p, s->gate, 1, PACKED_PLAIN);
    p->kernels->packed_product(1, b->reduce.in, b->reduce.out, s->mean, p->lanes, b->reduce.packed, &reduced);
    p->kernels->packed_product(1, b->excite.in, b->excite.out, s->reduced, p->lanes, b->excite.packed, &gate);
    p->kernels->vector_sigmoid((size_t)b->excite.out, s->gate);
}

/* out = (filtered * gate) W + bias, added to what is in `out` if the block is residual.
 * (filtered * gate) W = filtered (gate * W): the gate goes to the smaller factor. */
static void project(const pass *p, const encoder_block *b, int positions, float *out)
{
    encoder_scratch *s = p->s;
    const encoder_layer *l = &b->project;
    const packed_target target = planes_at(p, out, positions, b->residual ? PACKED_ADD : PACKED_PLAIN);
    const float *packed = l->packed;
    if (positions < l->out) {
        p->kernels->packed_scale_planes(l->in, positions, s->gate, s->filtered);
    } else {
        p->kernels->packed_scale(l->in, l->out, packed, s->gate, s->scaled);
        packed = s->scaled;
    }
    p->kernels->packed_product(positions, l->in, l->out, s->filtered, (size_t)positions * p->lanes, packed, &target);
}

/* map[0] -> map[0]; see encoder.h */
static void mbconv(const pass *p, const encoder_block *b, const encoder_frame *f)
{
    encoder_scratch *s = p->s;
    const int positions = f->shape.rows * f->shape.cols;
    filter(p, b, f);
    squeeze_and_excite(p, b);
    if (b->residual) {
        project(p, b, positions, s->map[0]);
    } else {
        float *input = s->map[0];
        project(p, b, positions, s->map[1]);
        s->map[0] = s->map[1];
        s->map[1] = input;
    }
}

/* map[0] -> feature map, mean, logits, as far as they are wanted */
static void finish(const pass *p, int image, const encoder_outputs *out)
{
    encoder_scratch *s = p->s;
    const convolution_shape *last = &s->blocks[ENCODER_BLOCKS - 1].shape;
    const int positions = last->rows * last->cols;
    const encoder_layer *head = &p->network->head, *classifier = &p->network->classifier;
    const size_t channels = (size_t)head->out;
    float *map = out->map ? out->map + (size_t)image * (size_t)positions * channels : s->filtered;
    float *features = out->features ? out->features + (size_t)image * channels : s->mean;
    const packed_target target = rows_at(p, map, positions, head->out, PACKED_SWISH);

    p->kernels->packed_product(positions, head->in, head->out, s->map[0], (size_t)positions * p->lanes, head->packed,
                               &target);
    p->kernels->sum_rows((size_t)positions, channels, map, features);
    for (size_t c = 0; c < channels; c++)
        features[c] /= (float)positions;
    if (out->logits) {
        const packed_target logits = planes_at(p, s->gate, 1, PACKED_PLAIN); /* whole planes: more than 1000 */
        p->kernels->packed_product(1, classifier->in, classifier->out, features, p->lanes, classifier->packed, &logits);
        memcpy(out->logits + (size_t)image * (size_t)classifier->out, s->gate,
               (size_t)classifier->out * sizeof *s->gate);
    }
}

static void copy_local(const pass *p, int image, float *local)
{
    const convolution_shape *last = &p->s->blocks[ENCODER_BLOCKS - 1].shape;
    const int positions = last->rows * last->cols, channels = p->network->head.in;
    p->kernels->packed_unpack(channels, positions, p->s->map[0],
                              local + (size_t)image * (size_t)positions * (size_t)channels);
}

/* ---- the network -------------------------------------------------------------------------------------------- */

/* The stem's map is there as a whole only for those who want to see it. */
static void observe_stem(const pass *p, int image, const encoder_outputs *out)
{
    const convolution_shape *shape = &p->s->stem.shape;
    const int channels = p->network->stem.out;
    packed_target rows = rows_at(p, p->s->filtered, shape->cols, channels, PACKED_SWISH);
    rows.line_step = (size_t)(shape->cols * channels);
    stem(p, 0, shape->rows, channels, p->network->stem.packed, rows);
    out->observe(out->context, image, 0, shape->rows, shape->cols, channels, p->s->filtered);
}

static void observe(const pass *p, int image, int block, const encoder_outputs *out)
{
    const convolution_shape *shape = &p->s->blocks[block].shape;
    const int channels = p->network->blocks[block].project.out;
    p->kernels->packed_unpack(channels, shape->rows * shape->cols, p->s->map[0], p->s->filtered);
    out->observe(out->context, image, block + 1, shape->rows, shape->cols, channels, p->s->filtered);
}

static void forward_one(const pass *p, int image, const encoder_outputs *out)
{
    if (out->observe)
        observe_stem(p, image, out);
    for (int i = 0; i < ENCODER_BLOCKS; i++) {
        mbconv(p, &p->network->blocks[i], &p->s->blocks[i]);
        if (out->observe)
            observe(p, image, i, out);
    }
    if (out->local)
        copy_local(p, image, out->local);
    if (out->map || out->features || out->logits)
        finish(p, image, out);
}

void encoder_forward(const caption_encoder *e, encoder_scratch *s, int n, const unsigned char *pixels,
                     const encoder_outputs *out)
{
    const size_t image_size = (size_t)s->stem.height * (size_t)s->stem.width * ENCODER_CHANNELS;
    const pass p = {e->kernels, &e->network, s, e->kernels->packed_lanes()};
    for (int i = 0; i < n; i++) {
        normalise(e, &s->stem, pixels + (size_t)i * image_size, s->image);
        forward_one(&p, i, out);
    }
}
