/* encoder_scratch.c: plans a forward pass; see encoder_scratch.h. */
#include "model/encoder/encoder_scratch.h"

#include <stdlib.h>

#include "model/encoder/encoder_weights.h"

/* SAME: ceil(size / stride) outputs; the zeros that this needs are halved, the odd one goes behind. */
static void pad(int size, int kernel, int stride, int *outputs, int *before, int *framed)
{
    *outputs = (size + stride - 1) / stride;
    *framed = (*outputs - 1) * stride + kernel;
    *before = (*framed - size) / 2;
}

static encoder_frame frame(int height, int width, const encoder_layer *layer, int channels)
{
    encoder_frame f = {.height = height, .width = width};
    f.shape = (convolution_shape){.in = channels, .out = layer->out, .kernel = layer->kernel, .stride = layer->stride};
    pad(height, layer->kernel, layer->stride, &f.shape.rows, &f.top, &f.framed_height);
    pad(width, layer->kernel, layer->stride, &f.shape.cols, &f.left, &f.framed_width);
    return f;
}

/* As many rows of output as a window of ENCODER_WINDOW numbers gives, but at least one. */
static int strip_rows(const encoder_frame *f, size_t lanes)
{
    const int fitting = ENCODER_WINDOW / ENCODER_PANEL / f->framed_width / (int)lanes;
    const int rows = (fitting - f->shape.kernel) / f->shape.stride + 1;
    if (fitting < f->shape.kernel)
        return 1;
    return rows < f->shape.rows ? rows : f->shape.rows;
}

typedef struct needs {
    size_t image, window, filtered, map, scaled, mean, reduced; /* numbers */
} needs;

static void at_least(size_t *need, size_t a, size_t b, size_t c)
{
    size_t product = a * b * c; /* at most 8197^2 * 1280: no overflow in 64 bits */
    if (*need < product)
        *need = product;
}

/* Channels of whole planes. */
static size_t whole(size_t channels, size_t lanes)
{
    return (channels + lanes - 1) / lanes * lanes;
}

static void plan_block(encoder_scratch *s, int index, const encoder_block *b, const encoder_frame *before,
                       const simd_set *kernels, needs *n)
{
    const size_t lanes = kernels->packed_lanes(), expanded = whole((size_t)b->depthwise.out, lanes);
    encoder_frame *f = &s->blocks[index];
    *f = frame(before->shape.rows, before->shape.cols, &b->depthwise, b->depthwise.out);
    f->strip = strip_rows(f, lanes);
    at_least(&n->window, (size_t)encoder_window_rows(f, f->strip), (size_t)f->framed_width, ENCODER_PANEL * lanes);
    at_least(&n->filtered, (size_t)f->shape.rows, (size_t)f->shape.cols, expanded);
    at_least(&n->map, (size_t)f->shape.rows, (size_t)f->shape.cols, whole((size_t)b->project.out, lanes));
    at_least(&n->scaled, kernels->packed_size(b->project.in, b->project.out), 1, 1);
    at_least(&n->mean, expanded, 1, 1);
    at_least(&n->reduced, whole((size_t)b->reduce.out, lanes), 1, 1);
}

static needs plan(encoder_scratch *s, const caption_encoder *encoder, int height, int width)
{
    const encoder_network *network = &encoder->network;
    needs n = {0};
    const encoder_frame *last = &s->stem;
    s->stem = frame(height, width, &network->stem, network->stem.in);
    at_least(&n.image, (size_t)last->framed_height, (size_t)last->framed_width, (size_t)network->stem.in);
    for (int i = 0; i < ENCODER_BLOCKS; i++) {
        plan_block(s, i, &network->blocks[i], last, encoder->kernels, &n);
        last = &s->blocks[i];
    }
    at_least(&n.filtered, (size_t)last->shape.rows, (size_t)last->shape.cols, (size_t)network->head.out);
    at_least(&n.mean, (size_t)network->head.out, 1, 1);
    return n;
}

static int take_buffers(encoder_scratch *s, const needs *n, caption_error *err)
{
    struct {
        float **buffer;
        size_t count;
    } const all[] = {
        {&s->image, n->image}, {&s->window, n->window},   {&s->filtered, n->filtered},
        {&s->map[0], n->map},  {&s->map[1], n->map},      {&s->scaled, n->scaled},
        {&s->mean, n->mean},   {&s->reduced, n->reduced}, {&s->gate, n->mean},
    };
    size_t bytes = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        bytes += arena_slice(all[i].count, sizeof(float));
    int status = arena_reserve(&s->memory, bytes, err);
    for (size_t i = 0; i < sizeof all / sizeof *all && status == CAPTION_OK; i++)
        *all[i].buffer = arena_take(&s->memory, all[i].count, sizeof(float));
    return status;
}

int encoder_scratch_new(encoder_scratch **out, const caption_encoder *encoder, int height, int width,
                        caption_error *err)
{
    *out = NULL;
    if (height < ENCODER_MIN_SIDE || width < ENCODER_MIN_SIDE || height > ENCODER_MAX_SIDE || width > ENCODER_MAX_SIDE)
        return caption_fail(err, CAPTION_EINVAL, "an encoder input of %d x %d pixels is not within %d..%d a side",
                            width, height, ENCODER_MIN_SIDE, ENCODER_MAX_SIDE);
    encoder_scratch *s = calloc(1, sizeof *s);
    if (!s)
        return caption_fail(err, CAPTION_ENOMEM, "no memory for an encoder's scratch");
    needs n = plan(s, encoder, height, width);
    int status = take_buffers(s, &n, err);
    if (status == CAPTION_OK)
        *out = s;
    else
        encoder_scratch_free(s);
    return status;
}

void encoder_scratch_free(encoder_scratch *s)
{
    if (!s)
        return;
    arena_free(&s->memory);
    free(s);
}
