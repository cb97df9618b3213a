/* POST /v1/fool, /v1/visualize, /v1/invert, /v1/dream: jobs that make pictures, told of as they grow. */
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

enum { ESPRESSO = 967 };

static int start(void **state)
{
    return served_start(state, visual_photo(), NULL);
}

/* ---- steps of tests ---------------------------------------------------------------------------------------------- */

static int differ(const caption_picture *a, const caption_picture *b)
{
    return a->width != b->width || a->height != b->height ||
           memcmp(a->rgb, b->rgb, (size_t)a->width * (size_t)a->height * 3) != 0;
}

/* The picture of this name in a job's result. */
static caption_picture result_picture(const reply *job, const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "result/pictures/%s", name);
    return fetch_visual_picture(served, reply_string(job, path));
}

static void expect_size(const reply *job, const char *name, int width, int height)
{
    caption_picture picture = result_picture(job, name);
    assert_int_equal(picture.width, width);
    assert_int_equal(picture.height, height);
    caption_picture_free(&picture);
}

/* Follows the job's events to their end: they tell steps that grow, of `value`, and previews. Returns how many previews
 * were told, without repetition. */
static int follow(long long id, const char *value)
{
    char preview[64] = "", name[32];
    int previews = 0;
    double step = -1;
    snprintf(name, sizeof name, "\"%s\":", value);
    reply r = dataset_ask(served, "GET", "/v1/jobs/%lld/events", id);
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "event: end\ndata: {\"state\":\"succeeded\",\"result\":"));
    for (const char *at = r.body; (at = strstr(at, "event: progress\ndata: "));) {
        at += strlen("event: progress\ndata: ");
        cJSON *data = cJSON_ParseWithOpts(at, NULL, 0);
        assert_non_null(data);
        double now = cJSON_GetObjectItem(data, "step")->valuedouble;
        assert_true(now >= step && now <= cJSON_GetObjectItem(data, "steps")->valuedouble);
        assert_true(cJSON_IsNumber(cJSON_GetObjectItem(data, value)));
        assert_true(strlen(cJSON_GetStringValue(cJSON_GetObjectItem(data, "stage"))) > 0);
        const char *told = cJSON_GetStringValue(cJSON_GetObjectItem(data, "preview"));
        if (told && strcmp(told, preview) != 0) {
            snprintf(preview, sizeof preview, "%s", told);
            previews++;
        }
        step = now;
        cJSON_Delete(data);
    }
    reply_free(&r);
    return previews;
}

/* The end of the job's curve, divided by its beginning is not asked for: only that there is a curve to that end. */
static void expect_history(const reply *job, int steps)
{
    const cJSON *progress = cJSON_GetObjectItemCaseSensitive(job->json, "progress");
    const cJSON *history = cJSON_GetObjectItemCaseSensitive(progress, "history");
    int n = cJSON_GetArraySize(history);
    assert_true(n > 0 && n <= 512);
    assert_true(cJSON_GetArrayItem(cJSON_GetArrayItem(history, n - 1), 0)->valuedouble <= steps);
}

/* ---- the kinds --------------------------------------------------------------------------------------------------- */

static void a_fooled_picture_is_taken_for_the_target(void **state)
{
    (void)state;
    long long id = visual_submit(served, &served_photo, "/v1/fool?class=espresso");
    reply job = training_wait(served, id, "succeeded");
    assert_true(follow(id, "score") >= 1);
    assert_true(reply_number(&job, "result/steps") < reply_number(&job, "request/steps"));
    assert_int_equal(reply_number(&job, "progress/step"), reply_number(&job, "result/steps"));
    assert_int_equal(reply_number(&job, "request/class"), ESPRESSO);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetObjectItem(job.json, "result"), "reached")));
    assert_int_equal(reply_number(&job, "result/from/class"), VISUAL_CAT);
    assert_string_equal(reply_string(&job, "result/from/label"), visual_cat);
    assert_int_equal(reply_number(&job, "result/to/class"), ESPRESSO);
    assert_true(reply_number(&job, "result/to/after") > reply_number(&job, "result/to/before"));
    assert_true(reply_number(&job, "result/to/after") > reply_number(&job, "result/from/after"));
    assert_true(reply_number(&job, "result/largest_change") >= 1);
    expect_size(&job, "result", CAPTION_IMAGE_SIDE, CAPTION_IMAGE_SIDE);
    expect_size(&job, "difference", CAPTION_IMAGE_SIDE, CAPTION_IMAGE_SIDE);

    reply png = dataset_ask(served, "GET", "%s", reply_string(&job, "result/pictures/result"));
    photo fooled = {(unsigned char *)png.body, png.size};
    reply again = visual_post(served, &fooled, NULL, "/v1/saliency?size=7");
    assert_int_equal(again.status, 200);
    assert_int_equal(reply_number(&again, "target/class"), ESPRESSO);
    reply_free(&again);
    reply_free(&png);
    reply_free(&job);
}

static void a_class_is_visualised_from_noise(void **state)
{
    (void)state;
    long long id = visual_submit(served, NULL, "/v1/visualize?class=%d&steps=20&octaves=1&preview_every=4", VISUAL_CAT);
    reply job = training_wait(served, id, "succeeded");
    assert_true(follow(id, "score") >= 1);
    expect_history(&job, 20);
    assert_string_equal(reply_string(&job, "result/label"), visual_cat);
    expect_size(&job, "result", CAPTION_IMAGE_SIDE, CAPTION_IMAGE_SIDE);
    const cJSON *history = cJSON_GetObjectItem(cJSON_GetObjectItem(job.json, "progress"), "history");
    double first = cJSON_GetArrayItem(cJSON_GetArrayItem(history, 0), 1)->valuedouble;
    assert_true(reply_number(&job, "result/score") > first + 1);
    reply_free(&job);
}

static void a_word_is_visualised(void **state)
{
    static const char json[] =
        "{\"word\":\"dog\",\"before\":\"a\",\"model\":\"tiny\",\"steps\":4,\"octaves\":1,\"seed\":3}";
    (void)state;
    reply r = client_ask(
        served, &(request){.path = "/v1/visualize", .type = "application/json", .body = json, .size = sizeof json - 1});
    assert_int_equal(r.status, 202);
    long long id = (long long)reply_number(&r, "id");
    reply_free(&r);
    reply job = training_wait(served, id, "succeeded");
    assert_string_equal(reply_string(&job, "request/word"), "dog");
    assert_string_equal(reply_string(&job, "result/word"), "dog");
    assert_true(reply_number(&job, "result/score") < 0); /* a log-probability */
    expect_size(&job, "result", CAPTION_IMAGE_SIDE, CAPTION_IMAGE_SIDE);
    reply_free(&job);
}

static void a_word_of_the_default_captioner_keeps_its_name(void **state)
{
    (void)state;
    reply job =
        training_wait(served, visual_submit(served, NULL, "/v1/visualize?word=dog&steps=1&octaves=1"), "succeeded");
    assert_string_equal(reply_string(&job, "request/model"), "other");
    reply_free(&job);
}

static void a_layer_is_inverted(void **state)
{
    (void)state;
    photo form = {0};
    photo_form_add(&form, "image", served_photo.bytes, served_photo.size);
    photo_form_add(&form, "layer", "shallow", 7);
    photo_form_add(&form, "steps", "20", 2);
    photo_form_end(&form);
    reply r = client_ask(
        served, &(request){.path = "/v1/invert", .type = PHOTO_FORM_TYPE, .body = form.bytes, .size = form.size});
    photo_free(&form);
    assert_int_equal(r.status, 202);
    long long id = (long long)reply_number(&r, "id");
    reply_free(&r);
    reply job = training_wait(served, id, "succeeded");
    assert_true(follow(id, "loss") >= 1);
    assert_int_equal(reply_number(&job, "request/layer"), 2);
    assert_true(reply_number(&job, "result/last_loss") < reply_number(&job, "result/first_loss"));
    expect_size(&job, "result", CAPTION_IMAGE_SIDE, CAPTION_IMAGE_SIDE);
    reply_free(&job);
}

static void a_dream_has_the_photos_shape_within_the_limit(void **state)
{
    int width, height;
    caption_error err;
    (void)state;
    assert_int_equal(caption_image_check(served_photo.bytes, served_photo.size, NULL, &width, &height, &err),
                     CAPTION_OK);
    assert_true(width > 160 && height > 0);
    long long id = visual_submit(served, &served_photo,
                                 "/v1/dream?layer=deep&octaves=2&steps=2&tile=128&max_side=160&preview_every=1");
    reply job = training_wait(served, id, "succeeded");
    assert_true(follow(id, "activation") >= 1);
    int longest = width > height ? width : height;
    assert_true(abs((int)reply_number(&job, "result/width") - width * 160 / longest) <= 1);
    assert_true(abs((int)reply_number(&job, "result/height") - height * 160 / longest) <= 1);
    expect_size(&job, "result", (int)reply_number(&job, "result/width"), (int)reply_number(&job, "result/height"));
    reply_free(&job);
}

/* ---- what they have in common ------------------------------------------------------------------------------------ */

static void only_the_newest_previews_are_kept(void **state)
{
    (void)state;
    long long id = visual_submit(served, NULL, "/v1/visualize?class=1&steps=10&octaves=1&preview_every=1");
    reply job = training_wait(served, id, "succeeded");
    assert_int_equal(visual_count_files(id, "preview-"), 4);
    caption_picture last = fetch_visual_picture(served, reply_string(&job, "progress/preview"));
    assert_int_equal(last.width, CAPTION_IMAGE_SIDE);
    caption_picture_free(&last);
    reply old = dataset_ask(served, "GET", "/v1/jobs/%lld/pictures/preview-1.png", id);
    client_expect_problem(&old, 404, "unknown-picture");
    reply_free(&old);
    assert_int_equal(visual_count_files(id, "input"), 0);
    reply_free(&job);
}

static void previews_come_while_it_runs(void **state)
{
    (void)state;
    long long id = visual_submit(served, NULL, "/v1/visualize?class=1&steps=900&octaves=1&preview_every=1");
    visual_wait_step(served, id, 2);
    reply job = dataset_ask(served, "GET", "/v1/jobs/%lld", id);
    assert_string_equal(reply_string(&job, "state"), "running");
    assert_non_null(strstr(reply_string(&job, "progress/preview"), "/pictures/preview-"));
    reply_free(&job);
    reply cancelled = dataset_ask(served, "DELETE", "/v1/jobs/%lld", id);
    assert_int_equal(cancelled.status, 200);
    reply_free(&cancelled);
}

static void the_same_request_makes_the_same_picture(void **state)
{
    caption_picture pictures[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        long long id = visual_submit(served, NULL, "/v1/visualize?class=1&steps=3&octaves=1&seed=%d", i < 2 ? 5 : 6);
        reply job = training_wait(served, id, "succeeded");
        pictures[i] = result_picture(&job, "result");
        reply_free(&job);
    }
    assert_false(differ(&pictures[0], &pictures[1]));
    assert_true(differ(&pictures[0], &pictures[2]));
    for (int i = 0; i < 3; i++)
        caption_picture_free(&pictures[i]);
}

static void expect_unknown_picture(long long id, const char *name)
{
    reply r = dataset_ask(served, "GET", "/v1/jobs/%lld/pictures/%s", id, name);
    client_expect_problem(&r, 404, "unknown-picture");
    reply_free(&r);
}

static void only_pictures_are_given_away(void **state)
{
    (void)state;
    long long id = visual_submit(served, &served_photo, "/v1/invert?steps=900");
    visual_wait_step(served, id, 0);
    assert_int_equal(visual_count_files(id, "input"), 1);
    expect_unknown_picture(id, "input");
    expect_unknown_picture(id, "input.png");
    expect_unknown_picture(id, "lock");
    expect_unknown_picture(id, "result.png");
    expect_unknown_picture(id, ".png");
    expect_unknown_picture(id, "..%5cinput");
    reply r = dataset_ask(served, "GET", "/v1/jobs/%lld/pictures/..%%2f..%%2f..%%2fjobs.db", id);
    client_expect_problem(&r, 404, "not-found");
    reply_free(&r);
    r = dataset_ask(served, "GET", "/v1/jobs/424242/pictures/result.png");
    client_expect_problem(&r, 404, "unknown-job");
    reply_free(&r);
    r = dataset_ask(served, "DELETE", "/v1/jobs/%lld", id);
    assert_int_equal(r.status, 200);
    reply_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fooled_picture_is_taken_for_the_target),
        cmocka_unit_test(a_class_is_visualised_from_noise),
        cmocka_unit_test(a_word_is_visualised),
        cmocka_unit_test(a_word_of_the_default_captioner_keeps_its_name),
        cmocka_unit_test(a_layer_is_inverted),
        cmocka_unit_test(a_dream_has_the_photos_shape_within_the_limit),
        cmocka_unit_test(only_the_newest_previews_are_kept),
        cmocka_unit_test(previews_come_while_it_runs),
        cmocka_unit_test(the_same_request_makes_the_same_picture),
        cmocka_unit_test(only_pictures_are_given_away),
    };
    return cmocka_run_group_tests(tests, start, served_end);
}
