/* What a worker keeps of an image's captions. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/engine/results.h"

/* A beam that found fewer captions than were asked for fills up with impossible ones: they are no alternatives. */
static void impossible_alternatives_are_dropped(void **state)
{
    const caption_result found[] = {{.text = "a cat", .logprob = -1},
                                    {.text = "", .logprob = -INFINITY},
                                    {.text = "a dog", .logprob = -2},
                                    {.text = "", .logprob = -INFINITY}};
    ticket_image image = {0};
    caption_error err;
    (void)state;
    assert_int_equal(results_keep(&image, found, 4, 0, &err), CAPTION_OK);
    assert_string_equal(image.result.text, "a cat");
    assert_int_equal(image.n_others, 1);
    assert_string_equal(image.others[0].text, "a dog");
    results_free(&image);
}

/* The best one is the answer, however improbable. */
static void the_best_one_is_kept_even_if_it_is_impossible(void **state)
{
    const caption_result found[] = {{.text = "", .logprob = -INFINITY}};
    ticket_image image = {0};
    caption_error err;
    (void)state;
    assert_int_equal(results_keep(&image, found, 1, 0, &err), CAPTION_OK);
    assert_true(isinf(image.result.logprob));
    assert_int_equal(image.n_others, 0);
    results_free(&image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(impossible_alternatives_are_dropped),
        cmocka_unit_test(the_best_one_is_kept_even_if_it_is_impossible),
    };
    return cmocka_run_group_tests_name("results", tests, NULL, NULL);
}
