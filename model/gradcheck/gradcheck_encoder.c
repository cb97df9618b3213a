/* gradcheck_encoder.c: the encoder's operations as subjects of the gradient check, and a whole encoder.
 *
 * Only the gradient of the input exists here: weights are constants, drawn once from a fixed seed. The whole encoder is
 * a miniature, EfficientNet-B0's blocks with an eighth of its channels on a picture of 32 x 32, followed back in random
 * directions: input k is how far the picture is moved in direction k. Its outputs are all that seeds can be given for.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/encoder/encoder_gradient.h"
#include "model/encoder/encoder_weights.h"
#include "model/gradcheck/gradcheck_subject.h"
#include "model/kernels/activation.h"
#include "model/layers/mbconv.h"
#include "model/layers/squeeze_excite.h"
#include "model/random.h"

static double *take(gradcheck_bench *b, size_t n)
{
    return arena_take(&b->scratch, n, sizeof(double));
}

/* Constants of about unit size: the same in every pass. */
static double *constants(gradcheck_bench *b, size_t n, uint64_t seed, double size)
{
    random_stream random = random_seeded(seed);
    double *x = take(b, n);
    for (size_t i = 0; i < n; i++)
        x[i] = size * (2 * random_uniform(&random) - 1);
    return x;
}

/* ---- swish, squeeze-and-excitation ------------------------------------------------------------------------------- */

enum { ROWS = 3, E = 5, R = 2 };

static double *swish_slope(gradcheck_bench *b, double *out)
{
    double *slope = take(b, ROWS * E);
    X(vector_bias_swish_slope)(ROWS, E, b->in[0], constants(b, E, 1, 1), out, slope);
    return slope;
}

static void swish(gradcheck_bench *b)
{
    swish_slope(b, b->out);
}

static void swish_back(gradcheck_bench *b)
{
    const double *slope = swish_slope(b, take(b, ROWS * E));
    for (int i = 0; i < ROWS * E; i++)
        b->gradient[0][i] = b->dout[i] * slope[i];
}

static X(squeeze_excite) gate_of(gradcheck_bench *b)
{
    return (X(squeeze_excite)){
        E, R, constants(b, E * R, 2, 2), constants(b, R, 3, 1), constants(b, R * E, 4, 2), constants(b, E, 5, 1)};
}

static void squeeze_excite(gradcheck_bench *b)
{
    const X(squeeze_excite) w = gate_of(b);
    X(squeeze_excite_forward)(&w, b->in[0], b->out, take(b, E), take(b, R), take(b, R));
}

static void squeeze_excite_back(gradcheck_bench *b)
{
    const X(squeeze_excite) w = gate_of(b);
    double *gate_slope = take(b, E), *reduce_slope = take(b, R), *reduced = take(b, R), *dgate = take(b, E);
    X(squeeze_excite_forward)(&w, b->in[0], take(b, E), gate_slope, reduce_slope, reduced);
    memcpy(dgate, b->dout, E * sizeof *dgate);
    X(squeeze_excite_backward)(&w, gate_slope, reduce_slope, dgate, b->gradient[0], reduced);
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

enum { HEIGHT = 5, WIDTH = 9, IN = 3, OUT = 4, HALF = ((HEIGHT + 1) / 2) * ((WIDTH + 1) / 2) };

static X(filter) filter_of(gradcheck_bench *b, int kernel, int stride, int in, int out, uint64_t seed)
{
    const size_t size = (size_t)(kernel * kernel * in * out);
    return (X(filter)){kernel, stride, in, out, constants(b, size, seed, 1), constants(b, (size_t)out, seed + 1, 1)};
}

typedef struct block {
    X(mbconv) weights;
    mbconv_frame frame;
    X(mbconv_kept) kept;
    X(mbconv_scratch) scratch;
} block;

static void take_all(gradcheck_bench *b, double **slots, const size_t *count, int n)
{
    for (int i = 0; i < n; i++)
        slots[i] = take(b, count[i]);
}

static block block_of(gradcheck_bench *b, int kernel, int stride, int expands, int out)
{
    size_t kept[MBCONV_KEPT], scratch[MBCONV_SCRATCH];
    const int channels = expands ? E : IN;
    block k = {.weights = {.depthwise = filter_of(b, kernel, stride, 1, channels, 12),
                           .reduce = filter_of(b, 1, 1, channels, R, 14),
                           .excite = filter_of(b, 1, 1, R, channels, 16),
                           .project = filter_of(b, 1, 1, channels, out, 18),
                           .residual = stride == 1 && out == IN}};
    if (expands)
        k.weights.expand = filter_of(b, 1, 1, IN, E, 10);
    k.frame = X(mbconv_frame_of)(HEIGHT, WIDTH, &k.weights.depthwise);
    X(mbconv_kept_sizes)(&k.weights, &k.frame, kept);
    X(mbconv_scratch_sizes)(&k.weights, &k.frame, scratch);
    take_all(b, (double **)&k.kept, kept, MBCONV_KEPT);
    take_all(b, (double **)&k.scratch, scratch, MBCONV_SCRATCH);
    X(mbconv_forward)(&k.weights, &k.frame, b->in[0], &k.kept, &k.scratch);
    return k;
}

static size_t outputs_of(const block *k)
{
    return (size_t)(k->frame.shape.rows * k->frame.shape.cols * k->weights.project.out);
}

#define BLOCK(name, kernel, stride, expands, channels)                                                                 \
    static void name(gradcheck_bench *b)                                                                               \
    {                                                                                                                  \
        const block k = block_of(b, kernel, stride, expands, channels);                                                \
        memcpy(b->out, k.kept.out, outputs_of(&k) * sizeof(double));                                                   \
    }                                                                                                                  \
    static void name##_back(gradcheck_bench *b)                                                                        \
    {                                                                                                                  \
        const block k = block_of(b, kernel, stride, expands, channels);                                                \
        X(mbconv_backward)(&k.weights, &k.frame, &k.kept, b->dout, b->gradient[0], &k.scratch);                        \
    }
BLOCK(residual_3x3, 3, 1, 1, IN)
BLOCK(plain_5x5, 5, 1, 1, OUT)
BLOCK(strided_3x3, 3, 2, 1, OUT)
BLOCK(strided_5x5, 5, 2, 1, OUT)
BLOCK(unexpanded, 3, 1, 0, OUT)

/* ---- depthwise convolution alone --------------------------------------------------------------------------------- */

/* x and a slope of ones: the sum before swish is what is differentiated, so its swish is undone by its slope. */
static double *depthwise_slope(gradcheck_bench *b, const mbconv_frame *f, double *out)
{
    const size_t outputs = (size_t)(f->shape.rows * f->shape.cols * IN), row = (size_t)f->framed_width * IN;
    double *framed = take(b, (size_t)f->framed_height * row), *slope = take(b, outputs);
    memset(framed, 0, (size_t)f->framed_height * row * sizeof *framed);
    for (int y = 0; y < HEIGHT; y++)
        memcpy(framed + (size_t)(f->top + y) * row + (size_t)(f->left * IN), b->in[0] + y * WIDTH * IN,
               WIDTH * IN * sizeof *framed);
    const X(filter) w = filter_of(b, f->shape.kernel, f->shape.stride, 1, IN, 20);
    X(depthwise_bias_swish_slope)(&f->shape, framed, w.weight, w.bias, out, slope, take(b, (size_t)f->shape.rows * IN));
    return slope;
}

static mbconv_frame depthwise_frame(gradcheck_bench *b)
{
    const X(filter) w = filter_of(b, 5, 2, 1, IN, 20);
    return X(mbconv_frame_of)(HEIGHT, WIDTH, &w);
}

static void depthwise(gradcheck_bench *b)
{
    const mbconv_frame f = depthwise_frame(b);
    depthwise_slope(b, &f, b->out);
}

static void depthwise_back(gradcheck_bench *b)
{
    enum { REACH = 2, ROOM = 16 }; /* (kernel - 1) / stride, and more than any side here with it */
    const mbconv_frame f = depthwise_frame(b);
    const double *slope = depthwise_slope(b, &f, take(b, HALF * IN));
    double *framed = take(b, ROOM * ROOM * IN);
    const size_t row = ROOM * IN;
    memset(framed, 0, ROOM * row * sizeof *framed);
    for (int y = 0; y < f.shape.rows; y++)
        for (int i = 0; i < f.shape.cols * IN; i++) {
            const int at = y * f.shape.cols * IN + i;
            framed[(size_t)(y + REACH) * row + (size_t)(REACH * IN + i)] = b->dout[at] * slope[at];
        }
    const X(filter) w = filter_of(b, 5, 2, 1, IN, 20);
    for (int y = 0; y < HEIGHT; y++)
        X(depthwise_backward)(&f.shape, f.top + y, f.left, WIDTH, row,
                              framed + (size_t)(REACH + (f.top + y) / 2) * row + REACH * IN, w.weight, NULL,
                              b->gradient[0] + y * WIDTH * IN);
}

/* ---- the whole encoder ------------------------------------------------------------------------------------------- */

enum {
    SHARE = 8, /* of EfficientNet-B0's channels */
    SIDE = 32,
    IMAGE = SIDE * SIDE * 3,
    DIRECTIONS = 6,
    CLASSES = 10,
    FEATURES = CAPTION_FEATURES / SHARE,
    LAST_MAP = 320 / SHARE, /* of the last block, 1 x 1 */
    EARLY = 3,              /* a block in the middle of the way */
    EARLY_MAP = 8 * 8 * (24 / SHARE),
    ENCODER_OUTPUTS = CLASSES + 2 * FEATURES + LAST_MAP + EARLY_MAP,
};

static int shrink(void *context, const char *name, encoder_layer *l)
{
    (void)context;
    (void)name;
    l->in = l->in > 3 ? (l->in + SHARE - 1) / SHARE : l->in; /* neither colours nor a depthwise filter's 1 */
    l->out = l->out == CAPTION_CLASSES ? CLASSES : (l->out + SHARE - 1) / SHARE;
    return 0;
}

static int count(void *context, const char *name, encoder_layer *l)
{
    (void)name;
    *(size_t *)context += encoder_layer_size(l) + (size_t)l->out;
    return 0;
}

typedef struct filling {
    float *next;
    random_stream random;
} filling;

/* Uniform, of a variance that keeps activations at their size. */
static int fill(void *context, const char *name, encoder_layer *l)
{
    filling *f = context;
    const size_t size = encoder_layer_size(l), out = (size_t)l->out;
    const double spread = 3 / sqrt((double)size / (double)out);
    (void)name;
    l->weight = f->next;
    l->bias = f->next + size;
    for (size_t i = 0; i < size + out; i++)
        *f->next++ = (float)((i < size ? spread : 0.5) * (2 * random_uniform(&f->random) - 1));
    return 0;
}

/* Malloc'd with its weights; released with caption_encoder_release. NULL: no memory. */
static caption_encoder *miniature(void)
{
    caption_encoder *e = calloc(1, sizeof *e);
    size_t numbers = 0;
    if (!e)
        return NULL;
    atomic_init(&e->references, 1);
    pthread_mutex_init(&e->making, NULL);
    encoder_network_init(&e->network);
    encoder_network_each(&e->network, shrink, NULL);
    encoder_network_each(&e->network, count, &numbers);
    if (arena_reserve(&e->plain, numbers * sizeof(float), NULL) != CAPTION_OK) {
        caption_encoder_release(e);
        return NULL;
    }
    filling f = {(float *)(void *)e->plain.base, random_seeded(30)};
    encoder_network_each(&e->network, fill, &f);
    return e;
}

/* The picture: noise, and the directions that it is moved in. */
static void draw_image(const double *distance, double *image)
{
    random_stream random = random_seeded(31);
    for (int i = 0; i < IMAGE; i++) {
        image[i] = 2 * random_uniform(&random) - 1;
        for (int k = 0; k < DIRECTIONS; k++)
            image[i] += distance[k] * (2 * random_uniform(&random) - 1);
    }
}

static void along_directions(const double *dimage, double *gradient)
{
    random_stream random = random_seeded(31);
    memset(gradient, 0, DIRECTIONS * sizeof *gradient);
    for (int i = 0; i < IMAGE; i++) {
        random_uniform(&random);
        for (int k = 0; k < DIRECTIONS; k++)
            gradient[k] += dimage[i] * (2 * random_uniform(&random) - 1);
    }
}

/* The network after a forward pass, or NULL. */
static X(encoder_gradient) *encoder_run(gradcheck_bench *b)
{
    caption_encoder *e = miniature();
    X(encoder_gradient) *g = NULL;
    double *image = take(b, IMAGE);
    draw_image(b->in[0], image);
    if (e && X(encoder_gradient_new)(&g, e, SIDE, SIDE, NULL) == CAPTION_OK)
        X(encoder_gradient_forward)(g, image, ENCODER_LOGITS);
    caption_encoder_release(e);
    return g;
}

static void encoder(gradcheck_bench *b)
{
    double *out = b->out;
    X(encoder_gradient) *g = encoder_run(b);
    for (int i = 0; i < ENCODER_OUTPUTS && !g; i++)
        out[i] = NAN; /* no memory: the check fails */
    if (!g)
        return;
    memcpy(out, X(encoder_gradient_logits)(g), CLASSES * sizeof *out);
    memcpy(out += CLASSES, X(encoder_gradient_features)(g), FEATURES * sizeof *out);
    memcpy(out += FEATURES, X(encoder_gradient_map)(g, ENCODER_HEAD).values, FEATURES * sizeof *out);
    memcpy(out += FEATURES, X(encoder_gradient_map)(g, ENCODER_HEAD - 1).values, LAST_MAP * sizeof *out);
    memcpy(out += LAST_MAP, X(encoder_gradient_map)(g, EARLY).values, EARLY_MAP * sizeof *out);
    X(encoder_gradient_free)(g);
}

static void encoder_back(gradcheck_bench *b)
{
    X(encoder_gradient) *g = encoder_run(b);
    X(encoder_seeds) seeds = {.logits = b->dout, .features = b->dout + CLASSES};
    double *dimage = take(b, IMAGE);
    if (!g)
        return;
    seeds.map[ENCODER_HEAD] = seeds.features + FEATURES;
    seeds.map[ENCODER_HEAD - 1] = seeds.map[ENCODER_HEAD] + FEATURES;
    seeds.map[EARLY] = seeds.map[ENCODER_HEAD - 1] + LAST_MAP;
    X(encoder_gradient_backward)(g, &seeds, dimage);
    along_directions(dimage, b->gradient[0]);
    X(encoder_gradient_free)(g);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

/* clang-format off */
#define MAP {{"dx", 1e-7, SETS, {HEIGHT, WIDTH, IN}}}
static const gradcheck_subject subjects[] = {
    {"swish", 1e-3, {{"dx", 1e-8, SETS, {ROWS, E}}}, ROWS * E, swish, swish_back},
    {"squeeze_excite", 1e-3, {{"dmean", 1e-8, SETS, {E}}}, E, squeeze_excite, squeeze_excite_back},
    {"depthwise", 1e-3, MAP, HALF * IN, depthwise, depthwise_back},
    {"mbconv_residual", 1e-3, MAP, HEIGHT * WIDTH * IN, residual_3x3, residual_3x3_back},
    {"mbconv_5x5", 1e-3, MAP, HEIGHT * WIDTH * OUT, plain_5x5, plain_5x5_back},
    {"mbconv_strided", 1e-3, MAP, HALF * OUT, strided_3x3, strided_3x3_back},
    {"mbconv_5x5_strided", 1e-3, MAP, HALF * OUT, strided_5x5, strided_5x5_back},
    {"mbconv_unexpanded", 1e-3, MAP, HEIGHT * WIDTH * OUT, unexpanded, unexpanded_back},
    {"encoder", 1e-4, {{"dimage", 1e-6, SETS, {DIRECTIONS}}}, ENCODER_OUTPUTS, encoder, encoder_back},
};
/* clang-format on */

const gradcheck_subject *gradcheck_encoder(size_t i)
{
    return i < sizeof subjects / sizeof *subjects ? &subjects[i] : NULL;
}
