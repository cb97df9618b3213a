/* How captions may be asked for: every option of decoding, log-probabilities, attention, and POST /v1/score. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/photo.h"
#include "tests/support/scratch.h"
#include "tests/support/tiny_model.h"

static captiond *server;
static photo cat, dog;

static int start(void **state)
{
    char models[1024];
    if (captiond_setup(state) ||
        tiny_model_write(scratch_path("looking.safetensors"), "attention", 5, NULL) != CAPTION_OK)
        return -1;
    size_t used = (size_t)snprintf(models, sizeof models, "%s,", scratch_path("tiny.safetensors"));
    snprintf(models + used, sizeof models - used, "%s", scratch_path("looking.safetensors"));
    cat = photo_make("png", 300, 200, 1);
    dog = photo_make("jpeg", 120, 400, 7);
    server = captiond_serve((const char *[]){"--models", models, "--model", "tiny", NULL});
    return 0;
}

static int end(void **state)
{
    captiond_stop(server);
    photo_free(&cat);
    photo_free(&dog);
    return captiond_teardown(state);
}

static reply ask(const char *path, const char *accept)
{
    const char *const headers[] = {accept, NULL};
    return client_ask(
        server, &(request){.path = path, .body = cat.bytes, .size = cat.size, .headers = accept ? headers : NULL});
}

/* The sum of a caption's tokens is its own log-probability; returns how many there are. */
static int check_tokens(const reply *r, const char *caption)
{
    char path[96];
    double sum = 0;
    int n = 0;
    snprintf(path, sizeof path, "%s/words", caption);
    int words = (int)reply_number(r, path);
    snprintf(path, sizeof path, "%s/logprob", caption);
    double logprob = reply_number(r, path);
    for (; n <= words; n++) {
        snprintf(path, sizeof path, "%s/tokens/%d/logprob", caption, n);
        sum += reply_number(r, path);
    }
    snprintf(path, sizeof path, "%s/tokens/%d/word", caption, words);
    assert_string_equal(reply_string(r, path), "<END>");
    assert_true(fabs(sum - logprob) < 1e-3 * (n + 1));
    return n;
}

static void log_probabilities_of_words_add_up(void **state)
{
    static const char *const paths[] = {"/v1/caption?logprobs=true", "/v1/caption?logprobs=1&decode=beam",
                                        "/v1/caption?logprobs=true&decode=sample&seed=3",
                                        "/v1/caption?logprobs=true&max_words=4&model=looking"};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        reply r = ask(paths[i], NULL);
        client_expect_captions(&r, 1);
        check_tokens(&r, "captions/0");
        reply_free(&r);
    }
    reply r = ask("/v1/caption?logprobs=false", NULL);
    assert_null(strstr(r.body, "tokens"));
    reply_free(&r);
}

static void a_beam_gives_its_best_captions_in_order(void **state)
{
    (void)state;
    reply r = ask("/v1/caption?decode=beam&beam=6&n=4&length_penalty=0&logprobs=true", NULL);
    client_expect_captions(&r, 1);
    double last = reply_number(&r, "captions/0/logprob");
    for (int k = 0; k < 3; k++) {
        char path[64];
        snprintf(path, sizeof path, "captions/0/alternatives/%d", k);
        check_tokens(&r, path);
        snprintf(path, sizeof path, "captions/0/alternatives/%d/logprob", k);
        assert_true(reply_number(&r, path) <= last);
        last = reply_number(&r, path);
    }
    assert_null(strstr(r.body, "\"seed\""));
    reply_free(&r);
}

static void options_of_other_ways_of_decoding_change_nothing(void **state)
{
    (void)state;
    reply r = ask("/v1/caption", NULL), greedy = ask("/v1/caption?decode=greedy&seed=7&temperature=2&beam=3", NULL);
    client_expect_captions(&greedy, 1);
    assert_string_equal(reply_string(&r, "captions/0/text"), reply_string(&greedy, "captions/0/text"));
    assert_null(strstr(r.body, "alternatives"));
    reply_free(&greedy);
    reply_free(&r);
}

static void a_seed_gives_the_same_samples_again(void **state)
{
    (void)state;
    char path[128], text[2048];
    reply r = ask("/v1/caption?decode=sample&temperature=1.5&top_k=50&top_p=0.95&n=3", NULL);
    client_expect_captions(&r, 1);
    snprintf(text, sizeof text, "%s", reply_string(&r, "captions/0/alternatives/1/text"));
    snprintf(path, sizeof path, "/v1/caption?decode=sample&temperature=1.5&top_k=50&top_p=0.95&n=3&seed=%.0f",
             reply_number(&r, "seed"));
    reply_free(&r);
    r = ask(path, NULL);
    assert_string_equal(reply_string(&r, "captions/0/alternatives/1/text"), text);
    reply_free(&r);

    /* The same among other photos, in form data. */
    photo form = {0};
    photo_form_add(&form, "image", dog.bytes, dog.size);
    photo_form_add(&form, "image", cat.bytes, cat.size);
    photo_form_end(&form);
    r = client_ask(server, &(request){.path = path, .type = PHOTO_FORM_TYPE, .body = form.bytes, .size = form.size});
    client_expect_captions(&r, 2);
    assert_string_equal(reply_string(&r, "captions/1/alternatives/1/text"), text);
    reply_free(&r);
    photo_free(&form);
}

/* Printed as a double of 15 digits, either would be another seed. */
static void a_large_seed_is_answered_to_its_last_digit(void **state)
{
    static const char *const seeds[] = {"9007199254740991", "18446744073709551615"};
    (void)state;
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        char path[64], member[64];
        snprintf(path, sizeof path, "/v1/caption?decode=sample&seed=%s", seeds[i]);
        snprintf(member, sizeof member, "\"seed\":%s,", seeds[i]);
        reply r = ask(path, NULL);
        client_expect_captions(&r, 1);
        assert_non_null(strstr(r.body, member));
        reply_free(&r);
    }
}

static void plain_captions_may_be_cut(void **state)
{
    (void)state;
    reply r = ask("/v1/caption?max_words=1&plain=true", NULL), whole = ask("/v1/caption?max_words=1", NULL);
    assert_true(
        cJSON_IsFalse(cJSON_GetObjectItem(cJSON_GetArrayItem(cJSON_GetObjectItem(r.json, "captions"), 0), "finished")));
    assert_true(cJSON_IsTrue(
        cJSON_GetObjectItem(cJSON_GetArrayItem(cJSON_GetObjectItem(whole.json, "captions"), 0), "finished")));
    reply_free(&r);
    reply_free(&whole);
}

/* Every caption of the tiny model is less than certain, and none less sure than 0. */
static void an_unsure_caption_has_no_text(void **state)
{
    (void)state;
    reply sure = ask("/v1/caption?min_confidence=0", NULL), unsure = ask("/v1/caption?min_confidence=1", NULL);
    const cJSON *one = cJSON_GetArrayItem(cJSON_GetObjectItem(sure.json, "captions"), 0);
    const cJSON *none = cJSON_GetArrayItem(cJSON_GetObjectItem(unsure.json, "captions"), 0);
    const cJSON *confidence = cJSON_GetObjectItem(one, "confidence");
    assert_true(*cJSON_GetStringValue(cJSON_GetObjectItem(one, "text")) && !cJSON_GetObjectItem(one, "unsure"));
    assert_true(cJSON_GetNumberValue(confidence) >= 0 && cJSON_GetNumberValue(confidence) < 1);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(none, "text")), "");
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(none, "unsure")));
    assert_true(cJSON_Compare(confidence, cJSON_GetObjectItem(none, "confidence"), 1));
    reply_free(&sure);
    reply_free(&unsure);
}

static void options_come_in_json_with_their_own_types(void **state)
{
    (void)state;
    char *base64 = photo_base64(&cat), *json = malloc(strlen(base64) + 256);
    assert_non_null(json);
    static const struct {
        const char *members, *wrong; /* NULL: good */
    } cases[] = {
        {"\"decode\":\"beam\",\"beam\":3,\"n\":2,\"length_penalty\":1.5,\"logprobs\":true,\"plain\":false", NULL},
        {"\"decode\":\"sample\",\"temperature\":0.5,\"top_k\":3,\"top_p\":0.5,\"seed\":9007199254740991", NULL},
        {"\"model\":\"looking\",\"attention\":\"overlay\"", NULL},
        {"\"beam\":\"3\"", "beam"},
        {"\"logprobs\":\"true\"", "logprobs"},
        {"\"decode\":2", "decode"},
        {"\"attention\":1", "attention"},
        {"\"seed\":-1", "seed"},
        {"\"seed\":0.5", "seed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sprintf(json, "{\"image\":\"%s\",%s}", base64, cases[i].members);
        reply r = client_ask(
            server, &(request){.path = "/v1/caption", .type = "application/json", .body = json, .size = strlen(json)});
        if (cases[i].wrong) {
            client_expect_problem(&r, 400, "bad-option");
            assert_non_null(strstr(reply_string(&r, "detail"), cases[i].wrong));
        } else {
            client_expect_captions(&r, 1);
        }
        reply_free(&r);
    }
    free(json);
    free(base64);
}

static void wrong_options_are_refused_by_name(void **state)
{
    static const char *const wrong[][2] = {
        {"decode=best", "decode"},
        {"decode=beam&beam=0", "beam"},
        {"decode=beam&beam=17", "beam"},
        {"decode=beam&beam=2.5", "beam"},
        {"length_penalty=2.1", "length_penalty"},
        {"length_penalty=-1", "length_penalty"},
        {"length_penalty=nan", "length_penalty"},
        {"temperature=0", "temperature"},
        {"temperature=6", "temperature"},
        {"temperature=hot", "temperature"},
        {"temperature=", "temperature"},
        {"top_k=-1", "top_k"},
        {"top_k=1001", "top_k"},
        {"top_p=0", "top_p"},
        {"top_p=1.1", "top_p"},
        {"seed=-1", "seed"},
        {"seed=18446744073709551616", "seed"},
        {"n=0", "n"},
        {"n=2", "n: greedy"},
        {"decode=beam&beam=3&n=4", "n: a beam"},
        {"decode=sample&n=17", "n"},
        {"logprobs=maybe", "logprobs"},
        {"plain=maybe", "plain"},
        {"min_confidence=1.5", "min_confidence"},
        {"concepts=3", "concepts: model tiny (lstm) predicts none"},
        {"attention=perhaps", "attention"},
        {"attention=true", "attention: model tiny"}, /* an LSTM looks nowhere */
        {"attention=overlay", "attention: model tiny"},
        {"beam=3&beam=4", "beam"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char path[128];
        snprintf(path, sizeof path, "/v1/caption?%s", wrong[i][0]);
        reply r = ask(path, NULL);
        client_expect_problem(&r, 400, "bad-option");
        if (strncmp(reply_string(&r, "detail"), wrong[i][1], strlen(wrong[i][1])) != 0)
            fail_msg("%s: %s", path, reply_string(&r, "detail"));
        reply_free(&r);
    }
    reply r = ask("/v1/caption?length-penalty=1", NULL);
    client_expect_problem(&r, 400, "unknown-option");
    reply_free(&r);
}

/* ---- attention -----------------------------------------------------------------------------------------------------
 */

static void attention_is_seven_rows_of_seven_that_sum_to_one(void **state)
{
    (void)state;
    reply r = ask("/v1/caption?model=looking&attention=true&decode=beam&n=2", NULL);
    client_expect_captions(&r, 1);
    for (int k = 0; k < 2; k++) {
        const char *caption = k ? "captions/0/alternatives/0" : "captions/0";
        int tokens = check_tokens(&r, caption);
        for (int t = 0; t < tokens; t++) {
            char path[96];
            double sum = 0;
            for (int i = 0; i < 49; i++) {
                snprintf(path, sizeof path, "%s/tokens/%d/attention/%d/%d", caption, t, i / 7, i % 7);
                assert_true(reply_number(&r, path) >= 0);
                sum += reply_number(&r, path);
            }
            assert_true(fabs(sum - 1) < 1e-3);
        }
    }
    assert_null(strstr(r.body, "overlay"));
    reply_free(&r);
}

static void overlays_are_pictures(void **state)
{
    static const char png[] = "\x89PNG\r\n\x1a\n";
    (void)state;
    reply r = ask("/v1/caption?model=looking&attention=overlay", NULL);
    client_expect_captions(&r, 1);
    assert_memory_equal(reply_string(&r, "captions/0/tokens/0/overlay"), "data:image/png;base64,iVBORw0", 29);
    int words = (int)reply_number(&r, "captions/0/words");
    reply_free(&r);

    r = ask("/v1/caption?model=looking&attention=true", "Accept: image/png");
    assert_int_equal(r.status, 200);
    assert_string_equal(reply_header(&r, "Content-Type"), "image/png");
    assert_true(r.size > 24);
    assert_memory_equal(r.body, png, 8);
    const unsigned char *size = (const unsigned char *)r.body + 16; /* width and height, big-endian */
    assert_int_equal(size[2] << 8 | size[3], 224 * words);
    assert_int_equal(size[6] << 8 | size[7], 149); /* 200 x 224 / 300 */
    reply_free(&r);
    r = ask("/v1/caption?model=looking", "Accept: image/png"); /* nothing to show: JSON as ever */
    client_expect_captions(&r, 1);
    reply_free(&r);
}

/* ---- scores --------------------------------------------------------------------------------------------------------
 */

static void what_was_written_scores_as_it_said(void **state)
{
    (void)state;
    static const char *const models[] = {"tiny", "looking"};
    for (int i = 0; i < 2; i++) {
        char path[128];
        snprintf(path, sizeof path, "/v1/caption?model=%s&logprobs=true", models[i]);
        reply caption = ask(path, NULL);
        client_expect_captions(&caption, 1);
        const char *text = reply_string(&caption, "captions/0/text");
        photo form = {0};
        photo_form_add(&form, "image", cat.bytes, cat.size);
        photo_form_add(&form, "caption", text, strlen(text));
        photo_form_add(&form, "caption", "A zebra, in the snow", 20);
        photo_form_add(&form, "model", models[i], strlen(models[i]));
        photo_form_end(&form);
        reply r = client_ask(
            server, &(request){.path = "/v1/score", .type = PHOTO_FORM_TYPE, .body = form.bytes, .size = form.size});
        assert_int_equal(r.status, 200);
        double logprob = reply_number(&r, "scores/0/logprob"), words = reply_number(&r, "scores/0/words");
        assert_string_equal(reply_string(&r, "scores/0/text"), text);
        assert_string_equal(reply_string(&r, "model"), models[i]);
        assert_true(fabs(logprob - reply_number(&caption, "captions/0/logprob")) < 2e-3);
        double perplexity = exp(-logprob / (words + 1));
        assert_true(fabs(reply_number(&r, "scores/0/perplexity") - perplexity) < 1e-3 * perplexity);
        check_tokens(&r, "scores/0");
        check_tokens(&r, "scores/1");
        assert_string_equal(reply_string(&r, "scores/1/text"), "a zebra in the snow");
        assert_string_equal(reply_string(&r, "scores/1/unknown/0"), "zebra");
        assert_true(reply_number(&r, "timing/encode_ms") > 0);
        reply_free(&r);
        reply_free(&caption);
        photo_free(&form);
    }
}

static void captions_to_score_come_in_every_form(void **state)
{
    (void)state;
    reply raw = ask("/v1/score?caption=a+dog&caption=a%20cat", NULL);
    assert_int_equal(raw.status, 200);
    assert_string_equal(reply_string(&raw, "scores/1/text"), "a cat");
    char *base64 = photo_base64(&cat), *json = malloc(strlen(base64) + 128);
    assert_non_null(json);
    sprintf(json, "{\"image\":\"%s\",\"captions\":[\"a dog\",\"a cat\"],\"model\":\"tiny\"}", base64);
    reply r = client_ask(
        server, &(request){.path = "/v1/score", .type = "application/json", .body = json, .size = strlen(json)});
    assert_int_equal(r.status, 200);
    assert_true(fabs(reply_number(&r, "scores/1/logprob") - reply_number(&raw, "scores/1/logprob")) < 1e-3);
    reply_free(&r);
    reply_free(&raw);
    free(json);
    free(base64);
}

static void captions_that_cannot_be_scored_are_refused(void **state)
{
    static const struct {
        const char *path, *problem;
        long status;
    } cases[] = {
        {"/v1/score", "missing-caption", 400},
        {"/v1/score?caption=", "bad-caption", 422},
        {"/v1/score?caption=...", "bad-caption", 422},
        {"/v1/score?caption=a%20%ff", "bad-caption", 422},
        {"/v1/score?caption=a+dog&decode=beam", "unknown-option", 400},
        {"/v1/score?caption=a+dog&attention=true", "bad-option", 400},
        {"/v1/score?caption=a+dog&model=none", "unknown-model", 404},
        {"/v1/caption?caption=a+dog", "unknown-option", 400},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reply r = ask(cases[i].path, NULL);
        client_expect_problem(&r, cases[i].status, cases[i].problem);
        reply_free(&r);
    }
    char many[65 * 12 + 32] = "/v1/score?caption=a";
    for (int i = 1; i < 65; i++)
        strcat(many, "&caption=a");
    reply r = ask(many, NULL);
    client_expect_problem(&r, 400, "bad-option");
    reply_free(&r);

    photo form = {0};
    photo_form_add(&form, "image", cat.bytes, cat.size);
    photo_form_add(&form, "image", dog.bytes, dog.size);
    photo_form_add(&form, "caption", "a dog", 5);
    photo_form_end(&form);
    r = client_ask(server,
                   &(request){.path = "/v1/score", .type = PHOTO_FORM_TYPE, .body = form.bytes, .size = form.size});
    client_expect_problem(&r, 413, "too-many-images");
    reply_free(&r);
    photo_free(&form);
    r = client_ask(server, &(request){.path = "/v1/score?caption=a+dog", .body = dog.bytes, .size = dog.size / 2});
    client_expect_problem(&r, 422, "damaged-image");
    reply_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_probabilities_of_words_add_up),
        cmocka_unit_test(a_beam_gives_its_best_captions_in_order),
        cmocka_unit_test(options_of_other_ways_of_decoding_change_nothing),
        cmocka_unit_test(a_seed_gives_the_same_samples_again),
        cmocka_unit_test(a_large_seed_is_answered_to_its_last_digit),
        cmocka_unit_test(plain_captions_may_be_cut),
        cmocka_unit_test(an_unsure_caption_has_no_text),
        cmocka_unit_test(options_come_in_json_with_their_own_types),
        cmocka_unit_test(wrong_options_are_refused_by_name),
        cmocka_unit_test(attention_is_seven_rows_of_seven_that_sum_to_one),
        cmocka_unit_test(overlays_are_pictures),
        cmocka_unit_test(what_was_written_scores_as_it_said),
        cmocka_unit_test(captions_to_score_come_in_every_form),
        cmocka_unit_test(captions_that_cannot_be_scored_are_refused),
    };
    return cmocka_run_group_tests_name("decode_options", tests, start, end);
}
