/* test_activation.c: every SIMD set that this CPU can run, against libm in double. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/caption.h"
#include "model/kernels/activation.h"
#include "model/kernels/cpu.h"
#include "model/kernels/simd/kernels.h"

enum { POINTS = 20011 }; /* no multiple of a vector's length */

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}
static double swish(double x)
{
    return x * sigmoid(x);
}

/* -100..100 evenly, then every power of ten down to the subnormals, both signs, and the ends of the range. */
static void fill(float *x)
{
    const float extremes[] = {0,     -0.f,   FLT_MIN, -FLT_MIN, FLT_MAX, -FLT_MAX, 1e-45f, -1e-45f,
                              88.7f, -88.7f, 87.3f,   -87.3f,   103.9f,  -103.9f,  200,    -200,
                              1e30f, -1e30f, 0.625f,  -0.625f,  60,      -60,      60.5f,  -60.5f};
    for (int i = 0; i < POINTS; i++)
        x[i] = -100 + 200 * (float)i / (POINTS - 1);
    for (int i = 0; i < 44; i++) {
        x[100 + 2 * i] = 1.2345f * powf(10, (float)-i);
        x[101 + 2 * i] = -x[100 + 2 * i];
    }
    memcpy(x + 1000, extremes, sizeof extremes);
}

static const double flushed = 4e-36; /* smaller results may be 0: kernels/activation.h */

/* 1e-6 relative. */
static void assert_close(float got, double want, float input, const char *what)
{
    if (!(fabs(got - want) <= 1e-6 * fabs(want) + flushed))
        fail_msg("%s(%.9g) is %.9g, not %.9g", what, input, got, want);
}

static void check_elementwise(const simd_set *set, void (*kernel)(size_t, float *), double (*exact)(double))
{
    static float x[POINTS], y[POINTS];
    fill(x);
    memcpy(y, x, sizeof x);
    kernel(POINTS, y);
    for (int i = 0; i < POINTS; i++)
        assert_close(y[i], exact(x[i]), x[i], set->name);
}

static void tanh_and_sigmoid_match_libm_over_the_finite_range(void **state)
{
    (void)state;
    const simd_set *set;
    for (size_t i = 0; (set = simd_set_available(i)); i++) {
        check_elementwise(set, set->vector_tanh, tanh);
        check_elementwise(set, set->vector_sigmoid, sigmoid);
    }
}

static void check_bias_swish(const simd_set *set, size_t cols)
{
    static float x[POINTS], y[POINTS], slope[POINTS], bias[128];
    size_t rows = POINTS / cols;
    fill(x);
    memcpy(y, x, sizeof x);
    for (size_t c = 0; c < cols; c++)
        bias[c] = 0.01f * (float)c - 0.5f;
    set->vector_bias_swish_slope(rows, cols, y, bias, y, slope);
    for (size_t i = 0; i < rows * cols; i++)
        assert_close(y[i], swish(x[i] + bias[i % cols]), x[i], set->name);
    for (size_t i = rows * cols; i < POINTS; i++)
        assert_memory_equal(&y[i], &x[i], sizeof *x);
}

static void bias_and_swish_match_libm_for_any_number_of_columns(void **state)
{
    (void)state;
    const simd_set *set;
    for (size_t i = 0; (set = simd_set_available(i)); i++)
        for (size_t cols = 1; cols <= 100; cols++)
            check_bias_swish(set, cols);
}

static void short_arrays_are_not_overrun(void **state)
{
    (void)state;
    const simd_set *set;
    for (size_t i = 0; (set = simd_set_available(i)); i++)
        for (size_t n = 0; n <= 40; n++) {
            float *x = malloc((n + 1) * sizeof *x); /* exactly sized, so that AddressSanitizer sees an overrun */
            assert_non_null(x);
            for (size_t k = 0; k <= n; k++)
                x[k] = 0.5f;
            set->vector_tanh(n, x);
            set->vector_sigmoid(n, x);
            set->vector_softmax(n, x);
            for (size_t k = 0; k < n; k++)
                assert_close(x[k], 1.0 / (double)n, 0.5f, set->name);
            assert_true(x[n] == 0.5f);
            free(x);
        }
}

static void check_softmax(const simd_set *set, size_t n, const float *x)
{
    static float y[4096];
    double max = x[0], sum = 0;
    for (size_t i = 1; i < n; i++)
        max = x[i] > max ? x[i] : max;
    for (size_t i = 0; i < n; i++)
        sum += exp(x[i] - max);
    memcpy(y, x, n * sizeof *x);
    float log_sum = set->vector_softmax(n, y);
    assert_close(log_sum, max + log(sum), 0, "log-sum-exp");
    for (size_t i = 0; i < n; i++) {
        /* x - max is rounded to float before it is an exponent: half a unit in its last place becomes relative. */
        double want = exp(x[i] - max) / sum, bound = 1e-6 + (isinf(x[i]) ? 0 : fabs(x[i] - max) * 0x1p-24);
        if (!(fabs(y[i] - want) <= bound * want + flushed))
            fail_msg("%s: softmax(%.9g) is %.9g, not %.9g", set->name, x[i], y[i], want);
    }
}

static void softmax_is_right_for_huge_small_and_masked_inputs(void **state)
{
    (void)state;
    static float x[4096];
    const float scales[] = {1e-30f, 1e-3f, 1, 10, 80, 1e4f, 1e30f};
    const size_t lengths[] = {1, 2, 15, 16, 17, 1000, 2504, 4096};
    const simd_set *set;
    for (size_t i = 0; (set = simd_set_available(i)); i++)
        for (size_t s = 0; s < sizeof scales / sizeof *scales; s++)
            for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
                for (size_t k = 0; k < lengths[l]; k++)
                    x[k] = scales[s] * sinf((float)k * 1.7f);
                check_softmax(set, lengths[l], x);
                if (lengths[l] > 2) { /* a word that is ruled out */
                    x[1] = -INFINITY;
                    check_softmax(set, lengths[l], x);
                }
            }
}

static void not_a_number_stays_visible(void **state)
{
    (void)state;
    const simd_set *set;
    for (size_t i = 0; (set = simd_set_available(i)); i++) {
        float x[3] = {1, NAN, 2}, y[3] = {1, NAN, 2}, bias[3] = {0}, slope[3];
        set->vector_tanh(3, x);
        set->vector_bias_swish_slope(1, 3, y, bias, y, slope);
        assert_true(isnan(x[1]) && isnan(y[1]));
        assert_false(isnan(x[0]) || isnan(x[2]) || isnan(y[0]) || isnan(y[2]));
    }
}

static void double_versions_are_exact(void **state)
{
    (void)state;
    extern void vector_tanh_d(size_t, double *), vector_sigmoid_d(size_t, double *);
    extern double vector_softmax_d(size_t, double *);
    double t[7], s[7], p[7], sum = 0;
    for (int i = 0; i < 7; i++)
        t[i] = s[i] = p[i] = 1.5 * i - 4;
    vector_tanh_d(7, t);
    vector_sigmoid_d(7, s);
    double log_sum = vector_softmax_d(7, p);
    for (int i = 0; i < 7; i++)
        sum += exp(1.5 * i - 4);
    assert_true(fabs(log_sum - log(sum)) < 1e-14);
    for (int i = 0; i < 7; i++) {
        assert_true(fabs(t[i] - tanh(1.5 * i - 4)) < 1e-15);
        assert_true(fabs(s[i] - sigmoid(1.5 * i - 4)) < 1e-15);
        assert_true(fabs(p[i] - exp(1.5 * i - 4) / sum) < 1e-15);
    }
}

static void the_environment_can_ask_for_a_lesser_set(void **state)
{
    (void)state;
    const simd_set *set, *best = simd_set_available(0);
    for (size_t i = 0; (set = simd_set_available(i)); i++) {
        setenv("CAPTION_SIMD", set->name, 1);
        caption_init();
        assert_string_equal(caption_simd_name(), set->name);
        best = set;
    }
    setenv("CAPTION_SIMD", "no such set", 1);
    caption_init();
    assert_string_equal(caption_simd_name(), best->name);
    unsetenv("CAPTION_SIMD");
    caption_init();
    assert_string_equal(caption_simd_name(), best->name);
    assert_true(strlen(caption_blas_name()) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tanh_and_sigmoid_match_libm_over_the_finite_range),
        cmocka_unit_test(bias_and_swish_match_libm_for_any_number_of_columns),
        cmocka_unit_test(short_arrays_are_not_overrun),
        cmocka_unit_test(softmax_is_right_for_huge_small_and_masked_inputs),
        cmocka_unit_test(not_a_number_stays_visible),
        cmocka_unit_test(double_versions_are_exact),
        cmocka_unit_test(the_environment_can_ask_for_a_lesser_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
