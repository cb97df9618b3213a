/* test_model_file.c: a captioner comes back from its file as it was written; a hostile file is refused with a sentence
 * that names the file, the tensor or key, and the reason. What is hostile about safetensors themselves (offsets, sizes,
 * types) is in test_safetensors.c. */
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
#include "tests/support/scratch.h"

static const char words[] = "<NULL>\n<START>\n<END>\n<UNK>\na\ndog\nruns";
enum { W = 2, H = 3, V = 7, MAX_PAIRS = 8 };

static const decoder_shape tiny = {
    .kind = DECODER_LSTM, .features = CAPTION_FEATURES, .words = W, .hidden = H, .vocabulary = V};

/* Everything a file is made of, to be spoilt before it is written. */
typedef struct parts {
    const char *pairs[MAX_PAIRS + 1][2];
    safetensors_tensor tensors[DECODER_MAX_TENSORS];
    size_t n_tensors, total;
    float *parameters;
} parts;

static parts good_parts(void)
{
    parts p = {.pairs = {{"format", "captiond-captioner-1"},
                         {"kind", "lstm"},
                         {"features", "1280"},
                         {"words", "2"},
                         {"hidden", "3"},
                         {"vocabulary", words},
                         {"encoder", "0123"}}};
    decoder_tensor layout[DECODER_MAX_TENSORS];
    p.n_tensors = (size_t)decoder_layout(&tiny, layout, &p.total);
    p.parameters = malloc(p.total * sizeof *p.parameters);
    assert_non_null(p.parameters);
    for (size_t i = 0; i < p.total; i++)
        p.parameters[i] = (float)(i % 100) / 128;
    for (size_t i = 0; i < p.n_tensors; i++) {
        const decoder_tensor *t = &layout[i];
        safetensors_tensor matrix = {
            t->name, SAFETENSORS_F32, 2, {(size_t)t->rows, (size_t)t->cols}, p.parameters + t->offset};
        safetensors_tensor bias = {t->name, SAFETENSORS_F32, 1, {(size_t)t->cols}, p.parameters + t->offset};
        p.tensors[i] = t->rows ? matrix : bias;
    }
    return p;
}

/* NULL removes the pair. */
static void set_pair(parts *p, const char *key, const char *value)
{
    size_t i = 0, last = 0;
    while (p->pairs[last][0])
        last++;
    while (strcmp(p->pairs[i][0], key))
        i++;
    if (value)
        p->pairs[i][1] = value;
    else
        memmove(p->pairs + i, p->pairs + i + 1, (last - i) * sizeof *p->pairs);
}

static const char *write_parts(const parts *p)
{
    const char *path = scratch_path("spoilt.safetensors");
    caption_error err;
    if (safetensors_write(path, p->pairs, p->n_tensors, p->tensors, &err) != CAPTION_OK)
        fail_msg("%s", err.message);
    return path;
}

/* Opening must fail with `code`; the message names the file and contains `reason`. */
static void assert_refused(const char *path, int code, const char *reason)
{
    caption_model *model = (caption_model *)1;
    caption_error err = {""};
    int status = caption_model_open(&model, path, &err);
    assert_null(model);
    if (status != code || !strstr(err.message, path) || !strstr(err.message, reason))
        fail_msg("status %d, expected %d; \"%s\", expected \"%s\"", status, code, err.message, reason);
}

static void metadata_that_lies_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value;
        int code;
        const char *reason;
    } lies[] = {
        {"format", NULL, CAPTION_EFORMAT, "metadata format is missing"},
        {"format", "captiond-captioner-2", CAPTION_EUNSUPPORTED, "metadata format is \"captiond-captioner-2\""},
        {"kind", NULL, CAPTION_EFORMAT, "metadata kind is missing"},
        {"kind", "gru", CAPTION_EUNSUPPORTED, "metadata kind is \"gru\""},
        {"kind", "rnn", CAPTION_EFORMAT, "tensor w_x: shape [2, 12], expected [2, 3]"},
        {"features", NULL, CAPTION_EFORMAT, "metadata features is missing"},
        {"features", "512", CAPTION_EUNSUPPORTED, "metadata features is 512, but the encoder gives 1280"},
        {"words", NULL, CAPTION_EFORMAT, "metadata words is missing"},
        {"words", "0", CAPTION_EFORMAT, "metadata words is \"0\""},
        {"words", "-2", CAPTION_EFORMAT, "metadata words is \"-2\""},
        {"words", "2x", CAPTION_EFORMAT, "metadata words is \"2x\""},
        {"words", "", CAPTION_EFORMAT, "metadata words is \"\""},
        {"words", "3", CAPTION_EFORMAT, "tensor w_embed: shape [7, 2], expected [7, 3]"},
        {"hidden", NULL, CAPTION_EFORMAT, "metadata hidden is missing"},
        {"hidden", "4", CAPTION_EFORMAT, "tensor w_proj: shape [1280, 3], expected [1280, 4]"},
        {"hidden", "4097", CAPTION_EFORMAT, "metadata hidden is \"4097\", expected a number from 1 to 4096"},
        {"hidden", "18446744073709551617", CAPTION_EFORMAT, "metadata hidden"},
        {"vocabulary", NULL, CAPTION_EFORMAT, "metadata vocabulary is missing"},
        {"vocabulary", "", CAPTION_EFORMAT, "metadata vocabulary"},
        {"vocabulary", "a\ndog\nruns\nvery\nfar\naway\nnow", CAPTION_EFORMAT, "metadata vocabulary"},
        {"vocabulary", "<NULL>\n<START>\n<END>\n<UNK>\na\na\nruns", CAPTION_EFORMAT, "\"a\" stands there twice"},
        {"vocabulary", "<NULL>\n<START>\n<END>\n<UNK>\na\n\nruns", CAPTION_EFORMAT, "word 5 is empty"},
        {"vocabulary", "<NULL>\n<START>\n<END>\n<UNK>\na\ndog", CAPTION_EFORMAT,
         "tensor w_embed: shape [7, 2], expected [6, 2]"},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        parts p = good_parts();
        set_pair(&p, lies[i].key, lies[i].value);
        assert_refused(write_parts(&p), lies[i].code, lies[i].reason);
        free(p.parameters);
    }
}

static void every_missing_tensor_is_named(void **state)
{
    (void)state;
    parts p = good_parts();
    for (size_t i = 0; i < p.n_tensors; i++) {
        parts less = p;
        char reason[64];
        less.n_tensors--;
        less.tensors[i] = p.tensors[p.n_tensors - 1];
        snprintf(reason, sizeof reason, "tensor %s is missing", p.tensors[i].name);
        assert_refused(write_parts(&less), CAPTION_EFORMAT, reason);
    }
    free(p.parameters);
}

static void a_mis_shaped_tensor_is_named(void **state)
{
    (void)state;
    parts p = good_parts();
    p.tensors[DECODER_W_VOCAB].dims[0] = V;
    p.tensors[DECODER_W_VOCAB].dims[1] = H;
    assert_refused(write_parts(&p), CAPTION_EFORMAT, "tensor w_vocab: shape [7, 3], expected [3, 7]");
    free(p.parameters);
}

static void numbers_that_are_not_finite_are_refused(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    parts p = good_parts();
    size_t size;
    unsigned char *bytes = scratch_read(write_parts(&p), &size);
    unsigned char *checksums = memmem(bytes, size, "checksums", 9);
    assert_non_null(checksums);
    memcpy(checksums, "checkless", 9); /* as a writer would that has none */
    for (size_t i = 0; i < 3; i++) {   /* the last number in the file is the last of b_vocab */
        memcpy(bytes + size - sizeof bad[i], &bad[i], sizeof bad[i]);
        assert_refused(scratch_write("bad.safetensors", bytes, size), CAPTION_EFORMAT, "tensor b_vocab: element 6 is");
    }
    free(bytes);
    free(p.parameters);
}

static void files_that_are_no_captioner_are_refused(void **state)
{
    (void)state;
    assert_refused(scratch_path("nowhere.safetensors"), CAPTION_EIO, "");
    assert_refused(scratch_write("text.safetensors", "not a weight file", 17), CAPTION_EFORMAT, "");
    assert_refused(scratch_write("empty.safetensors", "", 0), CAPTION_EFORMAT, "empty");
    parts p = good_parts();
    size_t size;
    unsigned char *bytes = scratch_read(write_parts(&p), &size);
    assert_refused(scratch_write("short.safetensors", bytes, size - 1), CAPTION_EFORMAT, "");
    free(bytes);
    free(p.parameters);
}

static void assert_same_model(const caption_model *model, const parts *p)
{
    assert_string_equal(caption_model_kind(model), "lstm");
    assert_int_equal(caption_model_vocabulary_size(model), V);
    assert_int_equal(caption_model_hidden_size(model), H);
    assert_int_equal(caption_model_word_size(model), W);
    assert_int_equal(strlen(caption_model_sha256(model)), 64);
    assert_string_equal(caption_model_metadata(model, "encoder"), "0123");
    assert_null(caption_model_metadata(model, "colour"));
    assert_string_equal(vocabulary_word(model->words, 5), "dog");
    assert_memory_equal(model->parameters, p->parameters, p->total * sizeof *p->parameters);
}

static void a_model_comes_back_as_it_was_written(void **state)
{
    (void)state;
    static const enum safetensors_type types[] = {SAFETENSORS_F16, SAFETENSORS_F32};
    const char *const extra[][2] = {{"seed", "7"}, {NULL, NULL}};
    parts p = good_parts();
    vocabulary *tiny_words;
    assert_int_equal(vocabulary_parse(&tiny_words, words, NULL), CAPTION_OK);
    for (size_t i = 0; i < 2; i++) {
        caption_model *model;
        const char *path = scratch_path("good.safetensors");
        assert_int_equal(model_write(path, &tiny, tiny_words, NULL, "0123", p.parameters, types[i], extra, NULL),
                         CAPTION_OK);
        assert_int_equal(caption_model_open(&model, path, NULL), CAPTION_OK);
        assert_same_model(model, &p);
        assert_string_equal(caption_model_metadata(model, "seed"), "7");
        assert_ptr_equal(caption_model_retain(model), model);
        caption_model_release(model);
        assert_same_model(model, &p); /* one reference is left */
        caption_model_release(model);
    }
    caption_model_release(NULL);
    vocabulary_free(tiny_words);
    free(p.parameters);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_comes_back_as_it_was_written),
        cmocka_unit_test(metadata_that_lies_is_refused),
        cmocka_unit_test(every_missing_tensor_is_named),
        cmocka_unit_test(a_mis_shaped_tensor_is_named),
        cmocka_unit_test(numbers_that_are_not_finite_are_refused),
        cmocka_unit_test(files_that_are_no_captioner_are_refused),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
