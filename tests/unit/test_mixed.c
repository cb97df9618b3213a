/* test_mixed.c: mixed precision: products with bfloat16 factors against plain loops in double, and what they make of
 * the gradients of a captioner. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/caption.h"
#include "model/decoder/decoder.h"
#include "model/decoder/decoder_init.h"
#include "model/kernels/cpu.h"
#include "model/kernels/gemm.h"
#include "model/random.h"

static void need_bf16(void)
{
    if (!mixed_available()) {
        print_message("this CPU has no AVX512-BF16\n");
        skip();
    }
}

/* Exactly sized, so that AddressSanitizer sees an overrun. */
static float *drawn(size_t n, random_stream *random)
{
    float *x = malloc(n * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)ldexp(2 * random_uniform(random) - 1, (int)random_below(random, 8) - 4);
    return x;
}

/* ---- rounding ---------------------------------------------------------------------------------------------------- */

static float rounded_by_bits(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    bits += 0x7fff + (bits >> 16 & 1); /* to nearest, ties to even */
    bits &= 0xffff0000;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Of a product with the unit matrix nothing is left but the rounding of the factor. */
static void factors_are_rounded_to_nearest_even(void **state)
{
    (void)state;
    need_bf16();
    enum { SIDE = 64 };
    static float x[SIDE * SIDE], unit[SIDE * SIDE], y[SIDE * SIDE];
    random_stream random = random_seeded(16);
    mixed *m;
    for (int i = 0; i < SIDE * SIDE; i++) {
        uint32_t bits = (uint32_t)random_bits(&random) & 0xbfffffff; /* finite */
        bits = i % 3 == 0 ? (bits & 0xffff0000) | 0x8000 : bits;     /* a tie */
        bits |= 0x10000000;                                          /* normal */
        memcpy(&x[i], &bits, sizeof bits);
        unit[i] = i / SIDE == i % SIDE;
    }
    assert_int_equal(mixed_new(&m, 0, NULL), CAPTION_OK);
    mixed_begin(m, NULL, 0);
    gemm(SIDE, SIDE, SIDE, x, unit, 0, y);
    mixed_end();
    for (int i = 0; i < SIDE * SIDE; i++)
        assert_true(y[i] == rounded_by_bits(x[i]));
    mixed_free(m);
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

enum variant { NN, TN, NT };

/* bfloat16 has 8 digits: each factor is off by 2^-8 of it at most, so their product by 2^-7 + 2^-16; the sums are in
 * float. */
static double bound(int k, double magnitude)
{
    return (0x1p-7 + 0x1p-16 + (k + 2) * 0x1p-23) * magnitude;
}

static void expect_product(enum variant v, int m, int n, int k, const float *a, const float *b, float beta,
                           const float *before, const float *c)
{
    size_t a_row = v == TN ? 1 : (size_t)k, a_col = v == TN ? (size_t)m : 1;
    size_t b_row = v == NT ? 1 : (size_t)n, b_col = v == NT ? (size_t)k : 1;
    for (int i = 0; i < m; i++)
        for (int j = 0; j < n; j++) {
            double sum = beta * before[i * n + j], magnitude = fabs(sum);
            for (int p = 0; p < k; p++) {
                double product =
                    (double)a[(size_t)i * a_row + (size_t)p * a_col] * b[(size_t)p * b_row + (size_t)j * b_col];
                sum += product;
                magnitude += fabs(product);
            }
            if (!(fabs(c[i * n + j] - sum) <= bound(k, magnitude)))
                fail_msg("variant %d, [%d, %d, %d], beta %g: C[%d, %d] is %.9g, not %.9g +- %.2g", v, m, n, k, beta, i,
                         j, c[i * n + j], sum, bound(k, magnitude));
        }
}

static bf16_factor first_factor(enum variant v, int m, int k, const float *a)
{
    return v == TN ? (bf16_factor){a, 1, (size_t)m} : (bf16_factor){a, (size_t)k, 1};
}

static bf16_factor second_factor(enum variant v, int n, int k, const float *b)
{
    return v == NT ? (bf16_factor){b, 1, (size_t)k} : (bf16_factor){b, (size_t)n, 1};
}

/* All variants, set and added to; B packed for this product, and before it. */
static void check_kernels(const bf16_kernels *kernels, int m, int n, int k)
{
    random_stream random = random_seeded((uint64_t)(m * 1000003 + n * 1009 + k));
    size_t size = (size_t)m * (size_t)n, packed_bytes = bf16_packed_size(k, n) * sizeof(bf16_pair);
    float *a = drawn((size_t)m * (size_t)k, &random), *b = drawn((size_t)n * (size_t)k, &random);
    float *before = drawn(size, &random), *c = drawn(size, &random);
    bf16_pair *packed = aligned_alloc(64, packed_bytes);
    bf16_blocks *blocks = aligned_alloc(64, sizeof *blocks);
    assert_true(packed && blocks);
    for (int v = NN; v <= NT; v++) {
        bf16_factor first = first_factor((enum variant)v, m, k, a), second = second_factor((enum variant)v, n, k, b);
        kernels->pack(k, n, second, packed);
        for (int add = 0; add <= 1; add++) {
            memcpy(c, before, size * sizeof *c);
            kernels->gemm(m, n, k, first, second, NULL, (bf16_addend){add ? c : NULL, (size_t)n}, c, blocks);
            expect_product((enum variant)v, m, n, k, a, b, (float)add, before, c);
            memcpy(c, before, size * sizeof *c);
            kernels->gemm(m, n, k, first, second, packed, (bf16_addend){add ? c : NULL, (size_t)n}, c, blocks);
            expect_product((enum variant)v, m, n, k, a, b, (float)add, before, c);
        }
    }
    free(packed);
    free(blocks);
    free(a);
    free(b);
    free(before);
    free(c);
}

static void check(int m, int n, int k)
{
    const bf16_kernels *kernels;
    for (int i = 0; (kernels = cpu_bf16_kernels_available(i)); i++)
        check_kernels(kernels, m, n, k);
}

static void products_of_every_shape_match_plain_loops(void **state)
{
    (void)state;
    need_bf16();
    const int heights[] = {1, 7, 11, 12, 13, 25, 100}, widths[] = {1, 15, 16, 17, 31, 32, 33, 65},
              depths[] = {1, 2, 31, 32, 33, 301};
    for (size_t i = 0; i < sizeof heights / sizeof *heights; i++)
        for (size_t j = 0; j < sizeof widths / sizeof *widths; j++)
            for (size_t p = 0; p < sizeof depths / sizeof *depths; p++)
                check(heights[i], widths[j], depths[p]);
}

static void avx512_rules_tiles_out(void **state)
{
    (void)state;
    need_bf16();
    const char *before = getenv("CAPTION_SIMD");
    char *kept = before ? strdup(before) : NULL;
    assert_int_equal(setenv("CAPTION_SIMD", "avx512", 1), 0);
    assert_string_equal(cpu_bf16_kernels()->name, "avx512bf16");
    assert_int_equal(unsetenv("CAPTION_SIMD"), 0);
    const bf16_kernels *tiles = cpu_bf16_kernels_available(1);
    assert_string_equal(cpu_bf16_kernels()->name, tiles ? "amx" : "avx512bf16");
    if (kept)
        assert_int_equal(setenv("CAPTION_SIMD", kept, 1), 0);
    free(kept);
}

static void products_larger_than_a_block_match_plain_loops(void **state)
{
    (void)state;
    need_bf16();
    check(9, 35, 2 * BF16_BLOCK_K + 1);         /* blocks of k, the last with an odd end */
    check(9, BF16_BLOCK_COLS + 33, 40);         /* of columns */
    check(2 * BF16_BLOCK_A / 300 + 5, 17, 600); /* of rows */
    check(200, 40, BF16_BLOCK_K + 3);           /* of k and of rows */
}

/* ---- the scope --------------------------------------------------------------------------------------------------- */

static void multiply(enum variant v, int m, int n, int k, const float *a, const float *b, float beta, float *c)
{
    if (v == NN)
        gemm(m, n, k, a, b, beta, c);
    else if (v == TN)
        gemm_tn(m, n, k, a, b, beta, c);
    else
        gemm_nt(m, n, k, a, b, beta, c);
}

/* gemm.h's three products: in float, in a scope, and in one where B, as a constant, is packed for both its uses. */
static void check_scope(enum variant v, float beta)
{
    enum { ROWS = 70, COLS = 90, K = 80 };
    random_stream random = random_seeded(9);
    float *a = drawn(ROWS * K, &random), *b = drawn(COLS * K, &random), *before = drawn(ROWS * COLS, &random);
    static float c[5][ROWS * COLS];
    mixed *m;
    assert_int_equal(mixed_new(&m, COLS * K, NULL), CAPTION_OK);
    for (int i = 0; i < 5; i++) {
        memcpy(c[i], before, sizeof c[i]);
        if (i == 1)
            mixed_begin(m, NULL, 0);
        if (i == 2)
            mixed_begin(m, b, COLS * K); /* for 2 and 3 */
        multiply(v, ROWS, COLS, K, a, b, beta, c[i]);
        if (i == 1 || i == 3)
            mixed_end();
        expect_product(v, ROWS, COLS, K, a, b, beta, before, c[i]);
    }
    assert_memory_not_equal(c[0], c[1], sizeof c[0]);
    assert_memory_equal(c[1], c[2], sizeof c[0]);
    assert_memory_equal(c[1], c[3], sizeof c[0]);
    assert_memory_equal(c[0], c[4], sizeof c[0]); /* behind the scope in float again */
    mixed_free(m);
    free(a);
    free(b);
    free(before);
}

static void products_are_rounded_in_a_scope_alone(void **state)
{
    (void)state;
    need_bf16();
    for (int v = NN; v <= NT; v++)
        for (int beta = 0; beta <= 1; beta++)
            check_scope((enum variant)v, (float)beta);
}

static void a_bias_is_added_to_each_row(void **state)
{
    (void)state;
    need_bf16();
    enum { ROWS = 70, COLS = 90, K = 2 * BF16_BLOCK_K + 3 };
    random_stream random = random_seeded(11);
    float *a = drawn(ROWS * K, &random), *b = drawn(COLS * K, &random), *bias = drawn(COLS, &random);
    static float c[ROWS * COLS], before[ROWS * COLS];
    mixed *m;
    assert_int_equal(mixed_new(&m, 0, NULL), CAPTION_OK);
    for (int i = 0; i < ROWS * COLS; i++)
        before[i] = bias[i % COLS];
    mixed_begin(m, NULL, 0);
    gemm_bias(ROWS, COLS, K, a, b, bias, c);
    mixed_end();
    expect_product(NN, ROWS, COLS, K, a, b, 1, before, c);
    mixed_free(m);
    free(a);
    free(b);
    free(bias);
}

static void a_constant_is_packed_anew_in_the_next_scope(void **state)
{
    (void)state;
    need_bf16();
    enum { SIDE = 64 };
    random_stream random = random_seeded(10);
    float *a = drawn(SIDE * SIDE, &random), *b = drawn(SIDE * SIDE, &random);
    static float c[SIDE * SIDE];
    mixed *m;
    assert_int_equal(mixed_new(&m, SIDE * SIDE, NULL), CAPTION_OK);
    for (int step = 0; step < 2; step++) {
        mixed_begin(m, b, SIDE * SIDE);
        gemm(SIDE, SIDE, SIDE, a, b, 0, c);
        mixed_end();
        expect_product(NN, SIDE, SIDE, SIDE, a, b, 0, c, c);
        for (int i = 0; i < SIDE * SIDE; i++)
            b[i] = -b[i]; /* as an optimiser would change them */
    }
    mixed_free(m);
    free(a);
    free(b);
}

/* ---- a captioner's gradients ------------------------------------------------------------------------------------- */

enum { N = 30, T = 8, D = 200, W = 96, H = 128, V = 700, P = 9, M = 40, A = 64 };

static double norm(size_t n, const float *x, const float *minus)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += pow((double)x[i] - (minus ? (double)minus[i] : 0), 2);
    return sqrt(sum);
}

/* The loss and gradients of one batch, in the scope of m (or NULL). */
static double learn(const decoder_shape *shape, mixed *m, size_t total, float *gradients)
{
    random_stream random = random_seeded(7);
    float features[N * D], map[N * P * M], *parameters = malloc(total * sizeof *parameters);
    int captions[(T + 1) * N];
    arena scratch = {0};
    assert_non_null(parameters);
    for (int i = 0; i < N * D; i++)
        features[i] = (float)(2 * random_uniform(&random) - 1);
    for (int i = 0; i < N * P * M; i++)
        map[i] = (float)(2 * random_uniform(&random) - 1);
    for (int i = 0; i < (T + 1) * N; i++)
        captions[i] = 1 + (int)random_below(&random, V - 1);
    decoder_init(shape, 3, parameters);
    assert_int_equal(arena_reserve(&scratch, decoder_loss_scratch_f(shape, N, T), NULL), CAPTION_OK);
    const decoder_batch_f batch = {
        .n = N, .t = T, .images = {.features = features, .map = map}, .captions = captions, .dropout = 0.3f};
    mixed_begin(m, parameters, total);
    double loss = decoder_loss_f(shape, parameters, &batch, gradients, NULL, &scratch);
    mixed_end();
    arena_free(&scratch);
    free(parameters);
    return loss;
}

/* Each tensor's gradient points within 1 % of where float's points, and the loss is the same to 0.1 %. */
static void check_gradients(decoder_kind kind)
{
    const decoder_shape shape = {.kind = kind,
                                 .features = D,
                                 .words = W,
                                 .hidden = H,
                                 .vocabulary = V,
                                 .positions = kind == DECODER_ATTENTION ? P : 0,
                                 .channels = M,
                                 .attention = A};
    decoder_tensor tensors[DECODER_MAX_TENSORS];
    size_t total;
    int count = decoder_layout(&shape, tensors, &total);
    float *exact = malloc(total * sizeof *exact), *rough = malloc(total * sizeof *rough);
    mixed *m;
    assert_true(exact && rough);
    assert_int_equal(mixed_new(&m, total, NULL), CAPTION_OK);
    double loss = learn(&shape, NULL, total, exact), rough_loss = learn(&shape, m, total, rough);
    assert_true(fabs(rough_loss - loss) <= 1e-3 * loss);
    assert_true(rough_loss != loss); /* or nothing was rounded */
    for (int i = 0; i < count; i++) {
        size_t from = tensors[i].offset, n = (i + 1 < count ? tensors[i + 1].offset : total) - from;
        double error = norm(n, rough + from, exact + from) / norm(n, exact + from, NULL);
        if (!(error <= 0.01))
            fail_msg("%s, d %s: relative error %g", decoder_kind_name(kind), tensors[i].name, error);
    }
    mixed_free(m);
    free(exact);
    free(rough);
}

static void gradients_stay_close_to_those_in_float(void **state)
{
    (void)state;
    need_bf16();
    for (int kind = 0; kind < DECODER_KINDS; kind++)
        check_gradients((decoder_kind)kind);
}

int main(void)
{
    caption_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(factors_are_rounded_to_nearest_even),
        cmocka_unit_test(products_of_every_shape_match_plain_loops),
        cmocka_unit_test(avx512_rules_tiles_out),
        cmocka_unit_test(products_larger_than_a_block_match_plain_loops),
        cmocka_unit_test(products_are_rounded_in_a_scope_alone),
        cmocka_unit_test(a_bias_is_added_to_each_row),
        cmocka_unit_test(a_constant_is_packed_anew_in_the_next_scope),
        cmocka_unit_test(gradients_stay_close_to_those_in_float),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
