/* What /v1/fool, /v1/visualize, /v1/invert and /v1/dream refuse: hostile parameters, too much work, wrong photos. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/served.h"
#include "tests/support/training.h"
#include "tests/support/visual.h"

static int start(void **state)
{
    return served_start(state, visual_photo(),
                        (const char *[]){"--picture-steps", "200", "--picture-side", "320", "--max-picture-jobs", "3",
                                         "--admin-key", "secret", NULL});
}

static const char *const key[] = {"Authorization: Bearer secret", NULL};

static reply post(const char *path, const char *type, const void *body, size_t size)
{
    return client_ask(
        served, &(request){.path = path, .method = "POST", .type = type, .body = body, .size = size, .headers = key});
}

static reply post_cat(const char *path)
{
    int imageless = strncmp(path, "/v1/visualize", strlen("/v1/visualize")) == 0;
    return imageless ? post(path, NULL, NULL, 0) : post(path, "image/jpeg", served_photo.bytes, served_photo.size);
}

/* The option that is named is the one that is wrong. */
static void expect_refused(const char *path, const char *problem, const char *named)
{
    reply r = post_cat(path);
    client_expect_refused(&r, 400, problem, named);
}

static void targets_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    expect_refused("/v1/fool", "bad-option", "class");
    expect_refused("/v1/fool?class=1000", "bad-option", "class");
    expect_refused("/v1/fool?class=-1", "bad-option", "class");
    expect_refused("/v1/fool?class=99999999999999999999", "bad-option", "class");
    expect_refused("/v1/fool?class=1.5", "bad-option", "class");
    expect_refused("/v1/fool?class=", "bad-option", "class");
    expect_refused("/v1/fool?class", "bad-option", "class");
    expect_refused("/v1/fool?class=nothing", "bad-option", "class");
    expect_refused("/v1/fool?class=1&class=2", "bad-option", "class");
    expect_refused("/v1/fool?class=1&word=dog", "unknown-option", "word");
    expect_refused("/v1/visualize", "bad-option", "class");
    expect_refused("/v1/visualize?class=1&word=dog", "bad-option", "word");
    expect_refused("/v1/visualize?word=", "bad-option", "word");
    expect_refused("/v1/visualize?word=xyzzy", "bad-option", "xyzzy");
    expect_refused("/v1/visualize?word=two+dogs", "bad-option", "word");
    expect_refused("/v1/visualize?word=dog&before=xyzzy", "bad-option", "xyzzy");
    expect_refused("/v1/visualize?class=1&model=tiny", "bad-option", "model");
    expect_refused("/v1/visualize?class=1&before=a", "bad-option", "before");
    expect_refused("/v1/invert?layer=18", "bad-option", "layer");
    expect_refused("/v1/invert?layer=-1", "bad-option", "layer");
    expect_refused("/v1/invert?layer=bottom", "bad-option", "layer");
    expect_refused("/v1/dream?layer=99999999999", "bad-option", "layer");
    expect_refused("/v1/dream?class=1", "unknown-option", "class");
}

static void numbers_out_of_range_are_refused(void **state)
{
    static const char *const values[] = {"-1", "1e9", "nan", "inf", "1e999", "abc", "0x10", "1%20", "%201", "", "1,5"};
    static const char *const options[] = {"octaves", "scale", "tile", "max_side", "steps", "rate", "jitter", "seed"};
    char path[128];
    (void)state;
    for (size_t o = 0; o < sizeof options / sizeof *options; o++)
        for (size_t v = 0; v < sizeof values / sizeof *values; v++) {
            int fits = strcmp(options[o], "seed") == 0 && strcmp(values[v], "1e9") == 0;
            snprintf(path, sizeof path, "/v1/dream?%s=%s", options[o], values[v]);
            if (!fits)
                expect_refused(path, "bad-option", options[o]);
        }
    expect_refused("/v1/dream?seed=9007199254740993", "bad-option", "seed"); /* would be rounded */
    expect_refused("/v1/dream?octaves=2.5", "bad-option", "octaves");
    expect_refused("/v1/dream?samples=3", "unknown-option", "samples");
}

static void more_work_than_the_limits_is_refused(void **state)
{
    (void)state;
    expect_refused("/v1/visualize?class=1&steps=67&octaves=3", "bad-option", "200");
    expect_refused("/v1/dream?steps=51&octaves=4", "bad-option", "200"); /* of all octaves together */
    expect_refused("/v1/dream?max_side=321", "bad-option", "320");
}

static void json_is_typed(void **state)
{
    static const char *const texts[][2] = {
        {"{\"class\":true}", "class"},
        {"{\"class\":[1]}", "class"},
        {"{\"class\":null}", "class"},
        {"{\"class\":1e400}", "class"},
        {"{\"word\":3}", "word"},
        {"{\"class\":1,\"class\":2}", "class"},
        {"{\"class\":1,\"steps\":\"9\"}", "steps"},
        {"{\"class\":1,\"seed\":\"1\"}", "seed"},
        {"{\"class\":1,\"model\":7}", "model"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        reply r = post("/v1/visualize", "application/json", texts[i][0], strlen(texts[i][0]));
        if (r.status != 400 || !strstr(r.body, texts[i][1]))
            fprintf(stderr, "%s: %ld %s\n", texts[i][0], r.status, r.body);
        client_expect_problem(&r, 400, "bad-option");
        assert_non_null(strstr(reply_string(&r, "detail"), texts[i][1]));
        reply_free(&r);
    }
    reply r = post("/v1/visualize", "application/json", "{\"what\":{}}", strlen("{\"what\":{}}"));
    client_expect_problem(&r, 400, "unknown-option");
    reply_free(&r);
    r = post("/v1/visualize", "application/json", "[1]", 3);
    client_expect_problem(&r, 400, "bad-json");
    reply_free(&r);
}

/* Where no photo is wanted, as POST /v1/train does. */
static void json_may_come_as_nothing_in_particular(void **state)
{
    static const char *const types[] = {NULL, "application/x-www-form-urlencoded"};
    static const char json[] = "{\"class\":\"no such thing\"}";
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        reply r = post("/v1/visualize", types[i], json, sizeof json - 1);
        client_expect_refused(&r, 400, "bad-option", "no such thing");
        r = post("/v1/visualize?class=1", types[i], served_photo.bytes, served_photo.size);
        client_expect_problem(&r, 415, "unsupported-media-type");
        reply_free(&r);
    }
    reply r = post("/v1/visualize", "text/plain", json, sizeof json - 1);
    client_expect_problem(&r, 415, "unsupported-media-type");
    reply_free(&r);
}

static void expect_photo_refused(const char *path, const void *bytes, size_t size, long status, const char *problem)
{
    reply r = post(path, "image/jpeg", bytes, size);
    client_expect_problem(&r, status, problem);
    reply_free(&r);
}

static void photos_that_cannot_be_used_are_refused_before_202(void **state)
{
    photo huge = photo_make("bmp", 8, 8, 1), narrow = photo_make("bmp", 400, 31, 1),
          wide = photo_make("bmp", 400, 39, 1);
    photo form = {0};
    (void)state;
    expect_photo_refused("/v1/dream", served_photo.bytes, served_photo.size / 2, 422, "damaged-image");
    expect_photo_refused("/v1/dream", narrow.bytes, narrow.size, 415, "unsupported-image");
    expect_photo_refused("/v1/dream", wide.bytes, wide.size, 415, "unsupported-image"); /* shrunk to 320: 31 */
    photo_free(&narrow);
    photo_free(&wide);
    expect_photo_refused("/v1/invert", "hello", 5, 415, "unsupported-image");
    memcpy(huge.bytes + 18, "\0\0\1\0\0\0\1\0", 8); /* 65536 x 65536 */
    expect_photo_refused("/v1/fool?class=1", huge.bytes, huge.size, 413, "image-too-large");
    expect_photo_refused("/v1/visualize?class=1", served_photo.bytes, served_photo.size, 415, "unsupported-media-type");
    reply r = post("/v1/dream", NULL, NULL, 0);
    client_expect_problem(&r, 400, "empty-body");
    reply_free(&r);
    r = post("/v1/fool", "application/json", "{\"class\":1}", strlen("{\"class\":1}"));
    client_expect_problem(&r, 400, "missing-image");
    reply_free(&r);
    for (int i = 0; i < 2; i++)
        photo_form_add(&form, "image", served_photo.bytes, served_photo.size);
    photo_form_end(&form);
    r = post("/v1/dream", PHOTO_FORM_TYPE, form.bytes, form.size);
    client_expect_problem(&r, 413, "too-many-images");
    reply_free(&r);
    photo_free(&form);
    photo_free(&huge);
}

static void an_unknown_model_is_404(void **state)
{
    (void)state;
    reply r = post_cat("/v1/visualize?word=dog&model=none");
    client_expect_problem(&r, 404, "unknown-model");
    reply_free(&r);
}

static void more_jobs_than_the_limit_are_503(void **state)
{
    long long ids[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        reply r = post_cat(i == 1 ? "/v1/invert?steps=200" : "/v1/visualize?class=1&steps=200&octaves=1");
        assert_int_equal(r.status, 202);
        ids[i] = (long long)reply_number(&r, "id");
        reply_free(&r);
    }
    reply r = post_cat("/v1/fool?class=1");
    client_expect_problem(&r, 503, "queue-full");
    reply_free(&r);
    char path[64]; /* one runs at a time: --picture-jobs */
    snprintf(path, sizeof path, "/v1/jobs/%lld", ids[2]);
    r = client_ask(served, &(request){.path = path, .headers = key});
    assert_string_equal(reply_string(&r, "state"), "queued");
    reply_free(&r);
    for (int i = 2; i >= 0; i--) {
        snprintf(path, sizeof path, "/v1/jobs/%lld", ids[i]);
        r = client_ask(served, &(request){.path = path, .method = "DELETE", .headers = key});
        assert_int_equal(r.status, 200);
        reply_free(&r);
    }
}

static void without_the_operators_key_they_are_401(void **state)
{
    static const char *const paths[] = {"/v1/fool?class=1", "/v1/visualize?class=1", "/v1/invert", "/v1/dream"};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        reply r = visual_post(served, &served_photo, NULL, "%s", paths[i]);
        client_expect_problem(&r, 401, "unauthorized");
        reply_free(&r);
    }
    reply r = dataset_ask(served, "GET", "/v1/jobs/1/pictures/result.png");
    client_expect_problem(&r, 401, "unauthorized");
    reply_free(&r);
    r = visual_post(served, &served_photo, NULL, "/v1/saliency?size=7"); /* is for who may caption */
    assert_int_equal(r.status, 200);
    reply_free(&r);
}

static void saliency_needs_the_key_for_captions(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--caption-key", "word", NULL});
    reply r = visual_post(c, &served_photo, NULL, "/v1/saliency?size=7");
    client_expect_problem(&r, 401, "unauthorized");
    reply_free(&r);
    captiond_stop(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets_that_make_no_sense_are_refused),
        cmocka_unit_test(numbers_out_of_range_are_refused),
        cmocka_unit_test(more_work_than_the_limits_is_refused),
        cmocka_unit_test(json_is_typed),
        cmocka_unit_test(json_may_come_as_nothing_in_particular),
        cmocka_unit_test(photos_that_cannot_be_used_are_refused_before_202),
        cmocka_unit_test(an_unknown_model_is_404),
        cmocka_unit_test(more_jobs_than_the_limit_are_503),
        cmocka_unit_test(without_the_operators_key_they_are_401),
        cmocka_unit_test(saliency_needs_the_key_for_captions),
    };
    return cmocka_run_group_tests(tests, start, served_end);
}
