/* test_search.c: greedy captions of a model so small that they can be worked out by hand, and what must hold for any.
 *
 * The hand-made captioner is an RNN with one hidden unit a word and one for the picture. Its word vectors are one-hot
 * and Wx is 10 times the identity, so that after reading word w unit w is tanh(10) = 1 and the other word units are 0.
 * The picture unit starts at feature 0 and keeps its sign (Wh = 10 there). Row w of W_vocab therefore holds the scores
 * of the words after w, and the row of the picture unit is added or subtracted:
 *
 *     <START> -> a 5, <UNK> 9, <START> 8, <NULL> 7      the three that are never chosen score highest
 *     a       -> dog 3, cat 3                           picture: dog +1, cat -1
 *     dog     -> runs 4        cat -> <END> 4           runs -> <END> 2, very 1          very -> very 6 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/decoder/model.h"
#include "tests/support/captioner.h"
#include "tests/support/scratch.h"

static const char words[] = "<NULL>\n<START>\n<END>\n<UNK>\na\ndog\ncat\nruns\nvery";
enum { A = VOCABULARY_SPECIALS, DOG, CAT, RUNS, VERY, V, PICTURE = V, H };

static caption_model *hand_made(int last_word_after_runs)
{
    const decoder_shape shape = {
        .kind = DECODER_RNN, .features = CAPTION_FEATURES, .words = V, .hidden = H, .vocabulary = V};
    decoder_tensor at[DECODER_MAX_TENSORS];
    size_t total;
    decoder_layout(&shape, at, &total);
    float *p = calloc(total, sizeof *p);
    assert_non_null(p);
    float *w_embed = p + at[DECODER_W_EMBED].offset, *w_x = p + at[DECODER_W_X].offset;
    float *w_vocab = p + at[DECODER_W_VOCAB].offset;
    p[at[DECODER_W_PROJ].offset + PICTURE] = 1; /* feature 0 */
    p[at[DECODER_W_H].offset + PICTURE * H + PICTURE] = 10;
    for (int v = 0; v < V; v++) {
        w_embed[v * V + v] = 1;
        w_x[v * H + v] = 10;
    }
    static const struct {
        int unit, word;
        float score;
    } scores[] = {
        {VOCABULARY_START, A, 5},
        {VOCABULARY_START, VOCABULARY_UNK, 9},
        {VOCABULARY_START, VOCABULARY_START, 8},
        {VOCABULARY_START, VOCABULARY_NULL, 7},
        {A, DOG, 3},
        {A, CAT, 3},
        {PICTURE, DOG, 1},
        {PICTURE, CAT, -1},
        {DOG, RUNS, 4},
        {CAT, VOCABULARY_END, 4},
        {RUNS, VERY, 1},
        {VERY, VERY, 6},
    };
    for (size_t i = 0; i < sizeof scores / sizeof *scores; i++)
        w_vocab[scores[i].unit * V + scores[i].word] = scores[i].score;
    w_vocab[RUNS * V + last_word_after_runs] = 2;
    caption_model *model = captioner_of(&shape, words, p);
    free(p);
    return model;
}

/* A session that holds n pictures whose feature 0 is as given and whose others are 0. */
static caption_session *session_with(int n, const float *first_features)
{
    caption_session *session;
    float *features = calloc((size_t)n * CAPTION_FEATURES, sizeof *features);
    assert_non_null(features);
    for (int i = 0; i < n; i++)
        features[i * CAPTION_FEATURES] = first_features[i];
    assert_int_equal(caption_session_new(&session, NULL, n, NULL), CAPTION_OK);
    assert_int_equal(caption_session_set_features(session, n, features, NULL, NULL), CAPTION_OK);
    free(features);
    return session;
}

/* log softmax of `score` among `n` scores whose exponentials are summed in `rest` but for itself. */
static double log_share(double score, double rest)
{
    return score - log(exp(score) + rest);
}

static void captions_are_those_worked_out_by_hand(void **state)
{
    (void)state;
    caption_model *model = hand_made(VOCABULARY_END);
    caption_session *session = session_with(2, (float[]){1, -1});
    caption_result results[2];
    assert_int_equal(caption_generate(session, model, NULL, results, NULL), CAPTION_OK);
    assert_string_equal(results[0].text, "a dog runs");
    assert_string_equal(results[1].text, "a cat");
    assert_true(results[0].words == 3 && results[1].words == 2);
    assert_true(results[0].finished && results[1].finished);
    /* Each step's nine scores: those of the table, with the picture's +-1 for dog and cat, 0 for the rest. */
    double e = exp(1);
    double dog = log_share(5, exp(9) + exp(8) + exp(7) + e + 1 / e + 3) + log_share(4, exp(2) + 7) +
                 log_share(4, e + 1 / e + 6) + log_share(2, e + e + 1 / e + 5);
    double cat =
        log_share(5, exp(9) + exp(8) + exp(7) + e + 1 / e + 3) + log_share(4, exp(2) + 7) + log_share(4, e + 1 / e + 6);
    assert_true(fabs(results[0].logprob - dog) < 1e-5);
    assert_true(fabs(results[1].logprob - cat) < 1e-5);
    caption_session_free(session);
    caption_model_release(model);
}

static void max_words_cuts_a_plain_sentence(void **state)
{
    (void)state;
    caption_model *endless = hand_made(VERY);
    caption_session *session = session_with(1, (float[]){1});
    caption_result result;
    assert_int_equal(caption_generate(session, endless, &(caption_options){.max_words = 4, .plain = 1}, &result, NULL),
                     CAPTION_OK);
    assert_string_equal(result.text, "a dog runs very");
    assert_true(result.words == 4 && !result.finished);
    assert_int_equal(caption_generate(session, endless, &(caption_options){.plain = 1}, &result, NULL), CAPTION_OK);
    assert_int_equal(result.words, 20);
    caption_session_free(session);
    caption_model_release(endless);
}

/* What greedy decoding does not bring to an end a beam writes anew. The end is improbable after "runs" and "dog", and
 * "very" must not follow itself, so the one sentence of two words at most that reads well is "a cat". */
static void max_words_does_not_cut_a_sentence(void **state)
{
    (void)state;
    caption_model *endless = hand_made(VERY);
    caption_session *session = session_with(1, (float[]){1});
    caption_result result;
    assert_int_equal(caption_generate(session, endless, &(caption_options){.max_words = 2}, &result, NULL), CAPTION_OK);
    assert_string_equal(result.text, "a cat");
    assert_true(result.finished);
    caption_session_free(session);
    caption_model_release(endless);
}

static void a_sentence_that_just_fits_is_finished(void **state)
{
    (void)state;
    caption_model *model = hand_made(VOCABULARY_END);
    caption_session *session = session_with(1, (float[]){1});
    caption_result whole, exact, cut;
    assert_int_equal(caption_generate(session, model, NULL, &whole, NULL), CAPTION_OK);
    assert_int_equal(caption_generate(session, model, &(caption_options){.max_words = 3}, &exact, NULL), CAPTION_OK);
    assert_int_equal(caption_generate(session, model, &(caption_options){.max_words = 2, .plain = 1}, &cut, NULL),
                     CAPTION_OK);
    assert_string_equal(exact.text, "a dog runs");
    assert_true(exact.finished && exact.logprob == whole.logprob);
    assert_string_equal(cut.text, "a dog");
    assert_true(!cut.finished && cut.logprob > whole.logprob);
    caption_session_free(session);
    caption_model_release(model);
}

static void impossible_requests_are_refused(void **state)
{
    (void)state;
    caption_model *model = hand_made(VOCABULARY_END);
    caption_session *session = session_with(1, (float[]){1}), *empty;
    caption_result result;
    caption_error err;
    const int wrong[] = {-1, CAPTION_MAX_WORDS + 1};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(caption_generate(session, model, &(caption_options){.max_words = wrong[i]}, &result, &err),
                         CAPTION_EINVAL);
        assert_non_null(strstr(err.message, "max-words"));
    }
    assert_int_equal(caption_session_new(&empty, NULL, 1, NULL), CAPTION_OK);
    assert_int_equal(caption_generate(empty, model, NULL, &result, &err), CAPTION_EINVAL);
    assert_int_equal(caption_encode(empty, 1, &(caption_image){.width = 1}, &err), CAPTION_EINVAL);
    assert_int_equal(caption_session_set_features(empty, 2, (float[]){0}, NULL, &err), CAPTION_EINVAL);
    assert_int_equal(caption_session_new(&(caption_session *){NULL}, NULL, 0, &err), CAPTION_EINVAL);
    caption_session_free(empty);
    caption_session_free(session);
    caption_model_release(model);
}

enum { MANY = 13, WORDS = 56 };

/* "w0" .. "w55", joined by newlines. */
static const char *many_words(void)
{
    static char joined[8 * WORDS];
    size_t used = 0;
    for (int v = 0; v < WORDS; v++)
        used += (size_t)sprintf(joined + used, "%sw%d", v ? "\n" : "", v);
    return joined;
}

static void a_batch_writes_what_single_pictures_do(void **state)
{
    (void)state;
    captioner_pictures pictures = captioner_pictures_make(MANY, 4);
    caption_result batch[MANY], single;
    for (decoder_kind kind = DECODER_RNN; kind < DECODER_KINDS; kind++) {
        caption_model *model = captioner_random(decoder_kind_name(kind), many_words(), 7);
        caption_session *session = captioner_session(&pictures);
        int shortest = CAPTION_MAX_WORDS, longest = 0;
        assert_int_equal(caption_generate(session, model, NULL, batch, NULL), CAPTION_OK);
        for (int i = 0; i < MANY; i++) {
            captioner_show(session, &pictures, i, 1);
            assert_int_equal(caption_generate(session, model, NULL, &single, NULL), CAPTION_OK);
            assert_string_equal(batch[i].text, single.text);
            assert_true(fabsf(batch[i].logprob - single.logprob) < 1e-3f);
            assert_true(batch[i].words == single.words && batch[i].finished == single.finished);
            shortest = single.words < shortest ? single.words : shortest;
            longest = single.words > longest ? single.words : longest;
        }
        assert_true(longest > shortest + 2); /* so that rows did close up */
        caption_session_free(session);
        caption_model_release(model);
    }
    captioner_pictures_free(&pictures);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(captions_are_those_worked_out_by_hand),
        cmocka_unit_test(max_words_cuts_a_plain_sentence),
        cmocka_unit_test(max_words_does_not_cut_a_sentence),
        cmocka_unit_test(a_sentence_that_just_fits_is_finished),
        cmocka_unit_test(impossible_requests_are_refused),
        cmocka_unit_test(a_batch_writes_what_single_pictures_do),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
