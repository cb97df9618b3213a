/* Half precision against its definition: value = (-1)^s * 2^(e-15) * 1.f, subnormal 2^-14 * 0.f (IEEE 754-2008, 3.4).
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/storage/half.h"

static double definition(unsigned half)
{
    int exponent = half >> 10 & 31, fraction = half & 1023;
    double magnitude = exponent == 31  ? (fraction ? NAN : INFINITY)
                       : exponent == 0 ? ldexp(fraction, -24)
                                       : ldexp(1024 + fraction, exponent - 25);
    return half & 0x8000 ? -magnitude : magnitude;
}

static float widened(uint16_t half)
{
    float value;
    half_widen(&value, &half, 1);
    return value;
}

static uint16_t narrowed(float value)
{
    uint16_t half;
    half_narrow(&half, &value, 1);
    return half;
}

static void every_half_widens_to_its_definition(void **state)
{
    (void)state;
    for (unsigned half = 0; half < 65536; half++) {
        double expected = definition(half);
        float value = widened((uint16_t)half);
        if (isnan(expected)) {
            assert_true(isnan(value));
        } else {
            assert_true(value == expected);
            assert_int_equal(!!signbit(value), half >> 15);
        }
    }
}

static void every_half_survives_the_round_trip(void **state)
{
    (void)state;
    for (unsigned half = 0; half < 65536; half++) {
        uint16_t back = narrowed(widened((uint16_t)half));
        if ((half & 0x7fff) > 0x7c00)
            assert_true((back & 0x7fff) > 0x7c00);
        else
            assert_int_equal(back, half);
    }
}

/* Between each two neighbours: the middle goes to the even one, a float to either side of it to the nearer one. */
static void every_gap_rounds_to_nearest_even(void **state)
{
    (void)state;
    for (unsigned half = 0; half < 0x7bff; half++) {
        float middle = (float)((definition(half) + definition(half + 1)) / 2);
        assert_int_equal(narrowed(middle), half + (half & 1));
        assert_int_equal(narrowed(nextafterf(middle, 0)), half);
        assert_int_equal(narrowed(nextafterf(middle, INFINITY)), half + 1);
        assert_int_equal(narrowed(-nextafterf(middle, 0)), half | 0x8000);
    }
}

static void the_ends_of_the_range_round_as_they_should(void **state)
{
    (void)state;
    assert_int_equal(narrowed(65504.0f), 0x7bff);
    assert_int_equal(narrowed(nextafterf(65520.0f, 0)), 0x7bff);
    assert_int_equal(narrowed(65520.0f), 0x7c00);
    assert_int_equal(narrowed(1e30f), 0x7c00);
    assert_int_equal(narrowed(-INFINITY), 0xfc00);
    assert_int_equal(narrowed(0x1p-25f), 0x0000);
    assert_int_equal(narrowed(0x1.8p-25f), 0x0001);
    assert_int_equal(narrowed(-0x1p-149f), 0x8000);
    assert_true((narrowed(NAN) & 0x7fff) > 0x7c00);
}

static void unaligned_halves_are_read(void **state)
{
    (void)state;
    unsigned char bytes[] = {0, 0x00, 0x3c, 0x00, 0xc0};
    float values[2];
    half_widen(values, bytes + 1, 2);
    assert_true(values[0] == 1.0f && values[1] == -2.0f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_half_widens_to_its_definition),
        cmocka_unit_test(every_half_survives_the_round_trip),
        cmocka_unit_test(every_gap_rounds_to_nearest_even),
        cmocka_unit_test(the_ends_of_the_range_round_as_they_should),
        cmocka_unit_test(unaligned_halves_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
