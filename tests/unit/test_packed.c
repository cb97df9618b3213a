/* test_packed.c: the packed kernels of every SIMD set that this CPU can run against plain C.
 *
 * A product's sums are formed in the order of k, beginning with the bias, so plain C gives the very same bits: with
 * fmaf where the set has fused multiply-add, without it elsewhere. Swish is within 1e-6 of libm, relative. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/kernels/simd/kernels.h"

static float *noise(size_t count, unsigned seed)
{
    float *x = NULL;
    assert_int_equal(posix_memalign((void **)&x, 64, (count ? count : 1) * sizeof *x), 0);
    for (size_t i = 0; i < count; i++) {
        seed = seed * 1664525 + 1013904223;
        x[i] = (float)(seed >> 8) / (1 << 23) - 1;
    }
    return x;
}

static double swish(double x)
{
    return x / (1 + exp(-x));
}

/* sum + x * w as the set's instructions round it. */
static float add_product(const simd_set *set, float sum, float x, float w)
{
#ifdef __x86_64__
    if (strcmp(set->name, "baseline") == 0) {
        volatile float product = x * w; /* rounded */
        return sum + product;
    }
#endif
    (void)set;
    return fmaf(x, w, sum);
}

static size_t whole(const simd_set *set, int channels)
{
    const size_t lanes = set->packed_lanes();
    return ((size_t)channels + lanes - 1) / lanes * lanes;
}

/* map [positions, channels] as planes; what a last plane lacks is not a number, because nothing may read it. */
static float *planes_of(const simd_set *set, int channels, int positions, const float *map)
{
    const size_t lanes = set->packed_lanes(), count = whole(set, channels) * (size_t)positions;
    float *planes = noise(count, 1);
    for (size_t i = 0; i < count; i++)
        planes[i] = NAN;
    for (int i = 0; i < positions; i++)
        for (size_t c = 0; c < (size_t)channels; c++)
            planes[(c / lanes * (size_t)positions + (size_t)i) * lanes + c % lanes] = map[i * channels + (int)c];
    return planes;
}

static void check_value(const simd_set *set, packed_ending ending, float got, float want, const char *what, int row,
                        int column)
{
    const int right = ending == PACKED_SWISH ? fabs(got - swish(want)) <= 1e-6 * fabs(swish(want)) : got == want;
    if (!right)
        fail_msg("%s: %s, row %d, column %d: %.9g, not %.9g", set->name, what, row, column, got,
                 ending == PACKED_SWISH ? swish(want) : want);
}

static void unpacking_gives_back_what_was_packed(void **state)
{
    (void)state;
    enum { K = 25 };
    const simd_set *set;
    for (size_t i = 0; (set = simd_set_available(i)); i++)
        for (int n = 1; n <= 50; n++) {
            float *weight = noise((size_t)(K * n), 1), *bias = noise((size_t)n, 2);
            float *packed = noise(set->packed_size(K, n), 3), *weight_back = noise((size_t)(K * n), 4);
            float *bias_back = noise((size_t)n, 5);
            for (int depthwise = 0; depthwise < 2; depthwise++) {
                if (depthwise) {
                    set->packed_pack_depthwise(5, n, weight, bias, packed);
                    set->packed_unpack_depthwise(5, n, packed, weight_back, bias_back);
                } else {
                    set->packed_pack(K, n, weight, bias, packed);
                    set->packed_unpack_weight(K, n, packed, weight_back, bias_back);
                }
                assert_memory_equal(weight_back, weight, (size_t)(K * n) * sizeof *weight);
                assert_memory_equal(bias_back, bias, (size_t)n * sizeof *bias);
                memset(weight_back, 0, (size_t)(K * n) * sizeof *weight);
            }
            float *all[] = {weight, bias, packed, weight_back, bias_back};
            for (size_t k = 0; k < sizeof all / sizeof *all; k++)
                free(all[k]);
        }
}

/* ---- the product ------------------------------------------------------------------------------------------------- */

typedef struct product {
    int m, k, n;
    float *a, *weight, *bias; /* [m, k], [k, n], [n] */
    float *planes, *packed;
} product;

static product product_of(const simd_set *set, int m, int k, int n)
{
    product p = {m, k, n, noise((size_t)(m * k), 2), noise((size_t)(k * n), 3), noise((size_t)n, 4), NULL, NULL};
    p.planes = planes_of(set, k, m, p.a);
    p.packed = noise(set->packed_size(k, n), 5);
    set->packed_pack(k, n, p.weight, p.bias, p.packed);
    return p;
}

static void free_product(product *p)
{
    float *all[] = {p->a, p->weight, p->bias, p->planes, p->packed};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static float expected(const simd_set *set, const product *p, int row, int column)
{
    float sum = p->bias[column];
    for (int i = 0; i < p->k; i++)
        sum = add_product(set, sum, p->a[row * p->k + i], p->weight[i * p->n + column]);
    return sum;
}

/* The results go, `line` to a line, into the middle of a frame that must stay as it is. */
static void check_product(const simd_set *set, int m, int k, int n, int line, packed_ending ending)
{
    const size_t lanes = set->packed_lanes(), width = (size_t)line + 3, lines = (size_t)((m + line - 1) / line);
    const size_t plane = lines * width * lanes, size = whole(set, n) / lanes * plane;
    product p = product_of(set, m, k, n);
    float *out = noise(size, 6), *before = noise(size, 6);
    const packed_target target = {.out = out + lanes,
                                  .plane_step = plane,
                                  .position_step = lanes,
                                  .line_step = width * lanes,
                                  .line = line,
                                  .ending = ending};
    set->packed_product(m, k, n, p.planes, (size_t)m * lanes, p.packed, &target);
    for (size_t i = 0; i < size; i++) {
        const size_t x = i / lanes % width, y = i % plane / lanes / width;
        const int row = (int)(y * (size_t)line + x) - 1, column = (int)(i / plane * lanes + i % lanes);
        if (x == 0 || x > (size_t)line || row >= m)
            assert_true(out[i] == before[i]);
        else if (column < n) {
            const float sum = expected(set, &p, row, column);
            check_value(set, ending, out[i], ending == PACKED_ADD ? sum + before[i] : sum, "product", row, column);
        } else
            assert_true(out[i] == (ending == PACKED_ADD ? before[i] : 0));
    }
    free(out);
    free(before);
    free_product(&p);
}

static void every_product_has_the_bits_of_plain_c(void **state)
{
    (void)state;
    const int rows[] = {1, 2, 4, 5, 6, 7, 9, 10, 13, 14, 15, 28, 49}, depths[] = {1, 4, 16, 20, 33, 112};
    const int columns[] = {1, 4, 8, 16, 24, 40, 48, 112};
    const simd_set *set;
    for (size_t i = 0; (set = simd_set_available(i)); i++)
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
            for (size_t d = 0; d < sizeof depths / sizeof *depths; d++)
                for (size_t c = 0; c < sizeof columns / sizeof *columns; c++)
                    check_product(set, rows[r], depths[d], columns[c], rows[r], PACKED_PLAIN);
}

static void every_ending_and_every_frame_is_right(void **state)
{
    (void)state;
    const simd_set *set;
    for (size_t i = 0; (set = simd_set_available(i)); i++)
        for (int ending = PACKED_PLAIN; ending <= PACKED_ADD; ending++)
            for (int line = 1; line <= 30; line++)
                check_product(set, 30, 10, 40, line, (packed_ending)ending);
}

static void a_product_into_a_plain_map_is_the_same(void **state)
{
    (void)state;
    enum { M = 20, K = 24, N = 64 };
    const simd_set *set;
    for (size_t i = 0; (set = simd_set_available(i)); i++) {
        product p = product_of(set, M, K, N);
        float map[M * N];
        const packed_target target = {
            .out = map, .plane_step = set->packed_lanes(), .position_step = N, .line = M, .ending = PACKED_PLAIN};
        set->packed_product(M, K, N, p.planes, M * set->packed_lanes(), p.packed, &target);
        for (int k = 0; k < M * N; k++)
            check_value(set, PACKED_PLAIN, map[k], expected(set, &p, k / N, k % N), "map", k / N, k % N);
        free_product(&p);
    }
}

/* One input of weight 1: what is left is swish itself, over the finite range and beside it. */
static void swish_matches_libm_over_the_finite_range(void **state)
{
    (void)state;
    enum { POINTS = 4001 };
    const float ends[] = {0, -0.f, FLT_MIN, FLT_MAX, -FLT_MAX, 1e-45f, 88.7f, -88.7f, 87.3f, -87.3f, 200, -200, 1e30f};
    const simd_set *set;
    float *x = noise(POINTS, 1);
    for (int i = 0; i < POINTS; i++)
        x[i] = -100 + 200 * (float)i / (POINTS - 1);
    memcpy(x, ends, sizeof ends);
    for (size_t i = 0; (set = simd_set_available(i)); i++) {
        const size_t lanes = set->packed_lanes();
        const float one = 1, zero = 0;
        float *planes = planes_of(set, 1, POINTS, x), *packed = noise(set->packed_size(1, 1), 2);
        float *out = noise(POINTS * lanes, 3);
        const packed_target target = {
            .out = out, .plane_step = 0, .position_step = lanes, .line = POINTS, .ending = PACKED_SWISH};
        set->packed_pack(1, 1, &one, &zero, packed);
        set->packed_product(POINTS, 1, 1, planes, 0, packed, &target);
        for (int k = 0; k < POINTS; k++)
            if (!(fabs(out[(size_t)k * lanes] - swish(x[k])) <= 1e-6 * fabs(swish(x[k])) + 4e-36))
                fail_msg("%s: swish(%.9g) is %.9g, not %.9g", set->name, x[k], out[(size_t)k * lanes], swish(x[k]));
        planes[0] = NAN;
        set->packed_product(1, 1, 1, planes, 0, packed, &target);
        assert_true(isnan(out[0]));
        free(planes);
        free(packed);
        free(out);
    }
    free(x);
}

static void the_gate_may_go_to_either_factor(void **state)
{
    (void)state;
    enum { M = 11, K = 37, N = 40 };
    const simd_set *set;
    for (size_t i = 0; (set = simd_set_available(i)); i++) {
        const size_t lanes = set->packed_lanes();
        product p = product_of(set, M, K, N);
        float *gate = noise(whole(set, K), 7), *scaled = noise(set->packed_size(K, N), 8);
        float *want = noise(set->packed_size(K, N), 9), *back = noise(M * K, 10);
        set->packed_scale(K, N, p.packed, gate, scaled);
        set->packed_scale_planes(K, M, gate, p.planes);
        set->packed_unpack(K, M, p.planes, back);
        for (int k = 0; k < M * K; k++)
            assert_true(back[k] == p.a[k] * gate[k % K]);
        for (int k = 0; k < K * N; k++)
            p.weight[k] *= gate[k / N];
        set->packed_pack(K, N, p.weight, p.bias, want);
        for (size_t k = 0; k < set->packed_size(K, N); k++)
            assert_true(scaled[k] == want[k]);
        assert_true(lanes > 0);
        float *all[] = {gate, scaled, want, back};
        for (size_t k = 0; k < sizeof all / sizeof *all; k++)
            free(all[k]);
        free_product(&p);
    }
}

/* ---- convolutions ------------------------------------------------------------------------------------------------ */

static void check_stem(const simd_set *set, int cols, int n)
{
    const int row_size = (2 * cols + 1) * 3 + 5;
    const size_t lanes = set->packed_lanes(), size = whole(set, n) * (size_t)cols;
    float *in = noise((size_t)(3 * row_size), 1), *weight = noise((size_t)(27 * n), 2), *bias = noise((size_t)n, 3);
    float *packed = noise(set->packed_size(27, n), 4), *out = noise(size, 5);
    const packed_target target = {
        .out = out, .plane_step = lanes * (size_t)cols, .position_step = lanes, .line = cols, .ending = PACKED_PLAIN};
    set->packed_pack(27, n, weight, bias, packed);
    set->packed_stem(cols, n, in, (size_t)row_size, packed, &target);
    for (int x = 0; x < cols; x++)
        for (int o = 0; o < n; o++) {
            float sum = bias[o];
            for (int t = 0; t < 27; t++)
                sum = add_product(set, sum, in[t / 9 * row_size + 6 * x + t % 9], weight[t * n + o]);
            check_value(set, PACKED_PLAIN,
                        out[((size_t)o / lanes * (size_t)cols + (size_t)x) * lanes + (size_t)o % lanes], sum, "stem", x,
                        o);
        }
    float *all[] = {in, weight, bias, packed, out};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        free(all[k]);
}

static void the_stem_has_the_bits_of_plain_c(void **state)
{
    (void)state;
    const simd_set *set;
    for (size_t i = 0; (set = simd_set_available(i)); i++)
        for (int cols = 1; cols <= 30; cols++)
            for (int n = 4; n <= 40; n += 12)
                check_stem(set, cols, n);
}

/* Channel c of the depthwise convolution at row y, column x. */
static double depthwise_at(const convolution_shape *s, const float *in, const float *weight, const float *bias, int y,
                           int x, int c)
{
    const int framed = (s->cols - 1) * s->stride + s->kernel;
    double sum = bias[c];
    for (int t = 0; t < s->kernel * s->kernel; t++) {
        const int at = (y * s->stride + t / s->kernel) * framed + x * s->stride + t % s->kernel;
        sum += (double)in[at * s->out + c] * weight[t * s->out + c];
    }
    return swish(sum);
}

static void check_depthwise(const simd_set *set, int kernel, int stride, int cols)
{
    const int channels = (int)set->packed_lanes() + 3;
    const convolution_shape s = {3, cols, channels, channels, kernel, stride};
    const int positions = ((s.rows - 1) * stride + kernel) * ((cols - 1) * stride + kernel);
    const size_t lanes = set->packed_lanes(), taps = set->packed_depthwise_size(kernel, (int)lanes);
    float *in = noise((size_t)(positions * channels), 1), *weight = noise((size_t)(kernel * kernel * channels), 2);
    float *bias = noise((size_t)channels, 3), *packed = noise(set->packed_depthwise_size(kernel, channels), 4);
    float *planes = planes_of(set, channels, positions, in), *out = noise((size_t)(3 * cols) * lanes, 5);
    float *sum = noise(lanes, 6), *before = noise(lanes, 6);
    set->packed_pack_depthwise(kernel, channels, weight, bias, packed);
    for (size_t plane = 0; plane < 2; plane++) {
        memcpy(sum, before, lanes * sizeof *sum);
        set->packed_depthwise(&s, planes + plane * (size_t)positions * lanes, packed + plane * taps, out, sum);
        for (size_t l = 0; l < lanes && plane * lanes + l < (size_t)channels; l++) {
            double total = before[l];
            for (int i = 0; i < 3 * cols; i++) {
                const double want = depthwise_at(&s, in, weight, bias, i / cols, i % cols, (int)(plane * lanes + l));
                if (!(fabs(out[(size_t)i * lanes + l] - want) <= 1e-5))
                    fail_msg("%s: kernel %d, stride %d, %d columns, position %d, channel %zu: %g, not %g", set->name,
                             kernel, stride, cols, i, plane * lanes + l, out[(size_t)i * lanes + l], want);
                total += want;
            }
            assert_true(fabs(sum[l] - total) <= 1e-5 * 3 * cols);
        }
    }
    float *all[] = {in, weight, bias, packed, planes, out, sum, before};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        free(all[k]);
}

static void depthwise_is_right_for_every_kernel_stride_and_width(void **state)
{
    (void)state;
    const int kernels[][2] = {{3, 1}, {3, 2}, {5, 1}, {5, 2}, {7, 1}, {4, 3}}, widths[] = {1, 6, 7, 8, 15, 28};
    const simd_set *set;
    for (size_t i = 0; (set = simd_set_available(i)); i++)
        for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++)
            for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
                check_depthwise(set, kernels[k][0], kernels[k][1], widths[w]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unpacking_gives_back_what_was_packed),
        cmocka_unit_test(every_product_has_the_bits_of_plain_c),
        cmocka_unit_test(every_ending_and_every_frame_is_right),
        cmocka_unit_test(a_product_into_a_plain_map_is_the_same),
        cmocka_unit_test(swish_matches_libm_over_the_finite_range),
        cmocka_unit_test(the_gate_may_go_to_either_factor),
        cmocka_unit_test(the_stem_has_the_bits_of_plain_c),
        cmocka_unit_test(depthwise_is_right_for_every_kernel_stride_and_width),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
