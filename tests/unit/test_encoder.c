/* test_encoder.c: the encoder's forward pass against independent numbers, and against itself.
 *
 * Golden: tests/golden/README.md. Relative error of a tensor: the largest difference over its samples divided by the
 * largest magnitude in the whole tensor. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/encoder/encoder.h"
#include "tests/support/golden.h"

#define SHIPPED "weights/efficientnet-b0.safetensors"

enum { SIDE = 224, IMAGE_BYTES = SIDE * SIDE * 3, MAP_SIZE = 7 * 7 * CAPTION_FEATURES };

static const double f32_bound = 1e-5, f16_bound = 2e-3;

static caption_encoder *shipped;

static caption_encoder *open_encoder(const char *path)
{
    caption_error err;
    caption_encoder *encoder;
    if (caption_encoder_open(&encoder, path, &err) != CAPTION_OK)
        fail_msg("%s", err.message);
    return encoder;
}

static encoder_scratch *new_scratch(const caption_encoder *encoder, int height, int width)
{
    caption_error err;
    encoder_scratch *scratch;
    if (encoder_scratch_new(&scratch, encoder, height, width, &err) != CAPTION_OK)
        fail_msg("%s", err.message);
    return scratch;
}

static int open_shipped(void **state)
{
    (void)state;
    caption_init();
    shipped = open_encoder(SHIPPED);
    return 0;
}

static int close_shipped(void **state)
{
    (void)state;
    caption_encoder_release(shipped);
    return 0;
}

static void *zeroed(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    assert_non_null(memory);
    return memory;
}

/* The generated images that the golden files describe. */
static void draw(const char *name, int height, int width, unsigned char *rgb)
{
    const unsigned char inside[3] = {220, 40, 30}, outside[3] = {40, 120, 200};
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, rgb += 3)
            for (int c = 0; c < 3; c++)
                if (strcmp(name, "waves") == 0)
                    rgb[c] = (unsigned char)((7 * x * (c + 1) + 13 * y + x * y % 31) % 256);
                else
                    rgb[c] = ((x - 112) * (x - 112) + (y - 100) * (y - 100) < 3600 ? inside : outside)[c];
}

/* ---- golden numbers ----------------------------------------------------------------------------------------- */

typedef struct comparison {
    const cJSON *tensors; /* the golden tensors of one case */
    double bound, worst;
} comparison;

static void compare(comparison *c, int index, int ndims, const int *dims, const float *values)
{
    const cJSON *golden = cJSON_GetArrayItem(c->tensors, index);
    size_t count = 1;
    for (int i = 0; i < ndims; i++) {
        assert_int_equal(dims[i], golden_at(golden_member(golden, "shape"), i));
        count *= (size_t)dims[i];
    }
    double error = golden_error(golden, count, values);
    if (!(error <= c->bound))
        fail_msg("%s: relative error %.3g is over %.3g", golden_text(golden, "name"), error, c->bound);
    c->worst = error > c->worst ? error : c->worst;
}

static void compare_block(void *context, int image, int block, int height, int width, int channels, const float *map)
{
    assert_int_equal(image, 0);
    compare(context, block, 3, (const int[]){height, width, channels}, map);
}

static double check_case(const caption_encoder *encoder, const cJSON *golden_case, double bound)
{
    const int height = (int)golden_number(golden_case, "height"), width = (int)golden_number(golden_case, "width");
    const int rows = (height + 31) / 32, cols = (width + 31) / 32;
    comparison c = {golden_member(golden_case, "tensors"), bound, 0};
    unsigned char *pixels = zeroed((size_t)(height * width), 3);
    float *map = zeroed((size_t)(rows * cols), CAPTION_FEATURES * sizeof *map);
    float features[CAPTION_FEATURES], logits[CAPTION_CLASSES];
    const encoder_outputs out = {map, features, logits, compare_block, &c, NULL};
    encoder_scratch *scratch = new_scratch(encoder, height, width);
    draw(golden_text(golden_case, "image"), height, width, pixels);

    encoder_forward(encoder, scratch, 1, pixels, &out);
    compare(&c, ENCODER_BLOCKS + 1, 3, (const int[]){rows, cols, CAPTION_FEATURES}, map);
    compare(&c, ENCODER_BLOCKS + 2, 1, (const int[]){CAPTION_FEATURES}, features);
    compare(&c, ENCODER_BLOCKS + 3, 1, (const int[]){CAPTION_CLASSES}, logits);

    encoder_scratch_free(scratch);
    free(pixels);
    free(map);
    return c.worst;
}

/* Checks all cases computed with `weights` ("F16" or "F32"). */
static void check_cases(const caption_encoder *encoder, const char *weights, double bound)
{
    cJSON *golden = golden_open("tests/golden/encoder_blocks.json");
    const cJSON *golden_case;
    int cases = 0;
    cJSON_ArrayForEach(golden_case, golden_member(golden, "cases"))
    {
        if (strcmp(golden_text(golden_case, "weights"), weights) != 0)
            continue;
        double worst = check_case(encoder, golden_case, bound);
        print_message("# %s, %s: largest relative error %.2g\n", golden_text(golden_case, "image"), weights, worst);
        cases++;
    }
    assert_int_equal(cases, 3);
    cJSON_Delete(golden);
}

static void every_block_agrees_with_pytorch_on_the_shipped_weights(void **state)
{
    (void)state;
    check_cases(shipped, "F16", f32_bound);
}

static void rounding_to_f16_costs_little_against_the_published_weights(void **state)
{
    (void)state;
    check_cases(shipped, "F32", f16_bound);
}

/* Not committed (20 MB), so this runs where someone made it: the command is in tests/golden/README.md. */
static void every_block_agrees_with_pytorch_on_the_published_weights(void **state)
{
    (void)state;
    const char *path = "build/efficientnet-b0-f32.safetensors";
    if (access(path, R_OK) != 0) {
        print_message("# %s is not there\n", path);
        skip();
    }
    caption_encoder *encoder = open_encoder(path);
    check_cases(encoder, "F32", f32_bound);
    caption_encoder_release(encoder);
}

static int largest(const float *values, int count)
{
    int best = 0;
    for (int i = 1; i < count; i++)
        best = values[i] > values[best] ? i : best;
    return best;
}

/* An older file of golden numbers, made by other code than encoder_blocks.json. */
static void check_published(const char *name, const cJSON *golden)
{
    static unsigned char pixels[IMAGE_BYTES];
    static float map[MAP_SIZE];
    float features[CAPTION_FEATURES], logits[CAPTION_CLASSES];
    double scale = 0, error = 0, sum = 0, magnitude = 0, partition = 0;
    encoder_scratch *scratch = new_scratch(shipped, SIDE, SIDE);
    draw(name, SIDE, SIDE, pixels);
    encoder_forward(shipped, scratch, 1, pixels,
                    &(encoder_outputs){.map = map, .features = features, .logits = logits});
    encoder_scratch_free(scratch);

    for (int i = 0; i < CAPTION_FEATURES; i++) {
        double want = golden_at(golden_member(golden, "features"), i);
        scale = fmax(scale, fabs(want));
        error = fmax(error, fabs(features[i] - want));
    }
    assert_true(error <= f16_bound * scale);
    for (int i = 0; i < 8; i++)
        assert_true(fabs(map[i] - golden_at(golden_member(golden, "map_corner"), i)) <= f16_bound * scale);
    for (int i = 0; i < MAP_SIZE; i++) {
        sum += map[i];
        magnitude += fabsf(map[i]);
    }
    assert_true(fabs(sum - golden_number(golden, "map_sum")) <= f16_bound * magnitude);

    const cJSON *first = cJSON_GetArrayItem(golden_member(golden, "top5"), 0);
    int best = largest(logits, CAPTION_CLASSES);
    for (int i = 0; i < CAPTION_CLASSES; i++)
        partition += exp((double)logits[i] - logits[best]);
    assert_int_equal(best, golden_at(first, 0));
    assert_true(fabs(1 / partition - golden_at(first, 1)) <= 5 * f16_bound); /* a probability: exponents magnify */
}

static void features_and_classes_agree_with_the_first_golden_file(void **state)
{
    (void)state;
    cJSON *golden = golden_open("tests/golden/efficientnet_b0.json");
    const cJSON *images = golden_member(golden, "images");
    check_published("waves", golden_member(images, "waves"));
    check_published("disc", golden_member(images, "disc"));
    cJSON_Delete(golden);
}

/* ---- properties --------------------------------------------------------------------------------------------- */

static void a_batch_gives_what_single_images_give(void **state)
{
    (void)state;
    enum { N = 3 };
    unsigned char *pixels = zeroed(N, IMAGE_BYTES);
    float *maps = zeroed(N * MAP_SIZE, sizeof *maps), *map = zeroed(MAP_SIZE, sizeof *map);
    float *features = zeroed(N * CAPTION_FEATURES, sizeof *features), alone[CAPTION_FEATURES];
    float *logits = zeroed(N * CAPTION_CLASSES, sizeof *logits), scores[CAPTION_CLASSES];
    encoder_scratch *scratch = new_scratch(shipped, SIDE, SIDE);
    draw("waves", SIDE, SIDE, pixels);
    draw("disc", SIDE, SIDE, pixels + IMAGE_BYTES);
    memset(pixels + 2 * IMAGE_BYTES, 255, IMAGE_BYTES);

    encoder_forward(shipped, scratch, N, pixels, &(encoder_outputs){maps, features, logits, NULL, NULL, NULL});
    for (int i = 0; i < N; i++) {
        encoder_forward(shipped, scratch, 1, pixels + i * IMAGE_BYTES,
                        &(encoder_outputs){map, alone, scores, NULL, NULL, NULL});
        assert_memory_equal(maps + i * MAP_SIZE, map, MAP_SIZE * sizeof *map);
        assert_memory_equal(features + i * CAPTION_FEATURES, alone, sizeof alone);
        assert_memory_equal(logits + i * CAPTION_CLASSES, scores, sizeof scores);
    }
    encoder_scratch_free(scratch);
    free(pixels);
    free(maps);
    free(map);
    free(features);
    free(logits);
}

static void keep_last_block(void *context, int image, int block, int height, int width, int channels,
                            const float *activation)
{
    float *maps = context;
    assert_int_equal(height * width * channels, block == ENCODER_BLOCKS ? CAPTION_MAP : height * width * channels);
    if (block == ENCODER_BLOCKS)
        memcpy(maps + image * CAPTION_MAP, activation, CAPTION_MAP * sizeof *maps);
}

static void the_local_map_is_what_the_last_block_gives(void **state)
{
    (void)state;
    enum { N = 2 };
    unsigned char *pixels = zeroed(N, IMAGE_BYTES);
    float *observed = zeroed(N * CAPTION_MAP, sizeof *observed), *local = zeroed(N * CAPTION_MAP, sizeof *local);
    encoder_scratch *scratch = new_scratch(shipped, SIDE, SIDE);
    draw("waves", SIDE, SIDE, pixels);
    draw("disc", SIDE, SIDE, pixels + IMAGE_BYTES);
    encoder_forward(shipped, scratch, N, pixels,
                    &(encoder_outputs){.observe = keep_last_block, .context = observed, .local = local});
    assert_memory_equal(observed, local, N * CAPTION_MAP * sizeof *local);
    assert_memory_not_equal(local, local + CAPTION_MAP, CAPTION_MAP * sizeof *local);
    encoder_scratch_free(scratch);
    free(pixels);
    free(observed);
    free(local);
}

static void outputs_that_are_not_wanted_change_nothing(void **state)
{
    (void)state;
    static unsigned char pixels[IMAGE_BYTES];
    static float map[MAP_SIZE];
    float features[CAPTION_FEATURES], only_features[CAPTION_FEATURES];
    float logits[CAPTION_CLASSES], only_logits[CAPTION_CLASSES];
    encoder_scratch *scratch = new_scratch(shipped, SIDE, SIDE);
    draw("disc", SIDE, SIDE, pixels);
    encoder_forward(shipped, scratch, 1, pixels, &(encoder_outputs){map, features, logits, NULL, NULL, NULL});
    encoder_forward(shipped, scratch, 1, pixels, &(encoder_outputs){.features = only_features});
    encoder_forward(shipped, scratch, 1, pixels, &(encoder_outputs){.logits = only_logits});
    assert_memory_equal(features, only_features, sizeof features);
    assert_memory_equal(logits, only_logits, sizeof logits);
    encoder_scratch_free(scratch);
}

static void every_instruction_set_gives_the_same_features(void **state)
{
    (void)state;
    const char *const sets[] = {"baseline", "avx2", "avx512"};
    static unsigned char pixels[IMAGE_BYTES];
    float first[CAPTION_FEATURES], features[CAPTION_FEATURES];
    encoder_scratch *scratch = new_scratch(shipped, SIDE, SIDE);
    draw("waves", SIDE, SIDE, pixels);
    for (int set = 0; set < 3; set++) {
        setenv("CAPTION_SIMD", sets[set], 1);
        caption_init();
        if (strcmp(caption_simd_name(), sets[set]) != 0) /* this CPU has no such set */
            continue;
        encoder_forward(shipped, scratch, 1, pixels, &(encoder_outputs){.features = features});
        if (set == 0)
            memcpy(first, features, sizeof first);
        const float scale = fabsf(first[largest(first, CAPTION_FEATURES)]);
        for (int i = 0; i < CAPTION_FEATURES; i++)
            assert_true(fabsf(features[i] - first[i]) <= f32_bound * scale);
    }
    unsetenv("CAPTION_SIMD");
    caption_init();
    encoder_scratch_free(scratch);
}

/* Under AddressSanitizer this is also the proof that no kernel reads or writes past a buffer. */
static void images_of_any_size_run(void **state)
{
    (void)state;
    const int sizes[][2] = {{32, 32}, {33, 32}, {47, 150}, {225, 63}, {64, 257}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int height = sizes[i][0], width = sizes[i][1];
        float features[CAPTION_FEATURES];
        unsigned char *pixels = zeroed((size_t)(height * width), 3);
        encoder_scratch *scratch = new_scratch(shipped, height, width);
        draw("waves", height, width, pixels);
        encoder_forward(shipped, scratch, 1, pixels, &(encoder_outputs){.features = features});
        for (int c = 0; c < CAPTION_FEATURES; c++)
            assert_true(isfinite(features[c]));
        encoder_scratch_free(scratch);
        free(pixels);
    }
}

static void impossible_image_sizes_are_refused(void **state)
{
    (void)state;
    const int sizes[][2] = {{31, 224}, {224, 31}, {0, 0}, {-224, 224}, {1 << 30, 224}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        caption_error err;
        encoder_scratch *scratch;
        assert_int_equal(encoder_scratch_new(&scratch, shipped, sizes[i][0], sizes[i][1], &err), CAPTION_EINVAL);
        assert_null(scratch);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_block_agrees_with_pytorch_on_the_shipped_weights),
        cmocka_unit_test(rounding_to_f16_costs_little_against_the_published_weights),
        cmocka_unit_test(every_block_agrees_with_pytorch_on_the_published_weights),
        cmocka_unit_test(features_and_classes_agree_with_the_first_golden_file),
        cmocka_unit_test(a_batch_gives_what_single_images_give),
        cmocka_unit_test(the_local_map_is_what_the_last_block_gives),
        cmocka_unit_test(outputs_that_are_not_wanted_change_nothing),
        cmocka_unit_test(every_instruction_set_gives_the_same_features),
        cmocka_unit_test(images_of_any_size_run),
        cmocka_unit_test(impossible_image_sizes_are_refused),
    };
    return cmocka_run_group_tests(tests, open_shipped, close_shipped);
}
