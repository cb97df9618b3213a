/* POST /v1/saliency: which pixels decide? Numbers, or a picture of them. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/served.h"
#include "tests/support/visual.h"

static int start(void **state)
{
    return served_start(state, visual_photo(), NULL);
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static const cJSON *row(const reply *r, int y)
{
    return cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(r->json, "saliency"), y);
}

/* Checks the grid; returns the place of the hottest cell and the sum. */
static double read_grid(const reply *r, int size, int *hot_x, int *hot_y)
{
    double sum = 0, most = -1;
    assert_int_equal(r->status, 200);
    assert_int_equal(reply_number(r, "size"), size);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(r->json, "saliency")), size);
    for (int y = 0; y < size; y++) {
        assert_int_equal(cJSON_GetArraySize(row(r, y)), size);
        for (int x = 0; x < size; x++) {
            double value = cJSON_GetArrayItem(row(r, y), x)->valuedouble;
            assert_true(value >= 0 && value <= 1);
            sum += value;
            if (value > most) {
                most = value;
                *hot_x = x;
                *hot_y = y;
            }
        }
    }
    assert_true(most > 0);
    assert_true(reply_number(r, "maximum") > 0);
    return sum;
}

static void the_top_class_is_the_usual_target(void **state)
{
    int x, y;
    (void)state;
    reply r = visual_post(served, &served_photo, NULL, "/v1/saliency");
    read_grid(&r, 56, &x, &y);
    assert_string_equal(reply_string(&r, "method"), "gradient");
    assert_int_equal(reply_number(&r, "target/class"), VISUAL_CAT);
    assert_string_equal(reply_string(&r, "target/label"), visual_cat);
    assert_true(reply_number(&r, "target/score") > 3);
    assert_true(reply_number(&r, "timing/total_ms") > 0);
    assert_string_equal(reply_header(&r, "X-Request-Id"), reply_string(&r, "request_id"));
    reply_free(&r);
}

static void expect_class(const char *query, int class, const char *label)
{
    int x, y;
    reply r = visual_post(served, &served_photo, NULL, "/v1/saliency?size=7&%s", query);
    read_grid(&r, 7, &x, &y);
    assert_int_equal(reply_number(&r, "target/class"), class);
    assert_string_equal(reply_string(&r, "target/label"), label);
    reply_free(&r);
}

static void a_class_is_named_by_index_or_label(void **state)
{
    (void)state;
    expect_class("class=281", 281, "tabby, tabby cat");
    expect_class("class=tabby%20cat", 281, "tabby, tabby cat");
    expect_class("class=Egyptian%20CAT", VISUAL_CAT, visual_cat);
}

static void another_class_has_another_map_and_score(void **state)
{
    (void)state;
    reply is = visual_post(served, &served_photo, NULL, "/v1/saliency?size=28");
    reply other = visual_post(served, &served_photo, NULL, "/v1/saliency?size=28&class=espresso");
    assert_true(reply_number(&is, "target/score") > reply_number(&other, "target/score") + 1);
    assert_false(
        cJSON_Compare(cJSON_GetObjectItem(is.json, "saliency"), cJSON_GetObjectItem(other.json, "saliency"), 1));
    reply_free(&is);
    reply_free(&other);
}

static double value_at(const reply *r, int x, int y)
{
    return cJSON_GetArrayItem(row(r, y), x)->valuedouble;
}

/* The mean over the cells inside a square, over that of the others. */
static double concentration(const reply *r, int size, int left, int top, int side)
{
    double inside = 0, outside = 0;
    for (int y = 0; y < size; y++)
        for (int x = 0; x < size; x++)
            *(x >= left && x < left + side && y >= top && y < top + side ? &inside : &outside) += value_at(r, x, y);
    return inside / (side * side) / (outside / (size * size - side * side));
}

/* A cat in one corner of a grey picture, then in the opposite one. */
static void expect_concentrated(const char *query)
{
    static const int corners[][2] = {{0, 0}, {28, 28}};
    for (size_t i = 0; i < 2; i++) {
        int x, y;
        photo corner = visual_cat_at(448, corners[i][0] * 8, corners[i][1] * 8, 224);
        reply r = visual_post(served, &corner, NULL, "/v1/saliency?size=56&%s", query);
        read_grid(&r, 56, &x, &y);
        double there = concentration(&r, 56, corners[i][0], corners[i][1], 28);
        double opposite = concentration(&r, 56, 28 - corners[i][0], 28 - corners[i][1], 28);
        if (!(there > 3 && there > 4 * opposite))
            fprintf(stderr, "%s: %.2f times as hot on the cat, %.2f opposite\n", query, there, opposite);
        assert_true(there > 3 && there > 4 * opposite);
        reply_free(&r);
        photo_free(&corner);
    }
}

static void it_concentrates_on_the_object(void **state)
{
    (void)state;
    expect_concentrated("method=gradient");
    expect_concentrated("method=gradcam");
    expect_concentrated("method=smoothgrad&samples=4&noise=0.1");
}

static void a_seed_makes_smoothgrad_repeatable(void **state)
{
    cJSON *maps[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        reply r =
            visual_post(served, &served_photo, NULL, "/v1/saliency?method=smoothgrad&samples=2&seed=%d", i < 2 ? 7 : 8);
        assert_int_equal(r.status, 200);
        maps[i] = cJSON_DetachItemFromObject(r.json, "saliency");
        reply_free(&r);
    }
    assert_true(cJSON_Compare(maps[0], maps[1], 1));
    assert_false(cJSON_Compare(maps[0], maps[2], 1));
    for (int i = 0; i < 3; i++)
        cJSON_Delete(maps[i]);
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

/* The caption's first word, and the caption. */
static void caption_of(char *caption, char *first)
{
    reply r = visual_post(served, &served_photo, NULL, "/v1/caption");
    client_expect_captions(&r, 1);
    strcpy(caption, reply_string(&r, "captions/0/text"));
    assert_true(reply_number(&r, "captions/0/words") >= 1);
    sprintf(first, "%.*s", (int)strcspn(caption, " "), caption);
    reply_free(&r);
}

static void a_word_of_the_caption_is_a_target_by_place_or_text(void **state)
{
    char caption[CAPTION_TEXT_BYTES], first[CAPTION_TEXT_BYTES];
    int x, y;
    (void)state;
    caption_of(caption, first);
    reply place = visual_post(served, &served_photo, NULL, "/v1/saliency?word=0&size=14");
    reply text = visual_post(served, &served_photo, NULL, "/v1/saliency?word=%s&size=14&model=other", first);
    read_grid(&place, 14, &x, &y);
    assert_string_equal(reply_string(&place, "target/word"), first);
    assert_int_equal(reply_number(&place, "target/index"), 0);
    assert_string_equal(reply_string(&place, "target/caption"), caption);
    assert_true(reply_number(&place, "target/logprob") < 0);
    assert_string_equal(reply_string(&place, "model"), "other");
    assert_true(
        cJSON_Compare(cJSON_GetObjectItem(place.json, "saliency"), cJSON_GetObjectItem(text.json, "saliency"), 1));
    reply_free(&place);
    reply_free(&text);
}

/* A caption of anybody's: repeated words are told apart by place, and each is as probable as /v1/score says. */
static void a_word_of_a_given_caption_is_a_target(void **state)
{
    enum { WORDS = 5 };
    static const char *const words[WORDS] = {"a", "cat", "on", "a", "xyzzy"};
    (void)state;
    reply maps[WORDS];
    reply score = visual_post(served, &served_photo, NULL, "/v1/score?caption=a%%20cat%%20on%%20a%%20xyzzy");
    assert_int_equal(score.status, 200);
    for (int i = 0; i < WORDS; i++) {
        char token[64];
        snprintf(token, sizeof token, "scores/0/tokens/%d/logprob", i);
        maps[i] = visual_post(served, &served_photo, NULL,
                              "/v1/saliency?size=7&word=%d&caption=A%%20cat,%%20on%%20a%%20xyzzy.", i);
        assert_int_equal(maps[i].status, 200);
        assert_string_equal(reply_string(&maps[i], "target/word"), words[i]);
        assert_int_equal(reply_number(&maps[i], "target/index"), i);
        assert_string_equal(reply_string(&maps[i], "target/caption"), "a cat on a xyzzy");
        assert_float_equal(reply_number(&maps[i], "target/logprob"), reply_number(&score, token), 1e-3);
    }
    assert_false(
        cJSON_Compare(cJSON_GetObjectItem(maps[0].json, "saliency"), cJSON_GetObjectItem(maps[3].json, "saliency"), 1));
    for (int i = 0; i < WORDS; i++)
        reply_free(&maps[i]);
    reply_free(&score);
}

static void the_models_own_caption_given_has_its_own_map(void **state)
{
    char caption[CAPTION_TEXT_BYTES], first[CAPTION_TEXT_BYTES];
    (void)state;
    caption_of(caption, first);
    for (char *c = caption; *c; c++)
        *c = *c == ' ' ? '+' : *c;
    reply own = visual_post(served, &served_photo, NULL, "/v1/saliency?word=0&size=14");
    reply given = visual_post(served, &served_photo, NULL, "/v1/saliency?word=0&size=14&caption=%s", caption);
    assert_int_equal(given.status, 200);
    assert_true(cJSON_Compare(cJSON_GetObjectItem(own.json, "target"), cJSON_GetObjectItem(given.json, "target"), 1));
    assert_true(
        cJSON_Compare(cJSON_GetObjectItem(own.json, "saliency"), cJSON_GetObjectItem(given.json, "saliency"), 1));
    reply_free(&own);
    reply_free(&given);
}

/* ---- forms of the request ---------------------------------------------------------------------------------------- */

static void json_and_forms_are_read_as_well(void **state)
{
    (void)state;
    reply raw = visual_post(served, &served_photo, NULL, "/v1/saliency?class=281&size=7");
    char *base64 = photo_base64(&served_photo), *json = malloc(strlen(base64) + 128);
    sprintf(json, "{\"image\":\"data:image/jpeg;base64,%s\",\"class\":281,\"size\":7}", base64);
    reply object = client_ask(
        served, &(request){.path = "/v1/saliency", .type = "application/json", .body = json, .size = strlen(json)});
    photo form = {0};
    photo_form_add(&form, "class", "tabby", 5);
    photo_form_add(&form, "image", served_photo.bytes, served_photo.size);
    photo_form_add(&form, "size", "7", 1);
    photo_form_end(&form);
    reply multipart = client_ask(
        served, &(request){.path = "/v1/saliency", .type = PHOTO_FORM_TYPE, .body = form.bytes, .size = form.size});
    const cJSON *map = cJSON_GetObjectItem(raw.json, "saliency");
    assert_int_equal(raw.status, 200);
    assert_true(cJSON_Compare(map, cJSON_GetObjectItem(object.json, "saliency"), 1));
    assert_true(cJSON_Compare(map, cJSON_GetObjectItem(multipart.json, "saliency"), 1));
    reply_free(&raw);
    reply_free(&object);
    reply_free(&multipart);
    photo_free(&form);
    free(base64);
    free(json);
}

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

/* Pixels of the hottest colours, nearly white. */
static int count_hot(const caption_picture *heat)
{
    int n = 0;
    for (int i = 0; i < heat->width * heat->height; i++)
        n += heat->rgb[3 * i] > 240 && heat->rgb[3 * i + 1] > 220;
    return n;
}

static void accept_chooses_a_heat_map(void **state)
{
    (void)state;
    reply r = visual_post(served, &served_photo, "image/png", "/v1/saliency");
    caption_picture heat = visual_decode(&r);
    assert_int_equal(heat.width, CAPTION_IMAGE_SIDE);
    assert_int_equal(heat.height, CAPTION_IMAGE_SIDE);
    assert_true(count_hot(&heat) >= CAPTION_IMAGE_SIDE * CAPTION_IMAGE_SIDE / 200); /* as the command paints it */
    caption_picture_free(&heat);
    reply_free(&r);
}

static void an_overlay_has_the_photos_shape(void **state)
{
    int width, height;
    caption_error err;
    (void)state;
    assert_int_equal(caption_image_check(served_photo.bytes, served_photo.size, NULL, &width, &height, &err),
                     CAPTION_OK);
    reply r = visual_post(served, &served_photo, "image/png, */*;q=0.1", "/v1/saliency?view=overlay&method=gradcam");
    caption_picture overlay = visual_decode(&r);
    assert_int_equal(overlay.width, width);
    assert_int_equal(overlay.height, height);
    caption_picture_free(&overlay);
    reply_free(&r);
}

static void who_prefers_json_or_anything_gets_json(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        reply r = visual_post(served, &served_photo, i ? "application/json, image/png" : "*/*", "/v1/saliency?size=7");
        assert_int_equal(r.status, 200);
        assert_string_equal(reply_header(&r, "Content-Type"), "application/json");
        reply_free(&r);
    }
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

static void expect_refused(const char *query, const char *problem, const char *named)
{
    reply r = visual_post(served, &served_photo, "image/png", "/v1/saliency?%s", query);
    client_expect_refused(&r, strcmp(problem, "unknown-model") == 0 ? 404 : 400, problem, named);
}

static void wrong_options_are_refused_by_name(void **state)
{
    (void)state;
    expect_refused("method=guess", "bad-option", "method");
    expect_refused("class=1000", "bad-option", "class");
    expect_refused("class=-1", "bad-option", "class");
    expect_refused("class=", "bad-option", "class");
    expect_refused("class=no%20such%20thing", "bad-option", "class");
    expect_refused("class=1&word=dog", "bad-option", "word");
    expect_refused("word=99", "bad-option", "word");
    expect_refused("word=xyzzy", "bad-option", "xyzzy");
    expect_refused("word=3&caption=a%20dog%20runs", "bad-option", "has no word 3");
    expect_refused("word=cat&caption=a%20dog%20runs", "bad-option", "cat");
    expect_refused("word=0&caption=%3F%21", "bad-option", "caption");
    expect_refused("word=0&caption=", "bad-option", "caption");
    expect_refused("caption=a%20dog%20runs", "bad-option", "caption");
    expect_refused("word=dog&model=none", "unknown-model", "none");
    expect_refused("model=tiny", "bad-option", "model");
    expect_refused("size=6", "bad-option", "size");
    expect_refused("size=225", "bad-option", "size");
    expect_refused("size=7.5", "bad-option", "size");
    expect_refused("size=7&size=8", "bad-option", "size");
    expect_refused("view=both", "bad-option", "view");
    expect_refused("samples=2", "bad-option", "samples");
    expect_refused("method=gradcam&seed=2", "bad-option", "seed");
    expect_refused("method=smoothgrad&samples=33", "bad-option", "samples"); /* --saliency-samples */
    expect_refused("method=smoothgrad&samples=1e9", "bad-option", "samples");
    expect_refused("method=smoothgrad&noise=nan", "bad-option", "noise");
    expect_refused("method=smoothgrad&noise=0x1p-3", "bad-option", "noise");
    expect_refused("layer=3", "unknown-option", "layer");
    expect_refused("steps=3", "unknown-option", "steps");
}

static void a_damaged_photo_is_422(void **state)
{
    photo half = {served_photo.bytes, served_photo.size / 2};
    (void)state;
    reply r = visual_post(served, &half, NULL, "/v1/saliency");
    client_expect_problem(&r, 422, "damaged-image");
    reply_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_top_class_is_the_usual_target),
        cmocka_unit_test(a_class_is_named_by_index_or_label),
        cmocka_unit_test(another_class_has_another_map_and_score),
        cmocka_unit_test(it_concentrates_on_the_object),
        cmocka_unit_test(a_seed_makes_smoothgrad_repeatable),
        cmocka_unit_test(a_word_of_the_caption_is_a_target_by_place_or_text),
        cmocka_unit_test(a_word_of_a_given_caption_is_a_target),
        cmocka_unit_test(the_models_own_caption_given_has_its_own_map),
        cmocka_unit_test(json_and_forms_are_read_as_well),
        cmocka_unit_test(accept_chooses_a_heat_map),
        cmocka_unit_test(an_overlay_has_the_photos_shape),
        cmocka_unit_test(who_prefers_json_or_anything_gets_json),
        cmocka_unit_test(wrong_options_are_refused_by_name),
        cmocka_unit_test(a_damaged_photo_is_422),
    };
    return cmocka_run_group_tests(tests, start, served_end);
}
