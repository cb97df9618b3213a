/* test_convolution.c: the convolution and matrix kernels of every SIMD set against plain loops in double. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "model/kernels/gemm.h"
#include "model/kernels/gemm_pieces.h"
#include "model/kernels/simd/kernels.h"

static const double bound = 1e-5; /* of the largest magnitude */

static float *noise(size_t count, unsigned seed)
{
    float *x = malloc((count ? count : 1) * sizeof *x); /* exactly sized, so that AddressSanitizer sees an overrun */
    assert_non_null(x);
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

static double swish_slope(double x)
{
    const double s = 1 / (1 + exp(-x));
    return s + x * s * (1 - s);
}

/* One output of the equation in kernels/convolution.h before its swish; depthwise: input channel o, weight of one input
 * channel. */
static double expected(const convolution_shape *s, int depthwise, const float *in, const float *weight,
                       const float *bias, int y, int x, int o)
{
    const int framed_cols = (s->cols - 1) * s->stride + s->kernel, inputs = depthwise ? 1 : s->in;
    double sum = bias[o];
    for (int ky = 0; ky < s->kernel; ky++)
        for (int kx = 0; kx < s->kernel; kx++)
            for (int i = 0; i < inputs; i++) {
                int position = (y * s->stride + ky) * framed_cols + x * s->stride + kx;
                sum += (double)in[position * s->in + (depthwise ? o : i)] *
                       weight[((ky * s->kernel + kx) * inputs + i) * s->out + o];
            }
    return sum;
}

typedef struct buffers {
    float *in, *weight, *bias, *out, *slope, *sums;
} buffers;

static buffers allocate(const convolution_shape *s, int depthwise)
{
    const int height = (s->rows - 1) * s->stride + s->kernel, width = (s->cols - 1) * s->stride + s->kernel;
    const int inputs = depthwise ? 1 : s->in;
    return (buffers){noise((size_t)(height * width * s->in), 1),
                     noise((size_t)(s->kernel * s->kernel * inputs * s->out), 2),
                     noise((size_t)s->out, 3),
                     noise((size_t)(s->rows * s->cols * s->out), 4),
                     noise((size_t)(s->rows * s->cols * s->out), 5),
                     noise((size_t)(s->rows * s->out), 6)};
}

static void release(buffers *b)
{
    free(b->in);
    free(b->weight);
    free(b->bias);
    free(b->out);
    free(b->slope);
    free(b->sums);
}

static void check_outputs(const simd_set *set, const convolution_shape *s, int depthwise, const buffers *b)
{
    for (int y = 0; y < s->rows; y++)
        for (int o = 0; o < s->out; o++) {
            double sum = 0;
            for (int x = 0; x < s->cols; x++) {
                const double at = expected(s, depthwise, b->in, b->weight, b->bias, y, x, o), want = swish(at);
                const float got = b->out[(y * s->cols + x) * s->out + o];
                const float slope = b->slope[(y * s->cols + x) * s->out + o];
                sum += want;
                if (!(fabs(got - want) <= bound) || !(fabs(slope - swish_slope(at)) <= bound))
                    fail_msg(
                        "%s: kernel %d stride %d, [%d, %d, %d] of [%d, %d, %d] is %g with slope %g, not %g with %g",
                        set->name, s->kernel, s->stride, y, x, o, s->rows, s->cols, s->out, got, slope, want,
                        swish_slope(at));
            }
            if (depthwise && !(fabs(b->sums[y * s->out + o] - sum) <= bound * s->cols))
                fail_msg("%s: row sum %g, not %g", set->name, b->sums[y * s->out + o], sum);
        }
}

static const int widths[] = {1, 6, 7, 8, 15}, channel_counts[] = {1, 3, 4, 16, 23, 64};

static void depthwise_is_right_for_every_kernel_stride_width_and_channel_count(void **state)
{
    (void)state;
    const int kernels[][2] = {{3, 1}, {3, 2}, {5, 1}, {5, 2}, {7, 1}, {4, 3}};
    const simd_set *set;
    for (size_t i = 0; (set = simd_set_available(i)); i++)
        for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++)
            for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
                for (size_t c = 0; c < sizeof channel_counts / sizeof *channel_counts; c++) {
                    convolution_shape s = {
                        3, widths[w], channel_counts[c], channel_counts[c], kernels[k][0], kernels[k][1]};
                    buffers b = allocate(&s, 1);
                    set->depthwise_bias_swish_slope(&s, b.in, b.weight, b.bias, b.out, b.slope, b.sums);
                    check_outputs(set, &s, 1, &b);
                    release(&b);
                }
}

static void dense_convolution_is_right_for_every_width_and_channel_count(void **state)
{
    (void)state;
    const simd_set *set;
    for (size_t i = 0; (set = simd_set_available(i)); i++)
        for (int stride = 1; stride <= 2; stride++)
            for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
                for (size_t c = 0; c < sizeof channel_counts / sizeof *channel_counts; c++) {
                    convolution_shape s = {2, widths[w], 3, channel_counts[c], 3, stride};
                    buffers b = allocate(&s, 0);
                    set->convolution_bias_swish_slope(&s, b.in, b.weight, b.bias, b.out, b.slope);
                    check_outputs(set, &s, 0, &b);
                    release(&b);
                }
}

static void matrix_kernels_are_right_for_every_size(void **state)
{
    (void)state;
    const simd_set *set;
    for (size_t i = 0; (set = simd_set_available(i)); i++)
        for (size_t rows = 0; rows < 5; rows++)
            for (size_t cols = 1; cols < 40; cols++) {
                float *x = noise(rows * cols, 1), *by_row = noise(rows, 2), *by_column = noise(cols, 3);
                float *a = noise(rows * cols, 4), *b = noise(rows * cols, 5), *sum = noise(cols, 6);
                set->scale_columns(rows, cols, x, by_column, a);
                set->scale_rows(rows, cols, x, by_row, b);
                set->sum_rows(rows, cols, x, sum);
                for (size_t c = 0; c < cols; c++) {
                    float want = 0;
                    for (size_t r = 0; r < rows; r++) {
                        assert_true(a[r * cols + c] == x[r * cols + c] * by_column[c]);
                        assert_true(b[r * cols + c] == x[r * cols + c] * by_row[r]);
                        want += x[r * cols + c];
                    }
                    assert_true(sum[c] == want);
                }
                set->add_to_rows(rows, cols, b, by_column);
                for (size_t k = 0; k < rows * cols; k++)
                    assert_true(fabsf(b[k] - (x[k] * by_row[k / cols] + by_column[k % cols])) < 1e-6f);
                float *all[] = {x, by_row, by_column, a, b, sum};
                for (size_t k = 0; k < sizeof all / sizeof *all; k++)
                    free(all[k]);
            }
}

/* Sizes on both sides of every limit in gemm_pieces.c: whole, by rows, by columns, and the last of each incomplete. */
static void a_product_in_pieces_is_the_product(void **state)
{
    (void)state;
    const int sizes[][3] = {{1, 1, 1}, {7, 5, 3}, {700, 96, 16}, {49, 200, 400}, {13, 1000, 1280}, {1, 1000, 1280}};
    openblas_set_num_threads(1);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        const int m = sizes[s][0], n = sizes[s][1], k = sizes[s][2];
        float *a = noise((size_t)(m * k), 1), *b = noise((size_t)(k * n), 2), *c = noise((size_t)(m * n), 3);
        float *want = noise((size_t)(m * n), 3);
        gemm_pieces(m, n, k, a, b, 1, c);
        gemm(m, n, k, a, b, 1, want);
        for (int i = 0; i < m * n; i++)
            assert_true(fabsf(c[i] - want[i]) <= 1e-4f);
        gemm_pieces(m, n, k, a, b, 0, c);
        gemm(m, n, k, a, b, 0, want);
        for (int i = 0; i < m * n; i++)
            assert_true(fabsf(c[i] - want[i]) <= 1e-4f);
        float *all[] = {a, b, c, want};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            free(all[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(depthwise_is_right_for_every_kernel_stride_width_and_channel_count),
        cmocka_unit_test(dense_convolution_is_right_for_every_width_and_channel_count),
        cmocka_unit_test(matrix_kernels_are_right_for_every_size),
        cmocka_unit_test(a_product_in_pieces_is_the_product),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
