/* test_encoder_gradient.c: the shipped encoder followed back to the pixels, held against itself: against the fast
 * forward pass in float, and in double against differences along random directions of the whole picture. */
#define REAL_IS_DOUBLE
#include "model/encoder/encoder_gradient.h"

/* The float functions that are called here, declared by hand: a header has one precision. */
typedef struct encoder_gradient_f encoder_gradient_f;
int encoder_gradient_new_f(encoder_gradient_f **out, caption_encoder *encoder, int height, int width,
                           caption_error *err);
void encoder_gradient_free_f(encoder_gradient_f *g);
void encoder_gradient_forward_f(encoder_gradient_f *g, const float *image, int last);
const float *encoder_gradient_logits_f(const encoder_gradient_f *g);

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/random.h"

enum { DIRECTIONS = 3, SIDE = CAPTION_IMAGE_SIDE };

static caption_encoder *encoder;

static int open_encoder(void **state)
{
    (void)state;
    caption_init();
    return caption_encoder_open(&encoder, "weights/efficientnet-b0.safetensors", NULL);
}

static int close_encoder(void **state)
{
    (void)state;
    caption_encoder_release(encoder);
    return 0;
}

static double *noise(size_t n, uint64_t seed)
{
    random_stream random = random_seeded(seed);
    double *x = malloc(n * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = 2 * random_uniform(&random) - 1;
    return x;
}

/* What seeds are given for: some logits, and every layer's map. */
typedef struct quantity {
    double *logits, *map[ENCODER_LAYERS];
    size_t size[ENCODER_LAYERS];
} quantity;

static quantity quantity_of(const encoder_gradient_d *g)
{
    quantity q = {.logits = noise(CAPTION_CLASSES, 1)};
    for (int layer = 0; layer < ENCODER_LAYERS; layer++) {
        const encoder_map_d map = encoder_gradient_map_d(g, layer);
        q.size[layer] = (size_t)map.height * (size_t)map.width * (size_t)map.channels;
        q.map[layer] = noise(q.size[layer], 2 + (uint64_t)layer);
    }
    return q;
}

static double value_at(encoder_gradient_d *g, const quantity *q, const double *x, const double *direction, double by,
                       size_t n)
{
    double sum = 0, *moved = malloc(n * sizeof *moved);
    assert_non_null(moved);
    for (size_t i = 0; i < n; i++)
        moved[i] = x[i] + by * direction[i];
    encoder_gradient_forward_d(g, moved, ENCODER_LOGITS);
    for (int i = 0; i < CAPTION_CLASSES; i++)
        sum += q->logits[i] * encoder_gradient_logits_d(g)[i];
    for (int layer = 0; layer < ENCODER_LAYERS; layer++)
        for (size_t i = 0; i < q->size[layer]; i++)
            sum += q->map[layer][i] * encoder_gradient_map_d(g, layer).values[i];
    free(moved);
    return sum;
}

/* Richardson's combination of two central differences, as in numeric_gradient.h. */
static double numeric(encoder_gradient_d *g, const quantity *q, const double *x, const double *direction, size_t n)
{
    const double h = 1e-4;
    const double near = value_at(g, q, x, direction, h, n) - value_at(g, q, x, direction, -h, n);
    const double far = value_at(g, q, x, direction, 2 * h, n) - value_at(g, q, x, direction, -2 * h, n);
    return (8 * near - far) / (12 * h);
}

static void check_size(int height, int width)
{
    encoder_gradient_d *g;
    assert_int_equal(encoder_gradient_new_d(&g, encoder, height, width, NULL), CAPTION_OK);
    const size_t n = (size_t)height * (size_t)width * 3;
    double *x = noise(n, 40), *dimage = malloc(n * sizeof *dimage);
    quantity q = quantity_of(g);
    encoder_seeds_d seeds = {.logits = q.logits};
    for (int layer = 0; layer < ENCODER_LAYERS; layer++)
        seeds.map[layer] = q.map[layer];
    encoder_gradient_forward_d(g, x, ENCODER_LOGITS);
    encoder_gradient_backward_d(g, &seeds, dimage);
    for (int k = 0; k < DIRECTIONS; k++) {
        double *direction = noise(n, 50 + (uint64_t)k), analytic = 0;
        for (size_t i = 0; i < n; i++)
            analytic += dimage[i] * direction[i];
        const double expected = numeric(g, &q, x, direction, n);
        if (!(fabs(analytic - expected) <= 1e-7 * (fabs(analytic) + fabs(expected))))
            fail_msg("%d x %d, direction %d: %.12g, numerically %.12g", width, height, k, analytic, expected);
        free(direction);
    }
    for (int layer = 0; layer < ENCODER_LAYERS; layer++)
        free(q.map[layer]);
    free(q.logits);
    free(x);
    free(dimage);
    encoder_gradient_free_d(g);
}

static void image_gradient_is_the_derivative_along_random_directions(void **state)
{
    (void)state;
    check_size(64, 64);
    check_size(45, 83); /* sides that no stride divides */
}

static void a_seed_at_one_layer_alone_reaches_the_image(void **state)
{
    (void)state;
    encoder_gradient_d *g;
    assert_int_equal(encoder_gradient_new_d(&g, encoder, 32, 32, NULL), CAPTION_OK);
    double *x = noise(32 * 32 * 3, 1), *dimage = malloc(32 * 32 * 3 * sizeof *dimage);
    for (int layer = 0; layer < ENCODER_LAYERS; layer++) {
        encoder_seeds_d seeds = {0};
        const encoder_map_d map = encoder_gradient_map_d(g, layer);
        double *seed = noise((size_t)map.height * (size_t)map.width * (size_t)map.channels, 2), sum = 0;
        seeds.map[layer] = seed;
        encoder_gradient_forward_d(g, x, layer); /* no further than needed */
        encoder_gradient_backward_d(g, &seeds, dimage);
        for (int i = 0; i < 32 * 32 * 3; i++)
            sum += fabs(dimage[i]);
        assert_true(isfinite(sum) && sum > 0);
        free(seed);
    }
    encoder_gradient_backward_d(g, &(encoder_seeds_d){0}, dimage);
    for (int i = 0; i < 32 * 32 * 3; i++)
        assert_true(dimage[i] == 0);
    free(x);
    free(dimage);
    encoder_gradient_free_d(g);
}

static void keeping_slopes_changes_no_score(void **state)
{
    (void)state;
    static caption_image image;
    static float values[SIDE * SIDE * 3];
    static const float mean[3] = {123.675f, 116.28f, 103.53f}, std[3] = {58.395f, 57.12f, 57.375f};
    float logits[CAPTION_CLASSES];
    caption_session *session;
    encoder_gradient_f *g;
    for (int i = 0; i < SIDE * SIDE * 3; i++) {
        image.rgb[i] = (unsigned char)((i * 7 + i / 97 * 13) % 256);
        values[i] = ((float)image.rgb[i] - mean[i % 3]) / std[i % 3];
    }
    assert_int_equal(caption_session_new(&session, encoder, 1, NULL), CAPTION_OK);
    assert_int_equal(caption_classify(session, &image, logits, NULL), CAPTION_OK);
    assert_int_equal(encoder_gradient_new_f(&g, encoder, SIDE, SIDE, NULL), CAPTION_OK);
    encoder_gradient_forward_f(g, values, ENCODER_LOGITS);
    for (int i = 0; i < CAPTION_CLASSES; i++)
        assert_true(fabsf(logits[i] - encoder_gradient_logits_f(g)[i]) < 1e-3f);
    encoder_gradient_free_f(g);
    caption_session_free(session);
}

static void sizes_out_of_range_are_refused(void **state)
{
    (void)state;
    encoder_gradient_d *g;
    caption_error err;
    assert_int_equal(encoder_gradient_new_d(&g, encoder, 31, 64, &err), CAPTION_EINVAL);
    assert_null(g);
    assert_int_equal(encoder_gradient_new_d(&g, encoder, 64, 8193, &err), CAPTION_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(image_gradient_is_the_derivative_along_random_directions),
        cmocka_unit_test(a_seed_at_one_layer_alone_reaches_the_image),
        cmocka_unit_test(keeping_slopes_changes_no_score),
        cmocka_unit_test(sizes_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, open_encoder, close_encoder);
}
