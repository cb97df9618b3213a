/* Adam, clipping, decay and averaging against numbers worked by hand; the random streams they are fed by. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "model/random.h"
#include "model/training/optimizer.h"

static void first_step_moves_each_parameter_by_the_rate(void **state)
{
    /* t = 1: m / (1 - beta1) = g and sqrt(v / (1 - beta2)) = |g|, so the step is rate * sign(g), whatever g is. */
    (void)state;
    optimizer_options options = optimizer_defaults();
    float parameters[3] = {1, 2, 3}, gradients[3] = {0.5f, -100, 1e-3f};
    optimizer o;
    assert_int_equal(optimizer_init(&o, &options, 3, parameters, NULL), CAPTION_OK);
    double norm = optimizer_step(&o, 0.1, parameters, gradients);
    assert_float_equal(norm, 100.00125, 2e-5);
    assert_float_equal(parameters[0], 0.9, 1e-6);
    assert_float_equal(parameters[1], 2.1, 1e-6);
    assert_float_equal(parameters[2], 2.9, 1e-5);
    assert_null(o.average);
    optimizer_free(&o);
}

static void three_steps_equal_the_formula(void **state)
{
    /* beta1 = .5, beta2 = .75, epsilon = 0, rate 1, p = 0, g = 2 then -1:
     *   t=1: m = 1, v = 1:         p = 0 - (1 / .5) / sqrt(1 / .25)            = -1
     *   t=2: m = .5*1 - .5 = 0:    p stays -1; v = .75*1 + .25*1 = 1
     *   t=3, g = 4: m = 2, v = .75 + .25*16 = 4.75:
     *        p = -1 - (2 / .875) / sqrt(4.75 / .578125) = -1 - 2.285714 / 2.866391 = -1.797419 */
    (void)state;
    optimizer_options options = {.beta1 = 0.5, .beta2 = 0.75};
    float parameter = 0;
    optimizer o;
    assert_int_equal(optimizer_init(&o, &options, 1, &parameter, NULL), CAPTION_OK);
    optimizer_step(&o, 1, &parameter, &(float){2});
    assert_float_equal(parameter, -1, 1e-6);
    optimizer_step(&o, 1, &parameter, &(float){-1});
    assert_float_equal(parameter, -1, 1e-6);
    optimizer_step(&o, 1, &parameter, &(float){4});
    assert_float_equal(parameter, -1.797419, 1e-5);
    assert_float_equal(o.first[0], 2, 1e-6);
    assert_float_equal(o.second[0], 4.75, 1e-6);
    assert_int_equal(o.steps, 3);
    optimizer_free(&o);
}

static void gradients_longer_than_the_limit_are_scaled_to_it(void **state)
{
    /* |(3, 4)| = 5, clip 1: the moments see (0.6, 0.8): m = 0.1 g, v = 0.001 g^2. */
    (void)state;
    optimizer_options options = optimizer_defaults();
    options.clip = 1;
    float parameters[2] = {0, 0};
    optimizer o;
    assert_int_equal(optimizer_init(&o, &options, 2, parameters, NULL), CAPTION_OK);
    assert_float_equal(optimizer_step(&o, 0.01, parameters, (float[]){3, 4}), 5, 1e-6);
    assert_float_equal(o.first[0], 0.06, 1e-7);
    assert_float_equal(o.first[1], 0.08, 1e-7);
    assert_float_equal(o.second[1], 0.00064, 1e-8);
    optimizer_step(&o, 0.01, parameters, (float[]){0.3f, 0.4f}); /* shorter than the limit: taken as it is */
    assert_float_equal(o.first[0], 0.9 * 0.06 + 0.1 * 0.3, 1e-7);
    optimizer_free(&o);
}

static void weight_decay_is_decoupled_from_the_moments(void **state)
{
    (void)state;
    optimizer_options options = optimizer_defaults();
    options.weight_decay = 0.1;
    float parameter = 2;
    optimizer o;
    assert_int_equal(optimizer_init(&o, &options, 1, &parameter, NULL), CAPTION_OK);
    optimizer_step(&o, 0.5, &parameter, &(float){0});
    assert_float_equal(parameter, 2 * (1 - 0.5 * 0.1), 1e-6);
    assert_float_equal(o.first[0], 0, 0);
    optimizer_free(&o);
}

static void average_follows_quickly_at_first(void **state)
{
    /* p: 0 -> -1 -> -2 (rate 1, equal gradients). d = min(.999, 2/11) then min(.999, 3/12):
     *   a = 2/11 * 0 + 9/11 * -1 = -0.818182;  a = .25 * -.818182 + .75 * -2 = -1.704545 */
    (void)state;
    optimizer_options options = optimizer_defaults();
    options.average = 0.999;
    float parameter = 0;
    optimizer o;
    assert_int_equal(optimizer_init(&o, &options, 1, &parameter, NULL), CAPTION_OK);
    optimizer_step(&o, 1, &parameter, &(float){3});
    assert_float_equal(o.average[0], -0.818182, 1e-5);
    optimizer_step(&o, 1, &parameter, &(float){3});
    assert_float_equal(parameter, -2, 1e-5);
    assert_float_equal(o.average[0], -1.704545, 1e-5);
    optimizer_free(&o);
}

static void long_vectors_move_like_short_ones(void **state)
{
    /* 10007 elements cross the blocks and leave a remainder of lanes; |g| = sqrt(10007) for g = +-1. */
    (void)state;
    enum { N = 10007 };
    static float parameters[N], gradients[N];
    optimizer_options options = optimizer_defaults();
    options.average = 0.5;
    for (int i = 0; i < N; i++)
        gradients[i] = i % 3 ? 1 : -1;
    optimizer o;
    assert_int_equal(optimizer_init(&o, &options, N, parameters, NULL), CAPTION_OK);
    assert_float_equal(optimizer_step(&o, 0.25, parameters, gradients), sqrt(N), 1e-4);
    for (int i = 0; i < N; i++) {
        assert_float_equal(parameters[i], (i % 3 ? -0.25 : 0.25), 1e-6);
        assert_float_equal(o.average[i], parameters[i] * 9 / 11, 1e-6);
    }
    optimizer_free(&o);
}

static void random_streams_are_the_published_generators(void **state)
{
    /* splitmix64 from 0 begins E220A8397B1DCDAF; xoshiro256** from state 1, 2, 3, 4 begins 11520, 0, 1509978240
     * (https://prng.di.unimi.it, and the same values in the test suites of NumPy and Rust's rand_xoshiro). */
    (void)state;
    random_stream r = {{1, 2, 3, 4}};
    assert_true(random_mix(0) == 0xE220A8397B1DCDAFu);
    assert_true(random_seeded(0).state[1] == 0x6E789E6AA1B965F4u);
    assert_true(random_bits(&r) == 11520);
    assert_true(random_bits(&r) == 0);
    assert_true(random_bits(&r) == 1509978240);
}

static void random_numbers_stay_in_range_and_fill_it(void **state)
{
    (void)state;
    random_stream r = random_seeded(7);
    int seen[6] = {0};
    double sum = 0;
    for (int i = 0; i < 6000; i++) {
        size_t k = random_below(&r, 6);
        double u = random_uniform(&r);
        assert_true(k < 6 && u >= 0 && u < 1);
        seen[k]++;
        sum += u;
    }
    for (int k = 0; k < 6; k++)
        assert_in_range(seen[k], 850, 1150); /* 1000 +- 5 standard deviations of 29 */
    assert_float_equal(sum / 6000, 0.5, 0.02);
    assert_int_equal(random_below(&r, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_step_moves_each_parameter_by_the_rate),
        cmocka_unit_test(three_steps_equal_the_formula),
        cmocka_unit_test(gradients_longer_than_the_limit_are_scaled_to_it),
        cmocka_unit_test(weight_decay_is_decoupled_from_the_moments),
        cmocka_unit_test(average_follows_quickly_at_first),
        cmocka_unit_test(long_vectors_move_like_short_ones),
        cmocka_unit_test(random_streams_are_the_published_generators),
        cmocka_unit_test(random_numbers_stay_in_range_and_fill_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
