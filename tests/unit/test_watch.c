/* test_watch.c: watched products are what they were until somebody wants to stop, and nobody has to wait for a large
 * one to end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/caption.h"
#include "model/kernels/gemm.h"
#include "model/random.h"

enum { ROWS = 1100, COLS = 2000, INNER = 3000, NEVER = 1 << 30 };

/* C as each of the products makes it, unwatched; as it was before. */
static float *a, *b, *c, *before;

static int make(void **state)
{
    random_stream random = random_seeded(3);
    (void)state;
    caption_init();
    a = malloc((size_t)ROWS * INNER * sizeof *a);
    b = malloc((size_t)INNER * COLS * sizeof *b);
    c = malloc((size_t)ROWS * COLS * sizeof *c);
    before = malloc((size_t)ROWS * COLS * sizeof *before);
    if (!a || !b || !c || !before)
        return -1;
    for (size_t i = 0; i < (size_t)ROWS * INNER; i++)
        a[i] = (float)random_uniform(&random) - 0.5f;
    for (size_t i = 0; i < (size_t)INNER * COLS; i++)
        b[i] = (float)random_uniform(&random) - 0.5f;
    return 0;
}

static int free_all(void **state)
{
    (void)state;
    free(a);
    free(b);
    free(c);
    free(before);
    return 0;
}

struct asker {
    int asked, stop_at; /* 1-based */
};

static int ask(void *context)
{
    struct asker *asker = context;
    return ++asker->asked >= asker->stop_at;
}

typedef void product(int m, int n, int k, const float *a, const float *b, float beta, float *c);

static product *const products[] = {gemm, gemm_tn, gemm_nt};

/* A product into C that begins as zeros. Returns how often it was asked. */
static int multiply(product *p, int stop_at, int rows, int cols, float beta)
{
    struct asker asker = {0, stop_at};
    watch w = {ask, &asker, 0};
    watch_begin(&w);
    p(rows, cols, INNER, a, b, beta, c);
    watch_end();
    assert_int_equal(w.stopped, asker.asked >= stop_at);
    return asker.asked;
}

/* Sums of INNER numbers below 1/4, added up in another order. */
static void expect_equal(const float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        assert_float_equal(x[i], y[i], 1e-4);
}

static void watched_products_are_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        memset(before, 0, (size_t)ROWS * COLS * sizeof *before);
        memset(c, 0, (size_t)ROWS * COLS * sizeof *c);
        products[i](ROWS, COLS, INNER, a, b, 1, before);
        multiply(products[i], NEVER, ROWS, COLS, 1);
        expect_equal(before, c, (size_t)ROWS * COLS);
    }
}

static void a_large_product_asks_in_between(void **state)
{
    (void)state;
    double parts = (double)ROWS * COLS * INNER / watch_most_multiplications;
    assert_true(parts > 3);
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        assert_in_range(multiply(products[i], NEVER, ROWS, COLS, 0), (int)parts + 1, 3 * (int)parts);
        assert_int_equal(multiply(products[i], NEVER, 20, COLS, 0), 1);
    }
}

static void from_a_stop_on_products_are_0(void **state)
{
    (void)state;
    enum { PART = (int)2e9 / COLS / INNER / WATCH_ROWS * WATCH_ROWS }; /* rows */
    for (size_t i = 0; i < sizeof products / sizeof *products; i++) {
        products[i](ROWS, COLS, INNER, a, b, 0, before);
        memcpy(c, before, (size_t)ROWS * COLS * sizeof *c);
        multiply(products[i], 1, ROWS, COLS, 1); /* C + 0 */
        assert_memory_equal(before, c, (size_t)ROWS * COLS * sizeof *c);
        multiply(products[i], 2, ROWS, COLS, 0);
        expect_equal(before, c, (size_t)PART * COLS);
        for (size_t k = (size_t)PART * COLS; k < (size_t)ROWS * COLS; k++)
            assert_true(c[k] == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(watched_products_are_the_same),
        cmocka_unit_test(a_large_product_asks_in_between),
        cmocka_unit_test(from_a_stop_on_products_are_0),
    };
    return cmocka_run_group_tests(tests, make, free_all);
}
