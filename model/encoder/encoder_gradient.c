/* encoder_gradient.c: see encoder_gradient.h. The blocks are layers/mbconv.h; here are the stem, the head, the
 * classifier and the order of it all. */
#include "model/encoder/encoder_gradient.h"

#include <stdlib.h>
#include <string.h>

#include "model/encoder/encoder_scratch.h"
#include "model/encoder/encoder_weights.h"
#include "model/kernels/activation.h"
#include "model/kernels/gemm.h"
#include "model/kernels/gemm_pieces.h"
#include "model/kernels/matrix.h"
#include "model/layers/mbconv.h"

enum { BLOCKS = ENCODER_BLOCKS, COLOURS = ENCODER_CHANNELS };

struct X(encoder_gradient) {
    caption_encoder *encoder;
    X(filter) stem, head, classifier;
    X(mbconv) blocks[BLOCKS];
    mbconv_frame stem_frame, frames[BLOCKS];

    real *image;                 /* framed */
    real *stem_map, *stem_slope; /* [h, w, 32] */
    X(mbconv_kept) kept[BLOCKS];
    real *head_map, *head_slope; /* [h, w, 1280] */
    real *features, *logits;

    X(mbconv_scratch) scratch;
    real *dmap[2];   /* the gradient of a block's output and input, in turns */
    real *dfeatures; /* [1280] */
    real *taps;      /* of the stem's backward pass: a row of positions [width, 3 * 3 * 3] */
    arena memory, weights;
};

/* ---- weights ----------------------------------------------------------------------------------------------------- */

/* In float the encoder's own numbers, in double a copy of them. */
static const real *number(const float *from, size_t n, arena *copies)
{
#ifdef REAL_IS_DOUBLE
    real *copy = arena_take(copies, n, sizeof *copy);
    for (size_t i = 0; copy && i < n; i++)
        copy[i] = from[i];
    return copy;
#else
    (void)n;
    (void)copies;
    return from;
#endif
}

static size_t copy_bytes(const encoder_layer *l)
{
    return arena_slice(encoder_layer_size(l), sizeof(real)) + arena_slice((size_t)l->out, sizeof(real));
}

static int add_copy_bytes(void *context, const char *name, encoder_layer *layer)
{
    (void)name;
    *(size_t *)context += copy_bytes(layer);
    return 0;
}

static X(filter) filter_of(const encoder_layer *l, arena *copies)
{
    X(filter) f = {.kernel = l->kernel, .stride = l->stride, .in = l->in, .out = l->out};
    if (l->out > 0) {
        f.weight = number(l->weight, encoder_layer_size(l), copies);
        f.bias = number(l->bias, (size_t)l->out, copies);
    }
    return f;
}

static int take_weights(X(encoder_gradient) *g, caption_error *err)
{
    int status = encoder_plain_weights(g->encoder, err);
    if (status != CAPTION_OK)
        return status;
    encoder_network network = g->encoder->network;
    size_t bytes = 0;
    encoder_network_each(&network, add_copy_bytes, &bytes);
    if (sizeof(real) != sizeof(float))
        status = arena_reserve(&g->weights, bytes, err);
    if (status != CAPTION_OK)
        return status;
    g->stem = filter_of(&network.stem, &g->weights);
    for (int i = 0; i < BLOCKS; i++) {
        const encoder_block *b = &network.blocks[i];
        g->blocks[i] = (X(mbconv)){
            .expand = filter_of(&b->expand, &g->weights),
            .depthwise = filter_of(&b->depthwise, &g->weights),
            .reduce = filter_of(&b->reduce, &g->weights),
            .excite = filter_of(&b->excite, &g->weights),
            .project = filter_of(&b->project, &g->weights),
            .residual = b->residual,
        };
    }
    g->head = filter_of(&network.head, &g->weights);
    g->classifier = filter_of(&network.classifier, &g->weights);
    return CAPTION_OK;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static size_t positions_of(const convolution_shape *s)
{
    return (size_t)s->rows * (size_t)s->cols;
}

/* Calls want(context, slot, count) for every array there is. */
static void each_array(X(encoder_gradient) *g, void (*want)(void *context, real **slot, size_t count), void *context)
{
    const mbconv_frame *stem = &g->stem_frame, *last = &g->frames[BLOCKS - 1];
    const size_t stem_size = positions_of(&stem->shape) * (size_t)g->stem.out;
    const size_t head_size = positions_of(&last->shape) * (size_t)g->head.out;
    size_t most[MBCONV_SCRATCH] = {0}, largest = stem_size > head_size ? stem_size : head_size;
    for (int i = 0; i < BLOCKS; i++) {
        size_t kept[MBCONV_KEPT], scratch[MBCONV_SCRATCH];
        X(mbconv_kept_sizes)(&g->blocks[i], &g->frames[i], kept);
        X(mbconv_scratch_sizes)(&g->blocks[i], &g->frames[i], scratch);
        for (int k = 0; k < MBCONV_KEPT; k++)
            want(context, (real **)&g->kept[i] + k, kept[k]);
        for (int k = 0; k < MBCONV_SCRATCH; k++)
            most[k] = scratch[k] > most[k] ? scratch[k] : most[k];
        largest = kept[MBCONV_KEPT - 1] > largest ? kept[MBCONV_KEPT - 1] : largest;
    }
    for (int k = 0; k < MBCONV_SCRATCH; k++)
        want(context, (real **)&g->scratch + k, most[k]);
    want(context, &g->image, (size_t)stem->framed_height * (size_t)stem->framed_width * COLOURS);
    want(context, &g->stem_map, stem_size);
    want(context, &g->stem_slope, stem_size);
    want(context, &g->head_map, head_size);
    want(context, &g->head_slope, head_size);
    want(context, &g->features, CAPTION_FEATURES);
    want(context, &g->dfeatures, CAPTION_FEATURES);
    want(context, &g->logits, CAPTION_CLASSES);
    want(context, &g->dmap[0], largest);
    want(context, &g->dmap[1], largest);
    want(context, &g->taps, (size_t)stem->shape.cols * (size_t)(g->stem.kernel * g->stem.kernel * COLOURS));
}

static void add_bytes(void *context, real **slot, size_t count)
{
    (void)slot;
    *(size_t *)context += arena_slice(count, sizeof(real));
}

static void take(void *context, real **slot, size_t count)
{
    *slot = arena_take(context, count, sizeof(real));
}

static int take_memory(X(encoder_gradient) *g, int height, int width, caption_error *err)
{
    const mbconv_frame *before = &g->stem_frame;
    size_t bytes = 0;
    g->stem_frame = X(mbconv_frame_of)(height, width, &g->stem);
    for (int i = 0; i < BLOCKS; i++) {
        g->frames[i] = X(mbconv_frame_of)(before->shape.rows, before->shape.cols, &g->blocks[i].depthwise);
        before = &g->frames[i];
    }
    each_array(g, add_bytes, &bytes);
    int status = arena_reserve(&g->memory, bytes, err);
    if (status == CAPTION_OK)
        each_array(g, take, &g->memory);
    return status;
}

int X(encoder_gradient_new)(X(encoder_gradient) **out, caption_encoder *encoder, int height, int width,
                            caption_error *err)
{
    *out = NULL;
    if (height < ENCODER_MIN_SIDE || width < ENCODER_MIN_SIDE || height > ENCODER_MAX_SIDE || width > ENCODER_MAX_SIDE)
        return caption_fail(err, CAPTION_EINVAL, "an encoder input of %d x %d pixels is not within %d..%d a side",
                            width, height, ENCODER_MIN_SIDE, ENCODER_MAX_SIDE);
    X(encoder_gradient) *g = calloc(1, sizeof *g);
    if (!g)
        return caption_fail(err, CAPTION_ENOMEM, "no memory for an encoder's gradient");
    g->encoder = caption_encoder_retain(encoder);
    int status = take_weights(g, err);
    if (status == CAPTION_OK)
        status = take_memory(g, height, width, err);
    if (status == CAPTION_OK)
        *out = g;
    else
        X(encoder_gradient_free)(g);
    return status;
}

void X(encoder_gradient_free)(X(encoder_gradient) *g)
{
    if (!g)
        return;
    arena_free(&g->memory);
    arena_free(&g->weights);
    caption_encoder_release(g->encoder);
    free(g);
}

size_t X(encoder_gradient_bytes)(const X(encoder_gradient) *g)
{
    return g->memory.size;
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

/* The image into the middle of its zero frame. */
static void frame_image(const mbconv_frame *f, const real *image, real *framed)
{
    const size_t row = (size_t)f->framed_width * COLOURS, inside = (size_t)f->width * COLOURS;
    memset(framed, 0, (size_t)f->framed_height * row * sizeof *framed);
    for (int y = 0; y < f->height; y++)
        memcpy(framed + (size_t)(f->top + y) * row + (size_t)(f->left * COLOURS), image + (size_t)y * inside,
               inside * sizeof *image);
}

static void head_forward(X(encoder_gradient) *g)
{
    const size_t positions = positions_of(&g->frames[BLOCKS - 1].shape), channels = (size_t)g->head.out;
    gemm_pieces((int)positions, g->head.out, g->head.in, g->kept[BLOCKS - 1].out, g->head.weight, 0, g->head_map);
    X(vector_bias_swish_slope)(positions, channels, g->head_map, g->head.bias, g->head_map, g->head_slope);
    X(sum_rows)(positions, channels, g->head_map, g->features);
    for (size_t c = 0; c < channels; c++)
        g->features[c] /= (real)positions;
}

static void classify(X(encoder_gradient) *g)
{
    memcpy(g->logits, g->classifier.bias, (size_t)g->classifier.out * sizeof *g->logits);
    gemm(1, g->classifier.out, g->classifier.in, g->features, g->classifier.weight, 1, g->logits);
}

void X(encoder_gradient_forward)(X(encoder_gradient) *g, const real *image, int last)
{
    const real *map = g->stem_map;
    frame_image(&g->stem_frame, image, g->image);
    X(convolution_bias_swish_slope)(&g->stem_frame.shape, g->image, g->stem.weight, g->stem.bias, g->stem_map,
                                    g->stem_slope);
    for (int i = 0; i < BLOCKS && i < last; i++) {
        X(mbconv_forward)(&g->blocks[i], &g->frames[i], map, &g->kept[i], &g->scratch);
        map = g->kept[i].out;
    }
    if (last >= ENCODER_HEAD)
        head_forward(g);
    if (last >= ENCODER_LOGITS)
        classify(g);
}

X(encoder_map) X(encoder_gradient_map)(const X(encoder_gradient) *g, int layer)
{
    if (layer == 0)
        return (X(encoder_map)){g->stem_frame.shape.rows, g->stem_frame.shape.cols, g->stem.out, g->stem_map};
    const int block = layer == ENCODER_HEAD ? BLOCKS - 1 : layer - 1;
    const convolution_shape *s = &g->frames[block].shape;
    if (layer == ENCODER_HEAD)
        return (X(encoder_map)){s->rows, s->cols, g->head.out, g->head_map};
    return (X(encoder_map)){s->rows, s->cols, g->blocks[block].project.out, g->kept[block].out};
}

const real *X(encoder_gradient_features)(const X(encoder_gradient) *g)
{
    return g->features;
}

const real *X(encoder_gradient_logits)(const X(encoder_gradient) *g)
{
    return g->logits;
}

/* ---- backward ---------------------------------------------------------------------------------------------------- */

/* d logits -> d features, added to what else reads them; 0 if nothing does. */
static int features_backward(X(encoder_gradient) *g, const X(encoder_seeds) *seeds)
{
    const size_t channels = (size_t)g->classifier.in;
    if (seeds->logits)
        gemm_nt(1, g->classifier.in, g->classifier.out, seeds->logits, g->classifier.weight, 0, g->dfeatures);
    else if (seeds->features)
        memset(g->dfeatures, 0, channels * sizeof *g->dfeatures);
    for (size_t c = 0; c < channels && seeds->features; c++)
        g->dfeatures[c] += seeds->features[c];
    return seeds->logits || seeds->features;
}

/* The gradient of the head's map into dmap[0]; 0 if there is none. */
static int pool_backward(X(encoder_gradient) *g, const X(encoder_seeds) *seeds)
{
    const size_t positions = positions_of(&g->frames[BLOCKS - 1].shape), channels = (size_t)g->head.out;
    const real *seed = seeds->map[ENCODER_HEAD], share = 1 / (real)positions;
    const int pooled = features_backward(g, seeds);
    if (!pooled && !seed)
        return 0;
    for (size_t p = 0; p < positions; p++)
        for (size_t c = 0; c < channels; c++)
            g->dmap[0][p * channels + c] = (pooled ? g->dfeatures[c] * share : 0) + (seed ? seed[p * channels + c] : 0);
    return 1;
}

static void exchange(X(encoder_gradient) *g)
{
    real *first = g->dmap[0];
    g->dmap[0] = g->dmap[1];
    g->dmap[1] = first;
}

/* dmap[0], of the head, becomes that of the last block. */
static void head_backward(X(encoder_gradient) *g)
{
    const size_t positions = positions_of(&g->frames[BLOCKS - 1].shape), channels = (size_t)g->head.out;
    X(multiply)(positions * channels, g->dmap[0], g->head_slope);
    gemm_nt((int)positions, g->head.in, g->head.out, g->dmap[0], g->head.weight, 0, g->dmap[1]);
    exchange(g);
}

/* Adds a layer's seed, if there is one, to dmap[0], which is 0 so far unless `reached`. */
static int add_seed(X(encoder_gradient) *g, const X(encoder_seeds) *seeds, int layer, int reached)
{
    const real *seed = seeds->map[layer];
    const X(encoder_map) map = X(encoder_gradient_map)(g, layer);
    const size_t size = (size_t)map.height * (size_t)map.width * (size_t)map.channels;
    if (seed && !reached)
        memcpy(g->dmap[0], seed, size * sizeof *seed);
    for (size_t i = 0; i < size && seed && reached; i++)
        g->dmap[0][i] += seed[i];
    return reached || seed;
}

void X(encoder_gradient_until)(X(encoder_gradient) *g, const X(encoder_seeds) *seeds, int until, const real **dmap)
{
    int reached = pool_backward(g, seeds);
    if (reached && until < ENCODER_HEAD)
        head_backward(g);
    for (int layer = BLOCKS; layer >= until && until < ENCODER_HEAD; layer--) {
        reached = add_seed(g, seeds, layer, reached);
        if (!reached || layer == until)
            continue;
        X(mbconv_backward)(&g->blocks[layer - 1], &g->frames[layer - 1], &g->kept[layer - 1], g->dmap[0], g->dmap[1],
                           &g->scratch);
        exchange(g);
    }
    if (!reached) {
        const X(encoder_map) map = X(encoder_gradient_map)(g, until);
        memset(g->dmap[0], 0, (size_t)map.height * (size_t)map.width * (size_t)map.channels * sizeof *g->dmap[0]);
    }
    *dmap = g->dmap[0];
}

/* Adds the taps of one row of positions to the image row by row: position x reaches columns x * stride - left + kx. */
static void spread_taps(const mbconv_frame *f, int y, const real *taps, real *dimage)
{
    const int kernel = f->shape.kernel, stride = f->shape.stride;
    for (int x = 0; x < f->shape.cols; x++)
        for (int ky = 0; ky < kernel; ky++) {
            const int row = y * stride - f->top + ky;
            for (int kx = 0; kx < kernel; kx++, taps += COLOURS) {
                const int col = x * stride - f->left + kx;
                if (row < 0 || row >= f->height || col < 0 || col >= f->width)
                    continue;
                real *to = dimage + ((size_t)row * (size_t)f->width + (size_t)col) * COLOURS;
                for (int c = 0; c < COLOURS; c++)
                    to[c] += taps[c];
            }
        }
}

/* dmap[0], of the stem's output -> dimage. A position's gradients of all its taps are one product with the weights. */
static void stem_backward(X(encoder_gradient) *g, real *dimage)
{
    const mbconv_frame *f = &g->stem_frame;
    const size_t row = (size_t)f->shape.cols * (size_t)g->stem.out;
    const int taps = g->stem.kernel * g->stem.kernel * COLOURS;
    X(multiply)((size_t)f->shape.rows * row, g->dmap[0], g->stem_slope);
    memset(dimage, 0, (size_t)f->height * (size_t)f->width * COLOURS * sizeof *dimage);
    for (int y = 0; y < f->shape.rows; y++) {
        gemm_nt(f->shape.cols, taps, g->stem.out, g->dmap[0] + (size_t)y * row, g->stem.weight, 0, g->taps);
        spread_taps(f, y, g->taps, dimage);
    }
}

void X(encoder_gradient_backward)(X(encoder_gradient) *g, const X(encoder_seeds) *seeds, real *dimage)
{
    const real *dmap;
    X(encoder_gradient_until)(g, seeds, 0, &dmap);
    stem_backward(g, dimage);
}
