/* Concepts, confidence and text without images: ranks, the fitted weights, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/decoder/concepts.h"
#include "model/decoder/confidence.h"
#include "model/random.h"
#include "model/training/calibrate.h"
#include "model/training/texts.h"
#include "tests/support/scratch.h"

static void the_most_probable_come_first_and_ties_in_order(void **state)
{
    static const float p[2 * 5] = {0.1f, 0.9f, 0.5f, 0.9f, 0.2f, 0, 0, 0, 0, 1};
    static const int right[2 * 3] = {1, 3, 2, 4, 0, 1};
    int tags[2 * 3];
    (void)state;
    concepts_rank(2, 5, p, 3, tags);
    assert_memory_equal(tags, right, sizeof right);
}

static void probabilities_are_those_of_the_logistic_regression(void **state)
{
    static const float x[2] = {1, -2};
    float weights[3 * 2] = {1, 0, 0.5f, 1, 0, 3}, p[2]; /* W [2, 2], b [2] */
    concept_head head = {.n = 2, .weights = weights};
    (void)state;
    concepts_infer(&head, 2, 1, x, p);
    assert_float_equal(p[0], 0.5, 1e-6);       /* 1 - 1 + 0 */
    assert_float_equal(p[1], 0.7310586, 1e-6); /* 0 - 2 + 3 */
}

/* "a WORD" with that log-probability and concept. */
static caption_result result_of(caption_token tokens[2], const char *word, float logprob, float concept)
{
    tokens[0] = (caption_token){.word = "a", .logprob = 0, .concept = -1};
    tokens[1] = (caption_token){.word = word, .logprob = logprob, .concept = concept};
    return (caption_result){.words = 2, .tokens = tokens};
}

static void confidence_is_of_content_words_alone(void **state)
{
    caption_token tokens[2];
    const confidence fitted = {1, {0, 0, 0, 1, 0}}; /* the logit of the concept: its probability */
    (void)state;
    caption_result dog = result_of(tokens, "dog", -1, 0.8f);
    assert_float_equal(confidence_of(&fitted, &dog), 0.8, 1e-5);
    assert_float_equal(confidence_of(&(confidence){0}, &dog), 0.6065307, 1e-5); /* e^(-1/2) */
    caption_result nothing = result_of(tokens, "the", -1, 0.8f);
    assert_float_equal(confidence_of(&fitted, &nothing), 0, 0);
}

static void what_is_printed_is_read_and_nothing_else(void **state)
{
    const confidence fitted = {1, {0.25, -1, 3e-5, 7, 0}};
    char text[CONFIDENCE_TEXT];
    confidence read = {0};
    (void)state;
    confidence_print(&fitted, text);
    assert_int_equal(confidence_parse(&read, text), 1);
    assert_memory_equal(read.w, fitted.w, sizeof read.w);
    assert_int_equal(confidence_parse(&read, "1 2 3 4"), 0);
    assert_int_equal(confidence_parse(&read, "1 2 3 4 5 6"), 0);
    assert_int_equal(confidence_parse(&read, "1 2 3 nan 5"), 0);
    assert_int_equal(confidence_parse(&read, ""), 0);
}

/* Words whose concept has probability p are true so often: the fit must say p. */
static void the_fit_is_calibrated(void **state)
{
    static const char *const yes[] = {"a dog runs"}, *const no[] = {"a cat runs"};
    const caption_dataset_image with = {"1.jpg", yes, 1}, without = {"2.jpg", no, 1};
    random_stream r = random_seeded(1);
    calibration c = {0};
    caption_token tokens[2];
    (void)state;
    for (int i = 0; i < 4000; i++) {
        const float p = (float)(0.05 + 0.9 * random_uniform(&r));
        const caption_result result = result_of(tokens, "dog", (float)-random_uniform(&r), p);
        assert_int_equal(calibration_add(&c, &result, random_uniform(&r) < (double)p ? &with : &without, NULL), 0);
    }
    const confidence fitted = calibration_fit(&c);
    calibration_free(&c);
    assert_true(fitted.fitted);
    for (float p = 0.2f; p < 0.9f; p += 0.2f) {
        const caption_result result = result_of(tokens, "dog", -0.5f, p);
        assert_float_equal(confidence_of(&fitted, &result), p, 0.05);
    }
}

static void few_words_fit_nothing(void **state)
{
    static const char *const said[] = {"a dog"};
    const caption_dataset_image image = {"1.jpg", said, 1};
    calibration c = {0};
    caption_token tokens[2];
    (void)state;
    const caption_result result = result_of(tokens, "dog", -1, 0.5f);
    assert_int_equal(calibration_add(&c, &result, &image, NULL), 0);
    assert_false(calibration_fit(&c).fitted);
    calibration_free(&c);
}

static void lines_of_text_are_tokenised_and_empty_ones_left_out(void **state)
{
    static const char text[] = "A Dog, running!\r\n\n  ...\nTwo cats";
    caption_texts texts;
    (void)state;
    assert_int_equal(texts_open(&texts, scratch_write("text.txt", text, sizeof text - 1), NULL), CAPTION_OK);
    assert_int_equal(texts.n, 2);
    assert_string_equal(texts.line[0], "a dog running");
    assert_string_equal(texts.line[1], "two cats");
    texts_close(&texts);
}

static void text_that_is_not_text_is_refused_by_line(void **state)
{
    caption_texts texts;
    caption_error err;
    (void)state;
    assert_int_equal(texts_open(&texts, scratch_write("text.txt", "fine\n\xff\xfe\n", 8), &err), CAPTION_EFORMAT);
    assert_non_null(strstr(err.message, "line 2"));
    assert_int_equal(texts_open(&texts, scratch_write("text.txt", "fine\0hidden\n", 12), &err), CAPTION_EFORMAT);
    assert_non_null(strstr(err.message, "line 1"));
    assert_int_equal(texts_open(&texts, scratch_path("none.txt"), &err), CAPTION_EIO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_most_probable_come_first_and_ties_in_order),
        cmocka_unit_test(probabilities_are_those_of_the_logistic_regression),
        cmocka_unit_test(confidence_is_of_content_words_alone),
        cmocka_unit_test(what_is_printed_is_read_and_nothing_else),
        cmocka_unit_test(the_fit_is_calibrated),
        cmocka_unit_test(few_words_fit_nothing),
        cmocka_unit_test(lines_of_text_are_tokenised_and_empty_ones_left_out),
        cmocka_unit_test(text_that_is_not_text_is_refused_by_line),
    };
    return cmocka_run_group_tests_name("concepts", tests, scratch_make, scratch_remove);
}
