/* Every bad request gets its own status, in the one shape of all problems, and costs no worker anything. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/photo.h"
#include "tests/support/served.h"

static int start(void **state)
{
    return served_start(state, photo_make("png", 40, 30, 1), (const char *[]){"--max-parts", "3", NULL});
}

static void expect(const request *what, long status, const char *name)
{
    reply r = client_ask(served, what);
    client_expect_problem(&r, status, name);
    assert_string_equal(reply_string(&r, "instance"), "/v1/caption");
    reply_free(&r);
}

static void send_raw(const void *bytes, size_t size, long status, const char *name)
{
    expect(&(request){.path = "/v1/caption", .body = bytes, .size = size}, status, name);
}

static void send_json(const char *json, long status, const char *name)
{
    expect(&(request){.path = "/v1/caption", .type = "application/json", .body = json, .size = strlen(json)}, status,
           name);
}

static void send_form(const char *body, long status, const char *name)
{
    expect(&(request){.path = "/v1/caption", .type = PHOTO_FORM_TYPE, .body = body, .size = strlen(body)}, status,
           name);
}

static void an_empty_body(void **state)
{
    (void)state;
    send_raw("", 0, 400, "empty-body");
    expect(&(request){.path = "/v1/caption", .type = PHOTO_FORM_TYPE, .body = "", .size = 0}, 400, "empty-body");
}

static void types_that_are_not_taken(void **state)
{
    static const char *const types[] = {"text/plain", "application/x-www-form-urlencoded", "video/mp4",
                                        "application/jsonx", "nonsense"};
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        expect(&(request){.path = "/v1/caption", .type = types[i], .body = "hello there", .size = 11}, 415,
               "unsupported-media-type");
    expect(&(request){.path = "/v1/caption",
                      .body = served_photo.bytes,
                      .size = served_photo.size,
                      .headers = (const char *const[]){"Content-Encoding: gzip", NULL}},
           415, "unsupported-media-type");
}

static void bytes_that_are_no_image(void **state)
{
    static const unsigned char tga[18] = {0, 0, 2, [12] = 0xff, 0xff, 0xff, 0xff, 24};
    static const char jxl[] = "\0\0\0\x0cJXL \r\n\x87\n";
    (void)state;
    send_raw("hello there", 11, 415, "unsupported-image");
    send_raw("\0", 1, 415, "unsupported-image");
    send_raw(tga, sizeof tga, 415, "unsupported-image");
    send_raw(jxl, sizeof jxl, 415, "unsupported-image");
}

static void truncated_images_of_each_format(void **state)
{
    static const char *const formats[] = {"jpeg", "png", "bmp", "gif"};
    (void)state;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        photo p = photo_make(formats[i], 200, 150, 5);
        send_raw(p.bytes, p.size / 2, 422, "damaged-image");
        send_raw(p.bytes, 12, 422, "damaged-image");
        photo_free(&p);
    }
}

static void corrupt_images_of_each_format(void **state)
{
    static const char *const formats[] = {"png", "gif"};
    (void)state;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        photo p = photo_make(formats[i], 200, 150, 5);
        memset(p.bytes + p.size / 3, 0xff, p.size / 3);
        send_raw(p.bytes, p.size, 422, "damaged-image");
        photo_free(&p);
    }
}

static void headers_that_claim_too_many_pixels(void **state)
{
    (void)state;
    photo bmp = photo_make("bmp", 8, 8, 1), gif = photo_make("gif", 8, 8, 1), png = photo_make("png", 8, 8, 1),
          jpeg = photo_make("jpeg", 8, 8, 1);
    memcpy(bmp.bytes + 18, "\0\0\1\0\0\0\1\0", 8); /* 65536 x 65536 */
    memcpy(gif.bytes + 6, "\xff\xff\xff\xff", 4);
    memcpy(png.bytes + 16, "\0\1\0\0\0\1\0\0", 8);
    uint32_t sum = htonl((uint32_t)crc32(0, png.bytes + 12, 17)); /* of the IHDR chunk */
    memcpy(png.bytes + 29, &sum, 4);
    unsigned char *frame = memmem(jpeg.bytes, jpeg.size, "\xff\xc0", 2);
    assert_non_null(frame);
    memcpy(frame + 5, "\xff\xff\xff\xff", 4);
    send_raw(bmp.bytes, bmp.size, 413, "image-too-large");
    send_raw(gif.bytes, gif.size, 413, "image-too-large");
    send_raw(png.bytes, png.size, 413, "image-too-large");
    send_raw(jpeg.bytes, jpeg.size, 413, "image-too-large");
    photo_free(&bmp);
    photo_free(&gif);
    photo_free(&png);
    photo_free(&jpeg);
}

static void json_that_cannot_be_used(void **state)
{
    static const struct {
        const char *json;
        const char *name;
    } cases[] = {
        {"{\"image\":", "bad-json"},
        {"hello", "bad-json"},
        {"[\"aGVsbG8=\"]", "bad-json"},
        {"\"aGVsbG8=\"", "bad-json"},
        {"{\"image\":\"aGVsbG8=\"} {}", "bad-json"},
        {"{\"image\":7}", "bad-json"},
        {"{\"image\":null}", "bad-json"},
        {"{\"image\":[\"aGVsbG8=\"]}", "bad-json"},
        {"{\"images\":\"aGVsbG8=\"}", "bad-json"},
        {"{\"images\":[7]}", "bad-json"},
        {"{\"images\":[[[[[\"x\"]]]]]}", "bad-json"},
        {"{\"image\":\"abc\\u0000def\"}", "bad-json"},
        {"{\"image\":\"never ends", "bad-json"},
        {"{\"image\":\"aGVsbG8=\",\"images\":[]}", "bad-json"},
        {"{\"image\":\"@@@@\"}", "bad-base64"},
        {"{\"image\":\"aGVsb\"}", "bad-base64"},
        {"{\"image\":\"aGVsbG8==\"}", "bad-base64"},
        {"{\"image\":\"aGVs=bG8\"}", "bad-base64"},
        {"{\"image\":\"data:image/png,hello\"}", "bad-base64"},
        {"{\"image\":\"data:;base64\"}", "bad-base64"},
        {"{\"image\":\"https://example.org/cat.jpg\"}", "remote-image"},
        {"{}", "missing-image"},
        {"{\"images\":[]}", "missing-image"},
        {"{\"max_words\":5}", "missing-image"},
        {"{\"max_words\":\"5\"}", "bad-option"},
        {"{\"max_words\":5.5}", "bad-option"},
        {"{\"max_words\":0}", "bad-option"},
        {"{\"max_words\":65}", "bad-option"},
        {"{\"max_words\":-1e300}", "bad-option"},
        {"{\"model\":7}", "bad-option"},
        {"{\"model\":\"\"}", "bad-option"},
        {"{\"Max_words\":5}", "unknown-option"},
        {"{\"\":5}", "unknown-option"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        send_json(cases[i].json, 400, cases[i].name);
    send_json("{\"image\":\"data:text/html;base64,aGVsbG8=\"}", 415, "unsupported-media-type");
    send_json("{\"image\":\"data:video/mp4;base64,aGVsbG8=\"}", 415, "unsupported-media-type");
    send_json("{\"image\":\"aGVsbG8=\"}", 415, "unsupported-image");
    send_json("{\"image\":\"aGVsbG8\"}", 415, "unsupported-image"); /* base64, if without its padding */
}

static void members_given_twice_are_refused_by_name(void **state)
{
    static const struct {
        const char *path, *json, *named;
    } cases[] = {
        {"/v1/caption", "{\"max_words\":5,\"max_words\":6}", "max_words: given twice"},
        {"/v1/caption", "{\"image\":\"aGVsbG8=\",\"image\":\"aGVsbG8=\"}", "image: given twice"},
        {"/v1/caption", "{\"images\":[],\"images\":[]}", "images: given twice"},
        {"/v1/score", "{\"caption\":\"a dog\",\"caption\":\"a cat\"}", "caption: given twice"},
        {"/v1/score", "{\"captions\":[\"a dog\"],\"captions\":[\"a cat\"]}", "captions: given twice"},
        {"/v1/saliency", "{\"image\":\"aGVsbG8=\",\"image\":\"aGVsbG8=\"}", "image: given twice"},
        {"/v1/visualize", "{\"class\":1,\"class\":2}", "class: given twice"},
        {"/models/tiny", "{\"inputs\":\"AAAA\",\"parameters\":{\"max_new_tokens\":5,\"max_new_tokens\":6}}",
         "max_new_tokens: given twice"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reply r = client_ask(served, &(request){.path = cases[i].path,
                                                .type = "application/json",
                                                .body = cases[i].json,
                                                .size = strlen(cases[i].json)});
        client_expect_refused(&r, 400, "bad-option", cases[i].named);
    }
}

static void json_that_would_cost_memory(void **state)
{
    (void)state;
    size_t size = 1 << 20;
    char *deep = malloc(size), *wide = malloc(size);
    assert_non_null(deep);
    assert_non_null(wide);
    memset(deep, '[', size);
    for (size_t i = 0; i < size; i++)
        wide[i] = i % 2 ? ',' : '1';
    memcpy(wide, "{\"images\":[", 11);
    expect(&(request){.path = "/v1/caption", .type = "application/json", .body = deep, .size = size}, 400, "bad-json");
    expect(&(request){.path = "/v1/caption", .type = "application/json", .body = wide, .size = size}, 400, "bad-json");
    free(deep);
    free(wide);
}

static void forms_that_cannot_be_used(void **state)
{
    (void)state;
    send_form("no boundary at all", 400, "bad-multipart");
    send_form("--" PHOTO_BOUNDARY "\r\nContent-Disposition: form-data; name=\"image\"\r\n\r\nends here", 400,
              "bad-multipart");
    send_form("--" PHOTO_BOUNDARY "--\r\n", 400, "missing-image");
    expect(&(request){.path = "/v1/caption", .type = "multipart/form-data", .body = "x", .size = 1}, 400,
           "bad-multipart");

    photo form = {0};
    photo_form_add(&form, "max_words", "5", 1);
    photo_form_end(&form);
    expect(&(request){.path = "/v1/caption", .type = PHOTO_FORM_TYPE, .body = form.bytes, .size = form.size}, 400,
           "missing-image");
    photo_free(&form);
}

static void a_form_with_an_empty_image(void **state)
{
    (void)state;
    photo form = {0};
    photo_form_add(&form, "image", served_photo.bytes, served_photo.size);
    photo_form_add(&form, "image", "", 0);
    photo_form_end(&form);
    expect(&(request){.path = "/v1/caption", .type = PHOTO_FORM_TYPE, .body = form.bytes, .size = form.size}, 422,
           "damaged-image");
    photo_free(&form);
}

static void json_with_a_zero_byte(void **state)
{
    static const char body[] = "{\"image\":\"aGVsbG8=\0\"}";
    (void)state;
    expect(&(request){.path = "/v1/caption", .type = "application/json", .body = body, .size = sizeof body - 1}, 400,
           "bad-json");
}

static void parameters_that_are_no_object(void **state)
{
    static const char body[] = "{\"inputs\":\"AAAA\",\"parameters\":[1]}";
    static const char *const paths[] = {"/models/tiny", "/v2/models/tiny/infer"};
    (void)state;
    for (int i = 0; i < 2; i++) {
        reply r = client_ask(
            served, &(request){.path = paths[i], .type = "application/json", .body = body, .size = sizeof body - 1});
        client_expect_problem(&r, 400, "bad-option");
        reply_free(&r);
    }
}

static void one_bad_image_refuses_its_form_and_is_named(void **state)
{
    (void)state;
    photo form = {0};
    photo_form_add(&form, "image", served_photo.bytes, served_photo.size);
    photo_form_add(&form, "image", served_photo.bytes, served_photo.size / 2);
    photo_form_end(&form);
    reply r = client_ask(
        served, &(request){.path = "/v1/caption", .type = PHOTO_FORM_TYPE, .body = form.bytes, .size = form.size});
    client_expect_problem(&r, 422, "damaged-image");
    assert_non_null(strstr(reply_string(&r, "detail"), "image 2 of 2"));
    reply_free(&r);
    photo_free(&form);
}

static void more_images_than_allowed(void **state)
{
    (void)state;
    photo form = {0};
    for (int i = 0; i < 4; i++)
        photo_form_add(&form, "image", served_photo.bytes, served_photo.size);
    photo_form_end(&form);
    expect(&(request){.path = "/v1/caption", .type = PHOTO_FORM_TYPE, .body = form.bytes, .size = form.size}, 413,
           "too-many-images");
    send_json("{\"images\":[\"\",\"\",\"\",\"\"]}", 413, "too-many-images");
    photo_free(&form);
}

static void options_are_refused_by_name_in_every_form(void **state)
{
    static const struct {
        const char *path;
        long status;
        const char *name, *said;
    } cases[] = {
        {"/v1/caption?words=5", 400, "unknown-option", "\"words\""},
        {"/v1/caption?max_words=many", 400, "bad-option", "max_words"},
        {"/v1/caption?max_words=", 400, "bad-option", "max_words"},
        {"/v1/caption?max_words", 400, "bad-option", "max_words"},
        {"/v1/caption?max_words=0", 400, "bad-option", "max_words"},
        {"/v1/caption?max_words=65", 400, "bad-option", "max_words"},
        {"/v1/caption?max_words=99999999999999999999", 400, "bad-option", "max_words"},
        {"/v1/caption?max_words=5&max_words=5", 400, "bad-option", "twice"},
        {"/v1/caption?model=nobody", 404, "unknown-model", "\"nobody\""},
        {"/v1/caption?model=..%2F..%2Fetc%2Fpasswd", 404, "unknown-model", "passwd"},
        {"/v1/caption?mod%ff%0Ael=1", 400, "unknown-option", "mod??el"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reply r = client_ask(served,
                             &(request){.path = cases[i].path, .body = served_photo.bytes, .size = served_photo.size});
        client_expect_problem(&r, cases[i].status, cases[i].name);
        assert_non_null(strstr(reply_string(&r, "detail"), cases[i].said));
        reply_free(&r);
    }
    photo form = {0};
    photo_form_add(&form, "colour", "red", 3);
    photo_form_end(&form);
    expect(&(request){.path = "/v1/caption", .type = PHOTO_FORM_TYPE, .body = form.bytes, .size = form.size}, 400,
           "unknown-option");
    photo_free(&form);
}

static void an_option_of_the_query_and_of_the_body_is_given_twice(void **state)
{
    (void)state;
    static const char json[] = "{\"max_words\":5}";
    expect(
        &(request){
            .path = "/v1/caption?max_words=5", .type = "application/json", .body = json, .size = sizeof json - 1},
        400, "bad-option");
}

/* Must run last: the daemon is as good as new. */
static void after_all_that_a_good_photo_is_captioned(void **state)
{
    (void)state;
    reply r =
        client_ask(served, &(request){.path = "/v1/caption", .body = served_photo.bytes, .size = served_photo.size});
    client_expect_captions(&r, 1);
    reply_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_body),
        cmocka_unit_test(types_that_are_not_taken),
        cmocka_unit_test(bytes_that_are_no_image),
        cmocka_unit_test(truncated_images_of_each_format),
        cmocka_unit_test(corrupt_images_of_each_format),
        cmocka_unit_test(headers_that_claim_too_many_pixels),
        cmocka_unit_test(json_that_cannot_be_used),
        cmocka_unit_test(members_given_twice_are_refused_by_name),
        cmocka_unit_test(json_that_would_cost_memory),
        cmocka_unit_test(forms_that_cannot_be_used),
        cmocka_unit_test(a_form_with_an_empty_image),
        cmocka_unit_test(json_with_a_zero_byte),
        cmocka_unit_test(parameters_that_are_no_object),
        cmocka_unit_test(one_bad_image_refuses_its_form_and_is_named),
        cmocka_unit_test(more_images_than_allowed),
        cmocka_unit_test(options_are_refused_by_name_in_every_form),
        cmocka_unit_test(an_option_of_the_query_and_of_the_body_is_given_twice),
        cmocka_unit_test(after_all_that_a_good_photo_is_captioned),
    };
    return cmocka_run_group_tests_name("bad_input", tests, start, served_end);
}
