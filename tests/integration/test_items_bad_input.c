/* What cannot become an item: the right status for each, and nothing stored. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/scratch.h"

static captiond *server;
static photo image;

static int start(void **state)
{
    if (captiond_setup(state))
        return -1;
    server = captiond_serve((const char *[]){"--max-pixels", "100000", "--max-body-mb", "1", NULL});
    dataset_make(server, "pets");
    image = photo_make("png", 40, 30, 1);
    return 0;
}

/* After all that was refused, the dataset and its directory are empty. */
static int end(void **state)
{
    reply r = dataset_ask(server, "GET", "/v1/datasets/pets");
    assert_int_equal(reply_number(&r, "items"), 0);
    assert_int_equal(reply_number(&r, "captions"), 0);
    reply_free(&r);
    assert_int_equal(dataset_count_files(scratch_path("data")), 0);
    photo_free(&image);
    captiond_stop(server);
    return captiond_teardown(state);
}

static void expect(const char *type, const void *body, size_t size, long status, const char *name)
{
    reply r = client_ask(
        server,
        &(request){.path = "/v1/datasets/pets/items", .method = "POST", .type = type, .body = body, .size = size});
    client_expect_problem(&r, status, name);
    reply_free(&r);
}

static void expect_json(const char *body, long status, const char *name)
{
    expect("application/json", body, strlen(body), status, name);
}

static void expect_caption(const char *caption, size_t size, long status, const char *name)
{
    photo form = {0};
    photo_form_add(&form, "image", image.bytes, image.size);
    photo_form_add(&form, "caption", "a good one", 10);
    photo_form_add(&form, "caption", caption, size);
    photo_form_end(&form);
    expect(PHOTO_FORM_TYPE, form.bytes, form.size, status, name);
    photo_free(&form);
}

static void expect_image(const unsigned char *bytes, size_t size, long status, const char *name)
{
    photo form = {0};
    photo_form_add(&form, "caption", "a caption", 9);
    photo_form_add(&form, "image", bytes, size);
    photo_form_end(&form);
    expect(PHOTO_FORM_TYPE, form.bytes, form.size, status, name);
    photo_free(&form);
}

static void bodies_of_no_use_are_refused(void **state)
{
    (void)state;
    expect(PHOTO_FORM_TYPE, "", 0, 400, "empty-body");
    expect(NULL, "x", 1, 415, "unsupported-media-type");
    expect("image/png", image.bytes, image.size, 415, "unsupported-media-type");
    expect("text/plain", "a dog", 5, 415, "unsupported-media-type");
    expect("multipart/form-data", "x", 1, 400, "bad-multipart");
    photo form = dataset_form(&image, (const char *const[]){"a dog", NULL});
    expect(PHOTO_FORM_TYPE, form.bytes, form.size - 10, 400, "bad-multipart");
    expect(PHOTO_FORM_TYPE, form.bytes, form.size / 2, 400, "bad-multipart");
    photo_free(&form);
}

static void bad_json_is_400(void **state)
{
    (void)state;
    expect_json("{", 400, "bad-json");
    expect_json("[]", 400, "bad-json");
    expect_json("{\"image\":1}", 400, "bad-json");
    expect_json("{\"captions\":\"a dog\"}", 400, "bad-json");
    expect_json("{\"captions\":[1]}", 400, "bad-json");
    expect_json("{\"captions\":[\"a\\u0000b\"]}", 400, "bad-json");
    expect_json("{\"image\":\"%%%\",\"captions\":[\"a dog\"]}", 400, "bad-base64");
    expect_json("{\"image\":\"\",\"captions\":[\"a dog\"]}", 422, "damaged-image");
    expect_json("{\"photo\":\"\"}", 400, "unknown-option");
}

static void members_given_twice_are_400_by_name(void **state)
{
    static const struct {
        const char *json, *named;
    } cases[] = {
        {"{\"image\":\"QUJD\",\"image\":\"QUJD\"}", "image: given twice"},
        {"{\"captions\":[\"a dog\"],\"captions\":[\"a cat\"]}", "captions: given twice"},
        {"{\"captions\":[],\"image\":\"QUJD\",\"captions\":[]}", "captions: given twice"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reply r = client_ask(server, &(request){.path = "/v1/datasets/pets/items",
                                                .type = "application/json",
                                                .body = cases[i].json,
                                                .size = strlen(cases[i].json)});
        client_expect_refused(&r, 400, "bad-option", cases[i].named);
    }
}

static void an_item_needs_an_image_and_a_caption(void **state)
{
    (void)state;
    photo form = dataset_form(&image, (const char *const[]){NULL});
    expect(PHOTO_FORM_TYPE, form.bytes, form.size, 400, "missing-caption");
    photo_free(&form);
    photo_form_add(&form, "caption", "a dog", 5);
    photo_form_end(&form);
    expect(PHOTO_FORM_TYPE, form.bytes, form.size, 400, "missing-image");
    photo_free(&form);
    expect_json("{\"captions\":[\"a dog\"]}", 400, "missing-image");
    expect_json("{\"image\":\"QUJD\"}", 400, "missing-caption");
    expect_json("{\"image\":\"QUJD\",\"captions\":[]}", 400, "missing-caption");
}

static void two_images_or_an_unknown_part_are_refused(void **state)
{
    (void)state;
    photo form = {0};
    photo_form_add(&form, "image", image.bytes, image.size);
    photo_form_add(&form, "image", image.bytes, image.size);
    photo_form_add(&form, "caption", "a dog", 5);
    photo_form_end(&form);
    expect(PHOTO_FORM_TYPE, form.bytes, form.size, 413, "too-many-images");
    photo_free(&form);
    photo_form_add(&form, "image", image.bytes, image.size);
    photo_form_add(&form, "title", "a dog", 5);
    photo_form_end(&form);
    expect(PHOTO_FORM_TYPE, form.bytes, form.size, 400, "unknown-option");
    photo_free(&form);
}

static void captions_that_cannot_be_taught_are_422(void **state)
{
    char longest[4096];
    (void)state;
    expect_caption("", 0, 422, "bad-caption");
    expect_caption(" \t\n", 3, 422, "bad-caption");
    expect_caption("?!", 2, 422, "bad-caption");
    expect_caption("a\tb", 3, 422, "bad-caption");
    expect_caption("a\nb", 3, 422, "bad-caption");
    expect_caption("a\0b", 3, 422, "bad-caption");
    expect_caption("a \x1b[31m", 7, 422, "bad-caption");
    expect_caption("caf\xE9", 4, 422, "bad-caption");
    expect_caption("\xED\xA0\x80", 3, 422, "bad-caption");
    for (int i = 0; i < 65; i++)
        memcpy(longest + 2 * i, "a ", 2);
    expect_caption(longest, 130, 422, "bad-caption");
    memset(longest, 'a', sizeof longest);
    expect_caption(longest, sizeof longest, 422, "bad-caption");
}

static void too_many_captions_are_409(void **state)
{
    photo form = {0};
    (void)state;
    photo_form_add(&form, "image", image.bytes, image.size);
    for (int i = 0; i < 21; i++)
        photo_form_add(&form, "caption", "a dog", 5);
    photo_form_end(&form);
    expect(PHOTO_FORM_TYPE, form.bytes, form.size, 409, "limit-reached");
    photo_free(&form);
}

static void damaged_images_are_422(void **state)
{
    static const char *const formats[] = {"jpeg", "png", "bmp", "gif"};
    (void)state;
    expect_image((const unsigned char *)"", 0, 422, "damaged-image");
    for (int i = 0; i < 4; i++) {
        photo whole = photo_make(formats[i], 60, 50, 2);
        expect_image(whole.bytes, 12, 422, "damaged-image");                 /* seen from the header */
        expect_image(whole.bytes, whole.size * 2 / 3, 422, "damaged-image"); /* seen when decoded */
        photo_free(&whole);
    }
}

static void what_is_no_image_is_415(void **state)
{
    (void)state;
    expect_image((const unsigned char *)"<svg xmlns='http://www.w3.org/2000/svg'/>", 41, 415, "unsupported-image");
}

static void images_over_the_limits_are_413(void **state)
{
    (void)state;
    photo large = photo_make("gif", 400, 251, 3);
    expect_image(large.bytes, large.size, 413, "image-too-large");
    photo_free(&large);
    unsigned char *body = calloc(1, 3 << 20);
    assert_non_null(body);
    expect(PHOTO_FORM_TYPE, body, 3 << 20, 413, "body-too-large");
    free(body);
}

static void a_dataset_that_is_not_there_is_404(void **state)
{
    (void)state;
    reply r = dataset_add(server, "nobody", &image, (const char *const[]){"a dog", NULL});
    client_expect_problem(&r, 404, "unknown-dataset");
    reply_free(&r);
}

static void what_is_no_id_is_404(void **state)
{
    static const char *const ids[] = {"0", "-1", "1x", "x", "99999999999999999999", "1%20", "%31%00"};
    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        reply r = dataset_ask(server, "GET", "/v1/datasets/pets/items/%s", ids[i]);
        client_expect_problem(&r, 404, "unknown-item");
        reply_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_of_no_use_are_refused),
        cmocka_unit_test(bad_json_is_400),
        cmocka_unit_test(members_given_twice_are_400_by_name),
        cmocka_unit_test(an_item_needs_an_image_and_a_caption),
        cmocka_unit_test(two_images_or_an_unknown_part_are_refused),
        cmocka_unit_test(captions_that_cannot_be_taught_are_422),
        cmocka_unit_test(too_many_captions_are_409),
        cmocka_unit_test(damaged_images_are_422),
        cmocka_unit_test(what_is_no_image_is_415),
        cmocka_unit_test(images_over_the_limits_are_413),
        cmocka_unit_test(a_dataset_that_is_not_there_is_404),
        cmocka_unit_test(what_is_no_id_is_404),
    };
    return cmocka_run_group_tests_name("items_bad_input", tests, start, end);
}
