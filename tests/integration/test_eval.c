/* captiond eval: scores with further facts; and no faults in captions of a real dev set, where there is one:
 * CAPTIOND_TEST_DATA names a directory with images/ and dev.tsv (and train.tsv); without it that test is skipped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/photo.h"
#include "tests/support/scratch.h"

enum { PHOTOS = 6 };
static char directory[256], tsv[256], tiny[256];

static int start(void **state)
{
    char text[1024] = "";
    if (captiond_setup(state))
        return -1;
    for (unsigned i = 0; i < PHOTOS; i++) {
        char name[32];
        photo p = photo_make("png", 80, 60, i);
        snprintf(name, sizeof name, "p%u.png", i);
        scratch_write(name, p.bytes, p.size);
        photo_free(&p);
        sprintf(text + strlen(text), "%s\ta dog runs\n%s\tthe old cat sleeps in the house\n", name, name);
    }
    snprintf(tsv, sizeof tsv, "%s", scratch_write("captions.tsv", text, strlen(text)));
    snprintf(tiny, sizeof tiny, "%s", scratch_path("tiny.safetensors"));
    snprintf(directory, sizeof directory, "%.*s", (int)(strrchr(tiny, '/') - tiny), tiny);
    return 0;
}

/* Runs it with up to three more options (the last NULL); the caller deletes the JSON. */
static cJSON *eval(const char *a, const char *b, const char *c)
{
    captiond_output o =
        captiond_run((const char *[]){"eval", "--encoder", captiond_encoder, "--model", tiny, "--images", directory,
                                      "--captions", tsv, "--max-words", "7", a, b, c, NULL},
                     NULL, NULL);
    if (o.status)
        fail_msg("%s", o.err);
    cJSON *json = cJSON_Parse(o.out);
    assert_non_null(json);
    captiond_output_free(&o);
    return json;
}

static double number(const cJSON *json, const char *name)
{
    const cJSON *item = cJSON_GetObjectItem(json, name);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

static void faults_are_counted(void **state)
{
    (void)state;
    cJSON *good = eval(NULL, NULL, NULL), *plain = eval("--plain", NULL, NULL);
    assert_int_equal(number(good, "images"), PHOTOS);
    assert_true(number(good, "mean_words") >= 1 && number(good, "mean_words") <= 7);
    assert_true(number(good, "vocabulary_used") >= 2 && number(good, "vocabulary_used") <= 20);
    assert_true(number(cJSON_GetObjectItem(good, "faults"), "any") == 0);
    assert_true(number(cJSON_GetObjectItem(plain, "faults"), "any") > 0);
    assert_null(cJSON_GetObjectItem(good, "training_copies"));
    cJSON_Delete(good);
    cJSON_Delete(plain);
}

/* The TSV of one run is the training captions of the next: then every caption is a copy. */
static void the_tsv_tells_of_each_image_and_copies_are_found(void **state)
{
    (void)state;
    char option[300], line[4096], said[64 * 1024] = "";
    snprintf(option, sizeof option, "--tsv=%s", scratch_path("said.tsv"));
    cJSON *json = eval(option, "--decode=beam", "--beam=3");
    double mean = 0, cider = number(json, "CIDEr");
    cJSON_Delete(json);
    FILE *file = fopen(scratch_path("said.tsv"), "r");
    assert_non_null(file);
    int lines = 0;
    while (fgets(line, sizeof line, file)) {
        char name[64], caption[2048], faults[64];
        double score, confidence;
        assert_int_equal(
            sscanf(line, "%63[^\t]\t%2047[^\t]\t%lf\t%lf\t%63s", name, caption, &score, &confidence, faults), 5);
        assert_true(confidence >= 0 && confidence <= 1);
        assert_string_equal(faults, "-");
        mean += score / PHOTOS;
        lines++;
        sprintf(said + strlen(said), "%s\t%s\n", name, caption);
    }
    fclose(file);
    assert_int_equal(lines, PHOTOS);
    assert_true(mean - cider < 1e-5 && cider - mean < 1e-5);
    snprintf(option, sizeof option, "--train-captions=%s", scratch_write("train.tsv", said, strlen(said)));
    json = eval(option, "--decode=beam", "--beam=3");
    assert_true(number(json, "training_copies") == 1);
    cJSON_Delete(json);
    snprintf(option, sizeof option, "--train-captions=%s", scratch_write("other.tsv", "x.png\tnobody\n", 13));
    json = eval(option, "--decode=beam", "--beam=3");
    assert_true(number(json, "training_copies") == 0);
    cJSON_Delete(json);
}

static void captions_of_a_dev_set_have_no_faults(void **state)
{
    const char *data = getenv("CAPTIOND_TEST_DATA");
    char images[512], captions[512];
    (void)state;
    if (!data || access("weights/lstm.safetensors", R_OK))
        skip();
    snprintf(images, sizeof images, "%s/images", data);
    snprintf(captions, sizeof captions, "%s/dev.tsv", data);
    captiond_output o =
        captiond_run((const char *[]){"eval", "--images", images, "--captions", captions, NULL}, NULL, NULL);
    if (o.status)
        fail_msg("%s", o.err);
    cJSON *json = cJSON_Parse(o.out);
    fprintf(stderr, "# %s", o.out); /* the rates */
    assert_true(number(cJSON_GetObjectItem(json, "faults"), "any") == 0);
    cJSON_Delete(json);
    captiond_output_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(faults_are_counted),
        cmocka_unit_test(the_tsv_tells_of_each_image_and_copies_are_found),
        cmocka_unit_test(captions_of_a_dev_set_have_no_faults),
    };
    return cmocka_run_group_tests_name("eval", tests, start, captiond_teardown);
}
