/* test_encoder_weights.c: encoder files that are damaged, incomplete or something else are refused, naming file, tensor
 * and reason; good ones are shared until the last release. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/encoder/encoder_network.h"
#include "model/storage/safetensors.h"
#include "tests/support/scratch.h"

#define SHIPPED "weights/efficientnet-b0.safetensors"

enum { MAX_TENSORS = 256, LABEL_BYTES = 8192 };

/* A whole encoder file of zeros, to be spoilt in one place. */
typedef struct file {
    const char *metadata[8][2];
    char labels[LABEL_BYTES];
    safetensors_tensor tensor[MAX_TENSORS];
    char name[MAX_TENSORS][ENCODER_NAME_BYTES + 8];
    size_t tensors;
    float *zeros;
} file;

static void add(file *f, const char *layer, const char *part, int ndims, const size_t *dims)
{
    safetensors_tensor *tensor = &f->tensor[f->tensors];
    snprintf(f->name[f->tensors], sizeof f->name[0], "%s.%s", layer, part);
    *tensor = (safetensors_tensor){.name = f->name[f->tensors++], .ndims = ndims, .type = SAFETENSORS_F16};
    memcpy(tensor->dims, dims, (size_t)ndims * sizeof *dims);
    tensor->data = f->zeros;
}

static int add_layer(void *context, const char *name, encoder_layer *layer)
{
    const size_t kernel = (size_t)layer->kernel, in = (size_t)layer->in, out = (size_t)layer->out;
    add(context, name, "weight", 4, (size_t[]){kernel, kernel, in, out});
    add(context, name, "bias", 1, &out);
    return 0;
}

static file *make_file(void)
{
    static const char *const metadata[][2] = {
        {"format", "captiond-encoder-1"}, {"kind", "efficientnet-b0"}, {"mean", "1 2 3"}, {"std", "4 5 6"}};
    file *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->zeros = calloc((size_t)CAPTION_FEATURES * CAPTION_CLASSES, sizeof *f->zeros);
    assert_non_null(f->zeros);
    for (int i = 0; i < CAPTION_CLASSES; i++)
        snprintf(f->labels + strlen(f->labels), 8, i ? "\nc%d" : "c%d", i);
    memcpy(f->metadata, metadata, sizeof metadata);
    f->metadata[4][0] = "labels";
    f->metadata[4][1] = f->labels;
    encoder_network network;
    encoder_network_init(&network);
    encoder_network_each(&network, add_layer, f);
    return f;
}

/* Writes and frees the file, opens it; it must be refused with `code` and both texts in the message. */
static void expect_refused(file *f, enum caption_status code, const char *text, const char *reason)
{
    caption_error err;
    caption_encoder *encoder;
    const char *path = scratch_path("encoder.safetensors");
    if (safetensors_write(path, f->metadata, f->tensors, f->tensor, &err) != CAPTION_OK)
        fail_msg("%s", err.message);
    free(f->zeros);
    free(f);
    assert_int_equal(caption_encoder_open(&encoder, path, &err), code);
    assert_null(encoder);
    if (!strstr(err.message, "encoder.safetensors") || !strstr(err.message, text) || !strstr(err.message, reason))
        fail_msg("the message is: %s", err.message);
}

static void a_good_file_opens_and_is_shared_until_the_last_release(void **state)
{
    (void)state;
    caption_error err;
    caption_encoder *encoder;
    if (caption_encoder_open(&encoder, SHIPPED, &err) != CAPTION_OK)
        fail_msg("%s", err.message);
    assert_ptr_equal(caption_encoder_retain(encoder), encoder);
    caption_encoder_release(encoder);
    assert_int_equal(strlen(caption_encoder_sha256(encoder)), 64);
    assert_string_equal(caption_encoder_label(encoder, 0), "tench, Tinca tinca");
    assert_string_equal(caption_encoder_label(encoder, 281), "tabby, tabby cat");
    assert_string_equal(caption_encoder_label(encoder, 999), "toilet tissue, toilet paper, bathroom tissue");
    assert_null(caption_encoder_label(encoder, 1000));
    assert_null(caption_encoder_label(encoder, -1));
    caption_encoder_release(encoder);
    caption_encoder_release(NULL);
}

static void a_missing_file_is_an_error_that_names_it(void **state)
{
    (void)state;
    caption_error err;
    caption_encoder *encoder;
    assert_int_equal(caption_encoder_open(&encoder, "/nowhere/encoder.safetensors", &err), CAPTION_EIO);
    assert_null(encoder);
    assert_non_null(strstr(err.message, "/nowhere/encoder.safetensors"));
}

static void a_truncated_file_is_refused(void **state)
{
    (void)state;
    size_t size;
    unsigned char *bytes = scratch_read(SHIPPED, &size);
    const size_t lengths[] = {0, 7, 8, 1000, size / 2, size - 1};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        caption_error err;
        caption_encoder *encoder;
        const char *path = scratch_write("short.safetensors", bytes, lengths[i]);
        assert_int_equal(caption_encoder_open(&encoder, path, &err), CAPTION_EFORMAT);
        assert_non_null(strstr(err.message, "short.safetensors"));
    }
    free(bytes);
}

/* Which would otherwise be served. */
static void a_flipped_bit_is_refused_by_the_tensors_name(void **state)
{
    static const char *const names[] = {"stem.weight", "blocks.7.depthwise.weight", "classifier.bias"};
    (void)state;
    size_t size;
    unsigned char *bytes = scratch_read(SHIPPED, &size);
    const size_t header = 8 + (size_t)(bytes[0] | bytes[1] << 8 | bytes[2] << 16);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char entry[80];
        size_t begin, end;
        caption_error err;
        caption_encoder *encoder;
        snprintf(entry, sizeof entry, "\"%s\":", names[i]);
        const char *at = memmem(bytes, header, entry, strlen(entry));
        assert_non_null(at);
        at = strstr(at, "\"data_offsets\":[");
        assert_int_equal(sscanf(at, "\"data_offsets\":[%zu,%zu]", &begin, &end), 2);
        bytes[header + end - 1] ^= 1;
        assert_int_equal(caption_encoder_open(&encoder, scratch_write("flipped.safetensors", bytes, size), &err),
                         CAPTION_EFORMAT);
        if (!strstr(err.message, names[i]) || !strstr(err.message, "wrong checksum"))
            fail_msg("%s", err.message);
        bytes[header + end - 1] ^= 1;
    }
    free(bytes);
}

/* Captioners and caches know the encoder by what its file was before it had checksums. */
static void its_name_is_the_one_that_captioners_know(void **state)
{
    (void)state;
    caption_error err;
    caption_encoder *encoder;
    safetensors *captioner;
    assert_int_equal(caption_encoder_open(&encoder, SHIPPED, &err), CAPTION_OK);
    assert_int_equal(safetensors_open(&captioner, "weights/lstm.safetensors", &err), CAPTION_OK);
    assert_string_equal(caption_encoder_sha256(encoder), safetensors_metadata(captioner, "encoder"));
    safetensors_close(captioner);
    caption_encoder_release(encoder);
}

static void another_kind_of_file_is_refused(void **state)
{
    (void)state;
    file *f = make_file();
    f->metadata[1][1] = "lstm";
    expect_refused(f, CAPTION_EUNSUPPORTED, "kind", "lstm");
    f = make_file();
    f->metadata[0][1] = "captiond-encoder-2";
    expect_refused(f, CAPTION_EUNSUPPORTED, "format", "captiond-encoder-2");
}

static void a_missing_tensor_is_named(void **state)
{
    (void)state;
    file *f = make_file();
    f->tensors--;
    expect_refused(f, CAPTION_EFORMAT, "classifier.bias", "");
}

static void a_mis_shaped_tensor_is_named(void **state)
{
    (void)state;
    file *f = make_file();
    f->tensor[2].dims[0] = 5; /* a 3 x 3 kernel */
    expect_refused(f, CAPTION_EFORMAT, "blocks.0.depthwise.weight", "5");
}

static void bad_normalisation_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "1 2", "1 2 3 4", "1 2 x", "1 nan 3", "1 2 1e30"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        for (int key = 2; key <= 3; key++) {
            file *f = make_file();
            f->metadata[key][1] = bad[i];
            expect_refused(f, CAPTION_EFORMAT, "metadata", key == 2 ? "mean" : "std");
        }
    file *f = make_file();
    f->metadata[3][1] = "1 0 1";
    expect_refused(f, CAPTION_EFORMAT, "std", "range");
}

static void too_few_or_too_many_labels_are_refused(void **state)
{
    (void)state;
    file *f = make_file();
    *strrchr(f->labels, '\n') = 0;
    expect_refused(f, CAPTION_EFORMAT, "labels", "999");
    f = make_file();
    strcat(f->labels, "\none more");
    expect_refused(f, CAPTION_EFORMAT, "labels", "1000");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_file_opens_and_is_shared_until_the_last_release),
        cmocka_unit_test(a_missing_file_is_an_error_that_names_it),
        cmocka_unit_test(a_truncated_file_is_refused),
        cmocka_unit_test(a_flipped_bit_is_refused_by_the_tensors_name),
        cmocka_unit_test(its_name_is_the_one_that_captioners_know),
        cmocka_unit_test(another_kind_of_file_is_refused),
        cmocka_unit_test(a_missing_tensor_is_named),
        cmocka_unit_test(a_mis_shaped_tensor_is_named),
        cmocka_unit_test(bad_normalisation_is_refused),
        cmocka_unit_test(too_few_or_too_many_labels_are_refused),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
