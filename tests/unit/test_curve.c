/* Curves of any length in bounded memory, and back from their JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "server/jobs/job_report.h"

static void short_curves_are_kept_as_they_are(void **state)
{
    curve c = {0};
    (void)state;
    for (int i = 0; i < 5; i++)
        curve_add(&c, i + 1, 10 - i);
    assert_int_equal(c.n, 5);
    assert_float_equal(c.x[4], 5, 0);
    assert_float_equal(c.y[4], 6, 0);
}

static void long_ones_stay_bounded_and_keep_their_course(void **state)
{
    enum { VALUES = 100000 };
    curve c = {0};
    (void)state;
    for (int i = 0; i < VALUES; i++)
        curve_add(&c, i + 1, 2.0 * (i + 1)); /* a line */
    assert_in_range(c.n, CURVE_POINTS / 2, CURVE_POINTS);
    for (int i = 0; i < c.n; i++) {
        assert_true(i == 0 || c.x[i] > c.x[i - 1]);
        /* the mean over the values of a point lies behind its end by half of their number */
        assert_float_equal(c.y[i], 2 * (c.x[i] - (c.stride - 1) / 2.0), 1e-6);
    }
    assert_true(c.x[c.n - 1] > VALUES - c.stride);
}

static void going_back_drops_what_comes_again(void **state)
{
    curve c = {0};
    (void)state;
    for (int i = 1; i <= 10; i++)
        curve_add(&c, i, 1);
    curve_add(&c, 7, 5);
    assert_int_equal(c.n, 7);
    assert_float_equal(c.x[6], 7, 0);
    assert_float_equal(c.y[6], 5, 0);
}

static void json_and_back_is_the_same_curve(void **state)
{
    curve c = {0}, back = {0};
    (void)state;
    for (int i = 1; i <= 20; i++)
        curve_add(&c, 3 * i, 1.0 / i);
    cJSON *json = curve_json(&c);
    char *text = cJSON_PrintUnformatted(json);
    cJSON *parsed = cJSON_Parse(text);
    curve_restore(&back, parsed);
    assert_int_equal(back.n, 20);
    for (int i = 0; i < 20; i++) {
        assert_float_equal(back.x[i], c.x[i], 0);
        assert_float_equal(back.y[i], c.y[i], 0.0001);
    }
    cJSON_Delete(json);
    cJSON_Delete(parsed);
    free(text);
}

static void json_that_is_no_curve_is_passed_over(void **state)
{
    curve c = {0};
    (void)state;
    cJSON *json = cJSON_Parse("[[1,2],3,\"x\",[4],[null,5],{\"a\":1},[6,7,8]]");
    curve_restore(&c, json);
    assert_int_equal(c.n, 2);
    assert_float_equal(c.x[1], 6, 0);
    cJSON_Delete(json);
    curve_restore(&c, NULL);
    assert_int_equal(c.n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_curves_are_kept_as_they_are),
        cmocka_unit_test(long_ones_stay_bounded_and_keep_their_course),
        cmocka_unit_test(going_back_drops_what_comes_again),
        cmocka_unit_test(json_and_back_is_the_same_curve),
        cmocka_unit_test(json_that_is_no_curve_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
