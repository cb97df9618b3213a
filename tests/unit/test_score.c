/* BLEU, ROUGE-L and CIDEr-D against numbers worked by hand; the arithmetic stands above each. Letters are words. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/score.h"
#include "tests/support/scratch.h"

/* Scores candidates of images 1.jpg, 2.jpg ... against the references in `tsv`. */
static caption_scores score(const char *tsv, const char *const *candidates)
{
    caption_dataset *dataset;
    caption_scores scores;
    char path[512];
    strcpy(path, scratch_write("references.tsv", tsv, strlen(tsv)));
    assert_int_equal(caption_dataset_open(&dataset, scratch_path("."), path, NULL), CAPTION_OK);
    assert_int_equal(caption_score(&scores, dataset, candidates, NULL), CAPTION_OK);
    assert_int_equal(scores.images, caption_dataset_size(dataset));
    caption_dataset_free(dataset);
    return scores;
}

static void repeated_words_are_clipped_to_their_count_in_a_reference(void **state)
{
    /* Papineni et al. 2002, example 2: "the" occurs twice in reference 1, so p1 = 2/7; no bigram matches. The closest
     * reference length is 7, as the candidate's: no brevity penalty. */
    (void)state;
    caption_scores s = score("1.jpg\tThe cat is on the mat .\n1.jpg\tThere is a cat on the mat .\n",
                             (const char *[]){"the the the the the the the"});
    assert_float_equal(s.bleu[0], 2.0 / 7, 1e-6);
    assert_float_equal(s.bleu[1], 0, 0);
    assert_float_equal(s.bleu[3], 0, 0);
}

static void counts_are_pooled_over_the_corpus_before_dividing(void **state)
{
    /* image 1: a b c d e | a b c d f    1-grams 4/5, 2-grams 3/4, 3-grams 2/3, 4-grams 1/2
     * image 2: x y       | x z          1-grams 1/2, 2-grams 0/1
     * pooled: 5/7, 3/5, 2/3, 1/2; lengths 7 and 7
     * BLEU-2 = (5/7 3/5)^(1/2) = (3/7)^(1/2), BLEU-3 = (2/7)^(1/3), BLEU-4 = (1/7)^(1/4) */
    (void)state;
    caption_scores s = score("1.jpg\ta b c d f\n2.jpg\tx z\n", (const char *[]){"a b c d e", "x y"});
    assert_float_equal(s.bleu[0], 5.0 / 7, 1e-6);
    assert_float_equal(s.bleu[1], 0.6546537, 1e-6);
    assert_float_equal(s.bleu[2], 0.6586337, 1e-6);
    assert_float_equal(s.bleu[3], 0.6147881, 1e-6);
}

static void short_candidates_pay_the_brevity_penalty(void **state)
{
    /* c = 2, r = 4: e^(1 - 4/2) = 0.3678794; p1 = p2 = 1; there is no 3-gram. */
    (void)state;
    caption_scores s = score("1.jpg\ta b c d\n", (const char *[]){"a b"});
    assert_float_equal(s.bleu[0], 0.3678794, 1e-6);
    assert_float_equal(s.bleu[1], 0.3678794, 1e-6);
    assert_float_equal(s.bleu[2], 0, 0);
}

static void of_two_equally_close_references_the_shorter_sets_the_length(void **state)
{
    /* Lengths 5 and 3 are both one away from 4: r = 3, no penalty, p1 = 4/4. */
    (void)state;
    caption_scores s = score("1.jpg\ta b c d e\n1.jpg\ta b c\n", (const char *[]){"a b c d"});
    assert_float_equal(s.bleu[0], 1, 1e-6);
}

static void rouge_takes_the_best_precision_and_recall_of_any_reference(void **state)
{
    /* a b c d | a c b d e: longest common subsequence 3 (a b d), P = 3/4, R = 3/5
     *   F = 2.44 * .75 * .6 / (.6 + 1.44 * .75) = 1.098 / 1.68 = 0.6535714
     * with the second reference "d": P = 1/4, R = 1, so the best are 3/4 and 1
     *   F = 2.44 * .75 * 1 / (1 + 1.44 * .75) = 1.83 / 2.08 = 0.8798077 */
    (void)state;
    caption_scores one = score("1.jpg\ta c b d e\n", (const char *[]){"a b c d"});
    assert_float_equal(one.rouge_l, 0.6535714, 1e-6);
    caption_scores two = score("1.jpg\ta c b d e\n1.jpg\td\n", (const char *[]){"a b c d"});
    assert_float_equal(two.rouge_l, 0.8798077, 1e-6);
}

static void cider_weighs_words_by_how_few_images_have_them(void **state)
{
    /* idf: a = log(2/2) = 0, dog = cat = "a dog" = "a cat" = log(2/1).
     * image 1, a dog | a dog: cosine 1 for n = 1 and 2, no longer n-gram: 10 * (1 + 1 + 0 + 0) / 4 = 5
     * image 2, a dog | a cat: only "a" is common and weighs nothing: 0            mean 2.5 */
    (void)state;
    caption_scores s = score("1.jpg\ta dog\n2.jpg\ta cat\n", (const char *[]){"a dog", "a dog"});
    assert_float_equal(s.cider, 2.5, 1e-6);
}

static void cider_clips_repetition_and_penalises_length(void **state)
{
    /* image 2, cat cat cat | a cat, L = log 2:
     *   n = 1: candidate cat 3 L, reference cat 1 L: min(3, 1) * 1 L^2 / (3 L * L) = 1/3
     *   n = 2: "cat cat" is in no reference, 0
     *   lengths 3 and 2: e^(-1 / (2 * 36)) = 0.9862071          10 * (1/3) / 4 * 0.9862071 = 0.8218393
     * image 1, z: nothing in common, 0                          mean 0.4109196 */
    (void)state;
    caption_scores s = score("1.jpg\ta dog\n2.jpg\ta cat\n", (const char *[]){"z", "cat cat cat"});
    assert_float_equal(s.cider, 0.4109196, 1e-6);
}

static void cider_averages_over_references(void **state)
{
    /* idf with references of both images: a, runs 0 (both images have them); dog, cat, sheep, "a dog" ... log 2 = L.
     * image 1, a dog | a dog, a sheep runs:
     *   reference 1: n = 1 cosine 1; n = 2 "a dog" cosine 1: 10 * 2 / 4 = 5
     *   reference 2: dog is not in it: 0                        mean 2.5
     * image 2, a cat runs | a cat runs:
     *   n = 1: cat 1; n = 2: "a cat", "cat runs" 1; n = 3: 1: 10 * 3 / 4 = 7.5
     * mean of both images 5 */
    (void)state;
    caption_scores s =
        score("1.jpg\ta dog\n1.jpg\ta sheep runs\n2.jpg\ta cat runs\n", (const char *[]){"a dog", "a cat runs"});
    assert_float_equal(s.cider, 5, 1e-6);
}

static void perfect_captions_of_four_words_score_full_marks(void **state)
{
    (void)state;
    caption_scores s =
        score("1.jpg\ta b c d\n2.jpg\te f g h i\n", (const char *[]){"A b c d .", "E F , g h i"}); /* tokenised alike */
    for (int n = 0; n < 4; n++)
        assert_float_equal(s.bleu[n], 1, 1e-6);
    assert_float_equal(s.rouge_l, 1, 1e-6);
    assert_float_equal(s.cider, 10, 1e-5);
}

static void one_image_alone_has_no_cider(void **state)
{
    /* Every n-gram is in the only document: log(1/1) = 0, so all weights vanish. */
    (void)state;
    caption_scores s = score("1.jpg\ta b c d\n", (const char *[]){"a b c d"});
    assert_float_equal(s.cider, 0, 0);
    assert_float_equal(s.bleu[3], 1, 1e-6);
}

static void empty_candidates_score_nothing(void **state)
{
    (void)state;
    caption_scores s = score("1.jpg\ta dog\n2.jpg\ta cat\n", (const char *[]){"", " . "});
    for (int n = 0; n < 4; n++)
        assert_float_equal(s.bleu[n], 0, 0);
    assert_float_equal(s.rouge_l, 0, 0);
    assert_float_equal(s.cider, 0, 0);
    assert_false(isnan(s.cider) || isnan(s.rouge_l));
}

static void words_too_long_for_the_vocabulary_still_differ(void **state)
{
    /* Two unknown words must not count as the same word. */
    (void)state;
    caption_scores s = score("1.jpg\tpneumonoultramicroscopicsilicovolcanoconiosis\n2.jpg\tx\n",
                             (const char *[]){"pneumonoultramicroscopicsilicovolcanoconiotic", "y"});
    assert_float_equal(s.bleu[0], 0, 0);
    assert_float_equal(s.rouge_l, 0, 0);
}

static int make_images(void **state)
{
    if (scratch_make(state) != 0)
        return -1;
    scratch_write("1.jpg", "", 0);
    scratch_write("2.jpg", "", 0);
    return 0;
}

/* Of a hundred scores of 0 and 1 the mean has a standard error of 0.05, and 95 % lie within 1.96 of them. */
static void the_interval_is_as_wide_as_the_mean_is_unsure(void **state)
{
    double each[400], low, high;
    (void)state;
    for (int i = 0; i < 400; i++)
        each[i] = i % 2;
    caption_score_interval(each, 100, &low, &high);
    assert_float_equal(low, 0.5 - 1.96 * 0.05, 0.015);
    assert_float_equal(high, 0.5 + 1.96 * 0.05, 0.015);
    caption_score_interval(each, 400, &low, &high);
    assert_float_equal(low, 0.5 - 1.96 * 0.025, 0.01);
    assert_float_equal(high, 0.5 + 1.96 * 0.025, 0.01);
    caption_score_interval(each, 1, &low, &high);
    assert_true(low == 0 && high == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_interval_is_as_wide_as_the_mean_is_unsure),
        cmocka_unit_test(repeated_words_are_clipped_to_their_count_in_a_reference),
        cmocka_unit_test(counts_are_pooled_over_the_corpus_before_dividing),
        cmocka_unit_test(short_candidates_pay_the_brevity_penalty),
        cmocka_unit_test(of_two_equally_close_references_the_shorter_sets_the_length),
        cmocka_unit_test(rouge_takes_the_best_precision_and_recall_of_any_reference),
        cmocka_unit_test(cider_weighs_words_by_how_few_images_have_them),
        cmocka_unit_test(cider_clips_repetition_and_penalises_length),
        cmocka_unit_test(cider_averages_over_references),
        cmocka_unit_test(perfect_captions_of_four_words_score_full_marks),
        cmocka_unit_test(one_image_alone_has_no_cider),
        cmocka_unit_test(empty_candidates_score_nothing),
        cmocka_unit_test(words_too_long_for_the_vocabulary_still_differ),
    };
    return cmocka_run_group_tests(tests, make_images, scratch_remove);
}
