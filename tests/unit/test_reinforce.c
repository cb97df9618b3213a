/* Learning from rewards: what a caption is worth, how captions are drawn, and the batch they become. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/training/reinforce.h"
#include "model/training/rewards.h"
#include "tests/support/scratch.h"

enum { IMAGES = 5, MAX_WORDS = 4, SAMPLES = 4, SIZE = 9 };

static const decoder_shape shape_without_words = {.kind = DECODER_RNN, .features = 2, .words = 1, .hidden = 1};

static caption_dataset *dataset;
static vocabulary *words;
static decoder_shape shape;

static int make_dataset(void **state)
{
    char tsv[512];
    static const char text[] = "0.jpg\ta dog runs\n1.jpg\ta cat sits\n2.jpg\ttwo dogs\n3.jpg\tred\n4.jpg\ta dog sits\n";
    const char *captions[IMAGES];
    if (scratch_make(state) != 0)
        return -1;
    for (int i = 0; i < IMAGES; i++) {
        char name[16];
        snprintf(name, sizeof name, "%d.jpg", i);
        scratch_write(name, "", 0);
    }
    strcpy(tsv, scratch_write("captions.tsv", text, sizeof text - 1));
    if (caption_dataset_open(&dataset, scratch_path("."), tsv, NULL) != CAPTION_OK)
        return -1;
    for (size_t i = 0; i < IMAGES; i++)
        captions[i] = caption_dataset_at(dataset, i)->captions[0];
    if (vocabulary_build(&words, captions, IMAGES, 1, NULL) != CAPTION_OK)
        return -1;
    shape = shape_without_words;
    shape.vocabulary = vocabulary_size(words);
    return 0;
}

static int free_dataset(void **state)
{
    caption_dataset_free(dataset);
    vocabulary_free(words);
    return scratch_remove(state);
}

/* ---- rewards ---------------------------------------------------------------------------------------------------- */

static void check_reward(size_t image, const char *caption, int finished, double expected)
{
    rewards *r;
    int ids[MAX_WORDS];
    assert_int_equal(rewards_new(&r, dataset, words, MAX_WORDS, NULL), CAPTION_OK);
    int n = vocabulary_encode(words, caption, ids, MAX_WORDS);
    assert_float_equal(rewards_of(r, image, ids, n, finished), expected, 1e-4);
    rewards_free(r);
}

static void caption_that_equals_its_reference_and_ends_is_worth_ten(void **state)
{
    (void)state;
    check_reward(0, "a dog runs", 1, 10); /* with its end four words, so that all four orders count */
}

static void missing_end_costs_what_a_missing_word_costs(void **state)
{
    /* a dog runs | a dog runs .      "." is in all 5 images and weighs 0; with l2 = log(5/2), l3 = log(5/3), l5 = log
     * 5: n = 1: a l3, dog l2, runs l5 in both: cosine 1 n = 2: candidate "a dog" l2, "dog runs" l5; reference also
     * "runs ." l5 cosine = sqrt(l2^2 + l5^2) / sqrt(l2^2 + 2 l5^2) = 1.851993 / 2.453603 = 0.754805 n = 3: candidate "a
     * dog runs" l5; reference also "dog runs ." l5: 1 / sqrt 2 = 0.707107 n = 4: none: 0 lengths 3 and 4: e^(-1/72) =
     * 0.986207        10 * (1 + .754805 + .707107) / 4 * .986207 = 6.069888 */
    (void)state;
    check_reward(0, "a dog runs", 0, 6.069888);
}

static void wrong_and_empty_captions_are_worth_nothing(void **state)
{
    (void)state;
    check_reward(3, "two cat", 0, 0);
    check_reward(3, "", 0, 0);
    check_reward(3, "", 1, 0); /* the end alone is in every reference and weighs nothing */
    check_reward(0, "unheard words", 1, 0);
}

/* ---- sampling --------------------------------------------------------------------------------------------------- */

/* Parameters of a decoder whose scores are b_vocab whatever it reads: END has probability one half, "a" a third, "dog"
 * a sixth, everything else none. */
static float *simple_parameters(void)
{
    decoder_tensor tensors[DECODER_MAX_TENSORS];
    size_t total;
    decoder_layout(&shape, tensors, &total);
    float *parameters = calloc(total, sizeof *parameters), *b = parameters + tensors[DECODER_B_VOCAB].offset;
    assert_non_null(parameters);
    for (int v = 0; v < shape.vocabulary; v++)
        b[v] = -1000;
    b[VOCABULARY_END] = logf(3);
    b[vocabulary_id(words, "a", 1)] = logf(2);
    b[vocabulary_id(words, "dog", 3)] = logf(1);
    return parameters;
}

static reinforce *make_reinforce(float example)
{
    reinforce *r;
    const reinforce_plan plan = {.size = SIZE, .samples = SAMPLES, .example = example, .max_words = MAX_WORDS};
    assert_int_equal(reinforce_new(&r, dataset, words, &shape, &plan, NULL), CAPTION_OK);
    reinforce_shuffle(r, 1, 0);
    return r;
}

static void every_image_comes_once_an_epoch_with_all_its_samples(void **state)
{
    (void)state;
    reinforce *r = make_reinforce(0);
    int seen[IMAGES] = {0};
    assert_int_equal(reinforce_count(r), 3); /* two images a batch of nine */
    for (size_t i = 0; i < 3; i++) {
        batch_view view = reinforce_images(r, i, BATCH_WHOLE);
        assert_int_equal(view.n, i < 2 ? 2 * SAMPLES : SAMPLES);
        for (int row = 0; row < view.n; row++) {
            seen[view.images[row]]++;
            assert_int_equal(view.images[row], view.images[row / SAMPLES * SAMPLES]);
        }
    }
    for (int i = 0; i < IMAGES; i++)
        assert_int_equal(seen[i], SAMPLES);
    reinforce_free(r);
}

static void words_are_drawn_with_the_captioners_probabilities(void **state)
{
    /* Of 8000 first words about 4000 are END, 2667 "a", 1333 "dog": 5 standard deviations are 224, 211, 167. */
    (void)state;
    enum { ROUNDS = 1000 };
    reinforce *r = make_reinforce(0);
    float *parameters = simple_parameters(), features[SIZE * 2] = {0};
    random_stream random = random_seeded(3);
    int ends = 0, a = 0, dog = 0, id_a = vocabulary_id(words, "a", 1), id_dog = vocabulary_id(words, "dog", 3);
    for (int round = 0; round < ROUNDS; round++) {
        batch_view view = reinforce_images(r, 0, BATCH_WHOLE);
        reinforce_sample(r, parameters, &(decoder_images_f){.features = features}, random_bits(&random), &view);
        for (int row = 0; row < view.n; row++) {
            int first = view.captions[view.n + row];
            ends += first == VOCABULARY_END;
            a += first == id_a;
            dog += first == id_dog;
        }
    }
    assert_int_equal(ends + a + dog, 8 * ROUNDS);
    assert_in_range(ends, 3776, 4224);
    assert_in_range(a, 2456, 2878);
    assert_in_range(dog, 1166, 1500);
    free(parameters);
    reinforce_free(r);
}

/* Learnt as <UNK>, say, a drawn START would never become rarer. */
static void what_is_no_word_is_drawn_as_itself_but_for_padding(void **state)
{
    /* Of 4000 first words about 1000 are START: 5 standard deviations are 137. */
    (void)state;
    enum { ROUNDS = 500 };
    reinforce *r = make_reinforce(0);
    float *parameters = simple_parameters(), features[SIZE * 2] = {0};
    decoder_tensor tensors[DECODER_MAX_TENSORS];
    size_t total;
    decoder_layout(&shape, tensors, &total);
    float *b = parameters + tensors[DECODER_B_VOCAB].offset;
    b[vocabulary_id(words, "a", 1)] = b[vocabulary_id(words, "dog", 3)] = -1000;
    b[VOCABULARY_NULL] = logf(3);
    b[VOCABULARY_START] = logf(1);
    random_stream random = random_seeded(3);
    int starts = 0;
    for (int round = 0; round < ROUNDS; round++) {
        batch_view view = reinforce_images(r, 0, BATCH_WHOLE);
        reinforce_sample(r, parameters, &(decoder_images_f){.features = features}, random_bits(&random), &view);
        for (int row = 0; row < view.n; row++) {
            int first = view.captions[view.n + row];
            starts += first == VOCABULARY_START;
            assert_true(first == VOCABULARY_START || first == VOCABULARY_END);
        }
    }
    assert_in_range(starts, 863, 1137);
    free(parameters);
    reinforce_free(r);
}

static void samples_become_a_batch_whose_weights_balance(void **state)
{
    (void)state;
    reinforce *r = make_reinforce(0);
    float *parameters = simple_parameters(), features[SIZE * 2] = {0};
    random_stream random = random_seeded(5);
    int cut = 0;
    for (int round = 0; round < 200; round++) {
        batch_view view = reinforce_images(r, 0, BATCH_WHOLE);
        reinforce_sample(r, parameters, &(decoder_images_f){.features = features}, random_bits(&random), &view);
        size_t predicted = 0;
        int longest = 0;
        for (int row = 0; row < view.n; row++) {
            const int *column = view.captions + row;
            int t = 1;
            assert_int_equal(column[0], VOCABULARY_START);
            while (t <= view.t && column[t * view.n] >= VOCABULARY_SPECIALS)
                t++;
            int ended = t <= view.t && column[t * view.n] == VOCABULARY_END;
            assert_true(ended || t == MAX_WORDS + 1);
            cut += !ended;
            for (int rest = t + ended; rest <= view.t; rest++)
                assert_int_equal(column[rest * view.n], VOCABULARY_NULL);
            predicted += (size_t)(t - 1 + ended);
            longest = t - 1 + ended > longest ? t - 1 + ended : longest;
        }
        assert_int_equal(view.words, predicted);
        assert_int_equal(view.t, longest);
        for (int first = 0; first < view.n; first += SAMPLES) {
            float sum = 0;
            for (int row = first; row < first + SAMPLES; row++)
                sum += view.weights[row];
            assert_float_equal(sum, 0, 1e-4);
        }
    }
    assert_true(cut > 50); /* (1/2)^4 of 1600 captions are longer than four words */
    free(parameters);
    reinforce_free(r);
}

static void weights_are_rewards_less_the_mean_of_the_other_samples(void **state)
{
    (void)state;
    reinforce *r = make_reinforce(0);
    rewards *worth;
    float *parameters = simple_parameters(), features[SIZE * 2] = {0};
    random_stream random = random_seeded(11);
    assert_int_equal(rewards_new(&worth, dataset, words, MAX_WORDS, NULL), CAPTION_OK);
    batch_view view = reinforce_images(r, 0, BATCH_WHOLE);
    double mean =
               reinforce_sample(r, parameters, &(decoder_images_f){.features = features}, random_bits(&random), &view),
           values[2 * SAMPLES], all = 0;
    for (int row = 0; row < view.n; row++) {
        int ids[MAX_WORDS], n = 0, finished = 0;
        for (int t = 1; t <= view.t && !finished && view.captions[t * view.n + row]; t++)
            if (!(finished = view.captions[t * view.n + row] == VOCABULARY_END))
                ids[n++] = view.captions[t * view.n + row];
        values[row] = rewards_of(worth, view.images[row], ids, n, finished);
        all += values[row];
    }
    assert_float_equal(mean, all / view.n, 1e-4);
    for (int row = 0; row < view.n; row++) {
        double others = 0;
        for (int k = row / SAMPLES * SAMPLES; k < row / SAMPLES * SAMPLES + SAMPLES; k++)
            others += k == row ? 0 : values[k] / (SAMPLES - 1);
        assert_float_equal(view.weights[row], values[row] - others, 1e-4);
    }
    rewards_free(worth);
    free(parameters);
    reinforce_free(r);
}

static void an_example_is_a_caption_of_the_image_with_the_weight_asked_for(void **state)
{
    (void)state;
    reinforce *r = make_reinforce(0.25F);
    float *parameters = simple_parameters(), features[SIZE * 2] = {0};
    random_stream random = random_seeded(13);
    assert_int_equal(reinforce_count(r), IMAGES); /* nine rows have room for one image of five */
    for (size_t i = 0; i < IMAGES; i++) {
        batch_view view = reinforce_images(r, i, BATCH_WHOLE);
        reinforce_sample(r, parameters, &(decoder_images_f){.features = features}, random_bits(&random), &view);
        assert_int_equal(view.n, SAMPLES + 1);
        assert_int_equal(view.per_image, SAMPLES + 1);
        int ids[MAX_WORDS];
        int n =
            vocabulary_encode(words, caption_dataset_at(dataset, view.images[SAMPLES])->captions[0], ids, MAX_WORDS);
        for (int t = 0; t < n; t++)
            assert_int_equal(view.captions[(t + 1) * view.n + SAMPLES], ids[t]);
        assert_int_equal(view.captions[(n + 1) * view.n + SAMPLES], VOCABULARY_END);
        assert_float_equal(view.weights[SAMPLES], 0.25F, 0);
        float sum = 0;
        for (int row = 0; row < SAMPLES; row++)
            sum += view.weights[row];
        assert_float_equal(sum, 0, 1e-4);
    }
    free(parameters);
    reinforce_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caption_that_equals_its_reference_and_ends_is_worth_ten),
        cmocka_unit_test(missing_end_costs_what_a_missing_word_costs),
        cmocka_unit_test(wrong_and_empty_captions_are_worth_nothing),
        cmocka_unit_test(every_image_comes_once_an_epoch_with_all_its_samples),
        cmocka_unit_test(words_are_drawn_with_the_captioners_probabilities),
        cmocka_unit_test(what_is_no_word_is_drawn_as_itself_but_for_padding),
        cmocka_unit_test(samples_become_a_batch_whose_weights_balance),
        cmocka_unit_test(weights_are_rewards_less_the_mean_of_the_other_samples),
        cmocka_unit_test(an_example_is_a_caption_of_the_image_with_the_weight_asked_for),
    };
    return cmocka_run_group_tests(tests, make_dataset, free_dataset);
}
