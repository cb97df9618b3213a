/* Going on from a captioner: it starts out writing what the base writes, learns new words, refuses what does not fit.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/decoder/model.h"
#include "model/train.h"
#include "tests/support/lessons.h"
#include "tests/support/scratch.h"

enum { FEW = 6, MORE = 10 };

static caption_encoder *encoder;
static caption_dataset *few, *more; /* few is where more begins */
static char base[512], tuned[512];

/* Stops when it has been asked so many times. */
static int stop_later(void *context)
{
    return --*(int *)context == 0;
}

static caption_train_options quick_options(const char *kind, const caption_dataset *data, const char *out)
{
    caption_train_options o = caption_train_defaults(kind);
    o.train = data;
    o.out = out;
    o.hidden = 48;
    o.words = 16;
    o.minimum_count = o.minimum_captions = 1;
    o.batch = 6;
    o.epochs = 60;
    o.learning_rate = 0.01;
    o.dropout = o.feature_dropout = o.label_smoothing = o.average = 0;
    o.flip = 0;
    return o;
}

static void check_trains(const caption_train_options *o)
{
    caption_error err;
    if (caption_train(o, encoder, &err) != CAPTION_OK)
        fail_msg("%s", err.message);
}

static int make_base(void **state)
{
    caption_error err;
    caption_init();
    if (scratch_make(state) != 0)
        return -1;
    strcpy(base, scratch_path("base.safetensors"));
    strcpy(tuned, scratch_path("tuned.safetensors"));
    char directory[512], tsv[512];
    strcpy(directory, scratch_path("."));
    lessons_write("more.tsv", MORE, 1);
    lessons_write("few.tsv", FEW, 1);
    if (caption_encoder_open(&encoder, "weights/efficientnet-b0.safetensors", &err) ||
        caption_dataset_open(&few, directory, strcpy(tsv, scratch_path("few.tsv")), &err) ||
        caption_dataset_open(&more, directory, strcpy(tsv, scratch_path("more.tsv")), &err)) {
        print_error("%s\n", err.message);
        return -1;
    }
    const caption_train_options o = quick_options("lstm", few, base);
    check_trains(&o);
    return 0;
}

static int free_base(void **state)
{
    caption_dataset_free(few);
    caption_dataset_free(more);
    caption_encoder_release(encoder);
    return scratch_remove(state);
}

/* Captions of the first n lessons by the captioner in a file. */
static void write_captions(const char *weights, int n, caption_result *results)
{
    caption_error err;
    caption_model *model;
    caption_session *session;
    caption_image image;
    assert_int_equal(caption_model_open(&model, weights, &err), CAPTION_OK);
    assert_int_equal(caption_session_new(&session, encoder, 1, &err), CAPTION_OK);
    for (int i = 0; i < n; i++) {
        size_t size;
        unsigned char *bmp = lesson_picture(i, &size);
        assert_int_equal(caption_image_decode(&image, bmp, size, NULL, &err), CAPTION_OK);
        assert_int_equal(caption_encode(session, 1, &image, &err), CAPTION_OK);
        assert_int_equal(caption_generate(session, model, NULL, &results[i], &err), CAPTION_OK);
        free(bmp);
    }
    caption_session_free(session);
    caption_model_release(model);
}

static caption_train_options options_from_base(void)
{
    caption_error err;
    caption_train_options o = quick_options("rnn", more, tuned);
    o.hidden = o.words = 7;
    assert_int_equal(caption_train_base(&o, base, &err), CAPTION_OK);
    return o;
}

static void the_base_gives_kind_and_sizes(void **state)
{
    (void)state;
    caption_train_options o = options_from_base();
    assert_string_equal(o.kind, "lstm");
    assert_int_equal(o.hidden, 48);
    assert_int_equal(o.words, 16);
}

static void it_starts_out_writing_what_the_base_writes(void **state)
{
    (void)state;
    caption_result before[FEW], after[FEW];
    caption_model *old, *new;
    caption_train_options o = options_from_base();
    o.epochs = 1;
    o.learning_rate = 1e-8; /* so that the one epoch there must be changes nothing */
    check_trains(&o);
    write_captions(base, FEW, before);
    write_captions(tuned, FEW, after);
    for (int i = 0; i < FEW; i++) {
        assert_string_equal(before[i].text, lesson_caption(i));
        assert_string_equal(after[i].text, before[i].text);
        assert_float_equal(after[i].logprob, before[i].logprob, 0.02); /* F16 weights, rounded twice */
    }
    assert_int_equal(caption_model_open(&old, base, NULL), CAPTION_OK);
    assert_int_equal(caption_model_open(&new, tuned, NULL), CAPTION_OK);
    assert_true(vocabulary_size(new->words) > vocabulary_size(old->words));
    for (int id = 0; id < vocabulary_size(old->words); id++)
        assert_string_equal(vocabulary_word(new->words, id), vocabulary_word(old->words, id));
    assert_non_null(strstr(caption_model_metadata(new, "training"), caption_model_sha256(old)));
    caption_model_release(old);
    caption_model_release(new);
}

static void it_learns_new_words(void **state)
{
    (void)state;
    caption_result results[MORE];
    caption_train_options o = options_from_base();
    check_trains(&o);
    write_captions(tuned, MORE, results);
    for (int i = 0; i < MORE; i++)
        assert_string_equal(results[i].text, lesson_caption(i));
}

/* Writes captions of the pictures of lessons_write and opens them. */
static caption_dataset *open_captions(const char *text)
{
    char directory[512], tsv[512];
    caption_dataset *data;
    strcpy(directory, scratch_path("."));
    strcpy(tsv, scratch_write("own.tsv", text, strlen(text)));
    assert_int_equal(caption_dataset_open(&data, directory, tsv, NULL), CAPTION_OK);
    return data;
}

/* The vector that a word of a captioner is read by. */
static const float *vector_of(const caption_model *model, const char *word)
{
    decoder_tensor at[DECODER_MAX_TENSORS];
    size_t total;
    const int id = vocabulary_id(model->words, word, strlen(word));
    assert_int_not_equal(id, VOCABULARY_UNK);
    decoder_layout(&model->shape, at, &total);
    return model->parameters + at[DECODER_W_EMBED].offset + (size_t)id * (size_t)model->shape.words;
}

static void new_words_start_from_the_mean_of_their_context(void **state)
{
    (void)state;
    caption_model *model;
    caption_dataset *own = open_captions("0.bmp\tred rex chess\n1.bmp\tred rex\n");
    caption_train_options o = options_from_base();
    o.train = o.dev = own;
    o.epochs = 0;
    check_trains(&o);
    assert_int_equal(caption_model_open(&model, tuned, NULL), CAPTION_OK);
    const float *rex = vector_of(model, "rex"), *red = vector_of(model, "red"), *chess = vector_of(model, "chess");
    for (int j = 0; j < model->shape.words; j++)
        assert_float_equal(rex[j], (2 * red[j] + chess[j]) / 3, 5e-3); /* F16 */
    caption_model_release(model);
    caption_dataset_free(own);
}

/* CIDEr of a captioner on what the base has learnt. */
static double score_of_few(const char *weights)
{
    static caption_result results[FEW];
    const char *texts[FEW];
    caption_scores scores;
    write_captions(weights, FEW, results);
    for (int i = 0; i < FEW; i++)
        texts[i] = results[i].text;
    assert_int_equal(caption_score(&scores, few, texts, NULL), CAPTION_OK);
    return scores.cider;
}

/* Own photos with words of one's own: those are learnt, and what the base knew is still known; steps as large as those
 * from scratch lose it. */
static void what_the_base_knows_is_kept(void **state)
{
    (void)state;
    caption_dataset *own = open_captions("6.bmp\trex upright\n7.bmp\trex round\n8.bmp\trex board\n9.bmp\trex flat\n");
    const double before = score_of_few(base);
    caption_model *model;
    caption_train_options o = options_from_base();
    o.train = own;
    o.epochs = 60;
    check_trains(&o); /* at the rate of quick_options */
    assert_true(before - score_of_few(tuned) > 0.03);
    caption_train_gently(&o);
    o.minimum_count = 1;
    o.batch = 4;
    check_trains(&o);
    assert_true(before > 1);
    assert_true(before - score_of_few(tuned) <= 0.03);
    assert_int_equal(caption_model_open(&model, tuned, NULL), CAPTION_OK);
    vector_of(model, "rex");
    caption_model_release(model);
    caption_dataset_free(own);
}

static void check_refused(const caption_train_options *o, int code, const char *reason)
{
    caption_error err = {""};
    assert_int_equal(caption_train(o, encoder, &err), code);
    if (!strstr(err.message, reason))
        fail_msg("\"%s\" does not say \"%s\"", err.message, reason);
}

static void a_base_that_does_not_fit_is_refused_by_name(void **state)
{
    (void)state;
    caption_train_options o = options_from_base();
    o.hidden = 32;
    check_refused(&o, CAPTION_EINVAL, "hidden: 32, but the base has 48");
    o = options_from_base();
    o.words = 32;
    check_refused(&o, CAPTION_EINVAL, "words: 32, but the base has 16");
    o = options_from_base();
    o.kind = "rnn";
    check_refused(&o, CAPTION_EINVAL, "kind: rnn, but the base is a captioner of kind lstm");
    o = options_from_base();
    o.base = "nowhere.safetensors";
    check_refused(&o, CAPTION_EIO, "nowhere.safetensors");
}

static void a_base_of_another_encoder_is_refused(void **state)
{
    (void)state;
    caption_error err;
    caption_model *model;
    char other[512];
    static const char *const nothing[][2] = {{NULL, NULL}};
    strcpy(other, scratch_path("other.safetensors"));
    assert_int_equal(caption_model_open(&model, base, &err), CAPTION_OK);
    assert_int_equal(model_write(other, &model->shape, model->words, NULL, "0000", model->parameters, SAFETENSORS_F16,
                                 nothing, &err),
                     CAPTION_OK);
    caption_model_release(model);
    caption_train_options o = options_from_base();
    o.base = other;
    check_refused(&o, CAPTION_EINVAL, "learnt from the features of another encoder");
}

static void a_checkpoint_belongs_to_its_base(void **state)
{
    (void)state;
    int asked = 20 * MORE; /* so often that it has begun to learn */
    caption_train_options o = options_from_base();
    o.stop = stop_later;
    o.context = &asked;
    check_refused(&o, CAPTION_ECANCELLED, "stopped after epoch");
    o.resume = 1;
    o.base = NULL;
    check_refused(&o, CAPTION_EINVAL, "belongs to a run with other options");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_base_gives_kind_and_sizes),
        cmocka_unit_test(it_starts_out_writing_what_the_base_writes),
        cmocka_unit_test(it_learns_new_words),
        cmocka_unit_test(new_words_start_from_the_mean_of_their_context),
        cmocka_unit_test(what_the_base_knows_is_kept),
        cmocka_unit_test(a_base_that_does_not_fit_is_refused_by_name),
        cmocka_unit_test(a_base_of_another_encoder_is_refused),
        cmocka_unit_test(a_checkpoint_belongs_to_its_base),
    };
    return cmocka_run_group_tests(tests, make_base, free_base);
}
