/* test_gradients.c: every backward pass agrees with numeric derivatives, and a wrong one would be seen. */
#define REAL_IS_DOUBLE
#include "model/layers/embedding.h"
#include "model/layers/recurrent.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/gradcheck.h"
#include "model/gradcheck/numeric_gradient.h"

typedef struct tally {
    int checks, failed, stop_after;
    char worst[160];
} tally;

static int count(void *context, const caption_gradcheck *check)
{
    tally *t = context;
    t->checks++;
    if (check->passed != (check->max_relative_error <= check->threshold) || !(check->seconds >= 0) || !check->passed ||
        check->shape[0] < 1) {
        t->failed++;
        snprintf(t->worst, sizeof t->worst, "%s: error %g, threshold %g", check->name, check->max_relative_error,
                 check->threshold);
    }
    return t->checks == t->stop_after;
}

static void every_backward_pass_is_the_derivative(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 20; seed++) {
        tally t = {0};
        assert_int_equal(caption_gradcheck_run(seed, NULL, count, &t, NULL), CAPTION_OK);
        assert_true(t.checks >= 101);
        if (t.failed)
            fail_msg("seed %d: %d checks failed, one of them %s", (int)seed, t.failed, t.worst);
    }
}

static void one_layer_can_be_checked_alone(void **state)
{
    (void)state;
    tally t = {0};
    assert_int_equal(caption_gradcheck_run(0, "rnn_step", count, &t, NULL), CAPTION_OK);
    assert_int_equal(t.checks, 5);
}

static void unknown_layer_is_refused(void **state)
{
    (void)state;
    tally t = {0};
    caption_error err;
    assert_int_equal(caption_gradcheck_run(0, "gru", count, &t, &err), CAPTION_EINVAL);
    assert_non_null(strstr(err.message, "gru"));
    assert_int_equal(t.checks, 0);
    assert_int_equal(caption_gradcheck_known("", NULL), CAPTION_EINVAL);
}

static void the_refusal_names_every_layer(void **state)
{
    (void)state;
    char layer[32];
    caption_error err;
    assert_int_equal(caption_gradcheck_known("gru", &err), CAPTION_EINVAL);
    const char *at = strstr(err.message, "there are ");
    assert_non_null(at);
    int n = 0;
    for (at += strlen("there are "); sscanf(at, "%31[^,]", layer) == 1; n++) {
        tally t = {0};
        assert_int_equal(caption_gradcheck_known(layer, NULL), CAPTION_OK);
        assert_int_equal(caption_gradcheck_run(0, layer, count, &t, NULL), CAPTION_OK);
        assert_true(t.checks > 0);
        at += strlen(layer);
        at += strspn(at, ", ");
    }
    assert_true(n >= 13);
}

typedef struct shape_wanted {
    const char *name;
    int shape[CAPTION_GRADCHECK_DIMENSIONS];
    int seen;
} shape_wanted;

static int compare_shape(void *context, const caption_gradcheck *check)
{
    for (shape_wanted *w = context; w->name; w++)
        if (!strcmp(w->name, check->name)) {
            w->seen++;
            assert_memory_equal(w->shape, check->shape, sizeof w->shape);
        }
    return 0;
}

static void shapes_are_those_of_the_gradients(void **state)
{
    (void)state;
    shape_wanted wanted[] = {
        {"lstm.dx", {9, 6}, 0}, {"lstm.dh0", {3, 5}, 0}, {"lstm.dwh", {5, 20}, 0}, {"lstm.db", {20}, 0}, {0}};
    assert_int_equal(caption_gradcheck_run(0, "lstm", compare_shape, wanted, NULL), CAPTION_OK);
    for (const shape_wanted *w = wanted; w->name; w++)
        assert_int_equal(w->seen, 1);
}

static void the_caller_can_stop(void **state)
{
    (void)state;
    tally t = {.stop_after = 3};
    assert_int_equal(caption_gradcheck_run(0, NULL, count, &t, NULL), CAPTION_ECANCELLED);
    assert_int_equal(t.checks, 3);
}

/* y_j = tanh(x_j), whose backward pass is dx = dy (1 - y^2). */
enum { N = 4 };

typedef struct tanh_layer {
    double x[N], y[N];
} tanh_layer;

static void tanh_forward(void *context)
{
    tanh_layer *layer = context;
    for (int j = 0; j < N; j++)
        layer->y[j] = tanh(layer->x[j]);
}

static double tanh_error(double slope_at_one, double planted)
{
    tanh_layer layer = {.x = {-0.9, -0.2, 0.4, 1.1}};
    const double dy[N] = {1, -2, 0.5, 3};
    double backward[N], numeric[N], spare[N];
    const numeric_function f = {tanh_forward, &layer, N, layer.y, dy};
    numeric_gradient(&f, N, layer.x, 1e-3, numeric, spare);
    tanh_forward(&layer);
    for (int j = 0; j < N; j++)
        backward[j] = dy[j] * (slope_at_one - layer.y[j] * layer.y[j]);
    backward[2] += planted;
    return numeric_relative_error(N, backward, numeric);
}

static void a_wrong_gradient_is_seen(void **state)
{
    (void)state;
    assert_true(tanh_error(1, 0) < 1e-11);
    assert_true(tanh_error(1.001, 0) > 1e-4); /* every element a little wrong */
    assert_true(tanh_error(1, 1e-6) > 1e-7);  /* one element wrong in its sixth digit */
    assert_true(tanh_error(NAN, 0) > 1e300);  /* not a number */
    assert_true(tanh_error(-1, 0) > 0.1);
}

static void the_error_is_the_course_s(void **state)
{
    (void)state;
    /* |1 - 1.5| / 2.5 = 0.2;  |3 - 3| = 0;  |0 - 1e-9| / 1e-8 = 0.1 */
    assert_true(fabs(numeric_relative_error(3, (double[]){1, 3, 0}, (double[]){1.5, 3, 1e-9}) - 0.2) < 1e-15);
    assert_true(fabs(numeric_relative_error(1, (double[]){0}, (double[]){1e-9}) - 0.1) < 1e-15);
    assert_true(numeric_relative_error(1, (double[]){0}, (double[]){0}) == 0);
}

/* Twice the same backward pass: twice the gradient of every parameter, but the same gradient of the inputs. */
static void gradients_of_parameters_add_up(void **state)
{
    (void)state;
    const double x[2] = {2, 3}, w[2] = {5, 7}, h[1] = {11}, wh[1] = {13}, da[1] = {17};
    double dx[2] = {0}, dwx[2] = {0}, dwh[1] = {0}, db[1] = {0}, table[4] = {0};
    const recurrent_weights_d weights = {2, 1, w, wh, NULL};
    const recurrent_gradients_d gradients = {dwx, dwh, db};
    for (int times = 1; times <= 2; times++) {
        recurrent_backward_d(&weights, 1, 1, x, h, da, dx, &gradients);
        assert_true(dwx[0] == times * 34 && dwx[1] == times * 51 && dwh[0] == times * 187 && db[0] == times * 17);
        assert_true(dx[0] == 85 && dx[1] == 119);
        embedding_backward_d(2, 2, (int[]){1, 1}, (double[]){1, 2, 3, 4}, table);
        assert_true(table[0] == 0 && table[1] == 0 && table[2] == times * 4 && table[3] == times * 6);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_backward_pass_is_the_derivative),
        cmocka_unit_test(one_layer_can_be_checked_alone),
        cmocka_unit_test(unknown_layer_is_refused),
        cmocka_unit_test(the_refusal_names_every_layer),
        cmocka_unit_test(shapes_are_those_of_the_gradients),
        cmocka_unit_test(the_caller_can_stop),
        cmocka_unit_test(a_wrong_gradient_is_seen),
        cmocka_unit_test(the_error_is_the_course_s),
        cmocka_unit_test(gradients_of_parameters_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
