/* POST /v1/caption: one photo sent in every form gives the same caption; options work in every form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/photo.h"

static captiond *server;
static photo cat, dog;
static char caption[2048]; /* of `cat`, sent raw */

static int start(void **state)
{
    if (captiond_setup(state))
        return -1;
    cat = photo_make("png", 300, 200, 1);
    dog = photo_make("jpeg", 120, 400, 7);
    server = captiond_serve(NULL);
    reply r = client_ask(server, &(request){.path = "/v1/caption", .body = cat.bytes, .size = cat.size});
    client_expect_captions(&r, 1);
    snprintf(caption, sizeof caption, "%s", reply_string(&r, "captions/0/text"));
    reply_free(&r);
    return strlen(caption) > 0 ? 0 : -1;
}

static int end(void **state)
{
    captiond_stop(server);
    photo_free(&cat);
    photo_free(&dog);
    return captiond_teardown(state);
}

static void expect_caption_of_cat(const request *what)
{
    reply r = client_ask(server, what);
    client_expect_captions(&r, 1);
    assert_string_equal(reply_string(&r, "captions/0/text"), caption);
    assert_string_equal(reply_string(&r, "model"), "other");
    reply_free(&r);
}

static void a_raw_body_needs_no_particular_type(void **state)
{
    static const char *const types[] = {NULL,
                                        "image/png",
                                        "image/jpeg",
                                        "application/octet-stream",
                                        "image/png; charset=binary",
                                        "IMAGE/PNG",
                                        "application/x-www-form-urlencoded"};
    (void)state;
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        expect_caption_of_cat(&(request){.path = "/v1/caption", .type = types[i], .body = cat.bytes, .size = cat.size});
}

static void a_chunked_body_is_as_good(void **state)
{
    (void)state;
    expect_caption_of_cat(&(request){.path = "/v1/caption", .body = cat.bytes, .size = cat.size, .chunked = 1});
}

static void a_client_may_ask_before_it_sends(void **state)
{
    (void)state;
    expect_caption_of_cat(&(request){.path = "/v1/caption", .body = cat.bytes, .size = cat.size, .expect = 1});
}

static void a_form_with_one_image(void **state)
{
    (void)state;
    photo form = {0};
    photo_form_add(&form, "image", cat.bytes, cat.size);
    photo_form_end(&form);
    expect_caption_of_cat(
        &(request){.path = "/v1/caption", .type = PHOTO_FORM_TYPE, .body = form.bytes, .size = form.size});
    photo_free(&form);
}

static void a_form_with_several_images_keeps_their_order(void **state)
{
    (void)state;
    photo form = {0};
    reply alone = client_ask(server, &(request){.path = "/v1/caption", .body = dog.bytes, .size = dog.size});
    client_expect_captions(&alone, 1);
    for (int i = 0; i < 5; i++)
        photo_form_add(&form, "image", i == 3 ? cat.bytes : dog.bytes, i == 3 ? cat.size : dog.size);
    photo_form_end(&form);
    reply r = client_ask(
        server, &(request){.path = "/v1/caption", .type = PHOTO_FORM_TYPE, .body = form.bytes, .size = form.size});
    client_expect_captions(&r, 5);
    for (int i = 0; i < 5; i++) {
        char path[32];
        snprintf(path, sizeof path, "captions/%d/text", i);
        assert_string_equal(reply_string(&r, path), i == 3 ? caption : reply_string(&alone, "captions/0/text"));
    }
    reply_free(&r);
    reply_free(&alone);
    photo_free(&form);
}

static void send_json(const char *format, const char *base64)
{
    size_t room = strlen(format) + strlen(base64) + 1;
    char *json = malloc(room);
    assert_non_null(json);
    snprintf(json, room, format, base64);
    expect_caption_of_cat(
        &(request){.path = "/v1/caption", .type = "application/json", .body = json, .size = strlen(json)});
    free(json);
}

static void json_with_base64_or_a_data_uri(void **state)
{
    (void)state;
    char *base64 = photo_base64(&cat);
    send_json("{\"image\":\"%s\"}", base64);
    send_json(" {\"image\" : \"data:image/png;base64,%s\"}\n", base64);
    send_json("{\"images\":[\"%s\"]}", base64);
    send_json("{\"images\":[\"DATA:image/png;charset=x;BASE64,%s\"],\"max_words\":20}", base64);
    free(base64);
}

static void base64_as_clients_write_it(void **state)
{
    static const char *const forms[] = {
        "{\"image\":\" \\n data:image/png;base64,%s\"}",
        "{\"image\":\"data:application/octet-stream;base64,%s\"}",
        "{\"image\":\"data:;base64,%s\"}",
        "{\"image\":\"data:base64,%s\"}",
        "{\"image\":\"data:image/png; base64 , %s\"}",
        "{\"image\":\"data:binary/octet-stream;base64,%s\"}",
        "\xef\xbb\xbf{\"image\":\"%s\"}",
    };
    (void)state;
    char *base64 = photo_base64(&cat), *end = strchr(base64, '=');
    if (end)
        *end = '\0'; /* without the padding */
    for (char *c = base64; *c; c++)
        *c = *c == '+' ? '-' : *c == '/' ? '_' : *c; /* in the URL-safe alphabet */
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        send_json(forms[i], base64);
    free(base64);
}

static void json_is_believed_under_the_types_that_clients_send_unasked(void **state)
{
    static const char *const types[] = {
        NULL,        "application/x-www-form-urlencoded",      "text/plain;charset=UTF-8", "application/octet-stream",
        "text/json", "application/vnd.api+json; charset=utf-8"};
    (void)state;
    char json[32768], *base64 = photo_base64(&dog);
    size_t size = (size_t)snprintf(json, sizeof json, "\r\n {\"image\":\"%s\"}", base64);
    assert_true(size < sizeof json);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        reply r =
            client_ask(server, &(request){.path = "/v1/caption", .type = types[i], .body = json, .size = strlen(json)});
        client_expect_captions(&r, 1);
        reply_free(&r);
    }
    free(base64);
}

/* The photo in the words of a client: what stands before it and behind it. */
static void expect_form(const char *type, const char *before, const char *after)
{
    size_t size = strlen(before) + cat.size + strlen(after);
    char *body = malloc(size);
    assert_non_null(body);
    memcpy(body, before, strlen(before));
    memcpy(body + strlen(before), cat.bytes, cat.size);
    memcpy(body + strlen(before) + cat.size, after, strlen(after));
    expect_caption_of_cat(&(request){.path = "/v1/caption", .type = type, .body = body, .size = size});
    free(body);
}

static void forms_as_clients_write_them(void **state)
{
    (void)state;
    expect_form(
        "multipart/form-data; boundary=\"B-1\"",
        "--B-1\r\nContent-Type: image/png\r\nContent-Disposition: form-data; name=image; filename=a.png\r\n\r\n",
        "\r\n--B-1--\r\n");
    expect_form("multipart/form-data; Boundary=B-1; charset=UTF-8",
                "--B-1 \r\nContent-Disposition: form-data;\r\n name=\"image\"; filename=\"a.png\"\r\n\r\n",
                "\r\n--B-1--\r\nan epilogue\r\n");
    expect_form(
        "MULTIPART/FORM-DATA;boundary=B-1",
        "a preamble\r\n--B-1\r\ncontent-disposition:form-data;filename=\"a \\\"b\\\".png\";name=\"image\"\r\n\r\n",
        "\r\n--B-1--");
}

/* Each calls the photo something else, and is told what it is called. */
static void what_calls_the_photo_otherwise_is_told_its_name(void **state)
{
    static const char *const names[] = {"file", "photo", "data", "image[]", "my_upload"};
    static const char *const paths[] = {"/v1/caption", "/v1/score?caption=a+dog", "/v1/saliency", "/model/predict",
                                        "/v1/datasets/any/items"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t k = 0; k < sizeof paths / sizeof *paths; k++) {
            photo form = {0};
            char json[512], padding[300];
            photo_form_add(&form, names[i], cat.bytes, cat.size);
            photo_form_end(&form);
            reply r = client_ask(
                server, &(request){.path = paths[k], .type = PHOTO_FORM_TYPE, .body = form.bytes, .size = form.size});
            client_expect_refused(&r, 400, "unknown-option", "call it image");
            photo_free(&form);
            memset(padding, 'A', sizeof padding - 1);
            padding[sizeof padding - 1] = '\0';
            snprintf(json, sizeof json, "{\"%s\":\"%s\"}", names[i], padding);
            r = client_ask(
                server, &(request){.path = paths[k], .type = "application/json", .body = json, .size = strlen(json)});
            client_expect_refused(&r, 400, "unknown-option", "call it image");
        }
}

static void expect_one_word(const request *what)
{
    reply r = client_ask(server, what);
    client_expect_captions(&r, 1);
    assert_int_equal(reply_number(&r, "captions/0/words"), 1);
    assert_null(strchr(reply_string(&r, "captions/0/text"), ' '));
    assert_string_equal(reply_string(&r, "model"), "tiny");
    reply_free(&r);
}

static void options_are_parameters_fields_or_members(void **state)
{
    (void)state;
    photo form = {0};
    expect_one_word(&(request){.path = "/v1/caption?max_words=1&model=tiny", .body = cat.bytes, .size = cat.size});

    photo_form_add(&form, "max_words", "1", 1);
    photo_form_add(&form, "image", cat.bytes, cat.size);
    photo_form_add(&form, "model", "tiny", 4);
    photo_form_end(&form);
    expect_one_word(&(request){.path = "/v1/caption", .type = PHOTO_FORM_TYPE, .body = form.bytes, .size = form.size});
    photo_free(&form);

    char *base64 = photo_base64(&cat), *json = malloc(strlen(base64) + 64);
    assert_non_null(json);
    sprintf(json, "{\"model\":\"tiny\",\"image\":\"%s\",\"max_words\":1}", base64);
    expect_one_word(&(request){
        .path = "/v1/caption", .type = "application/json; charset=utf-8", .body = json, .size = strlen(json)});
    free(json);
    free(base64);
}

static void every_format_is_read(void **state)
{
    static const char *const formats[] = {"jpeg", "png", "bmp", "gif"};
    (void)state;
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        photo p = photo_make(formats[i], 97, 61, 3);
        reply r = client_ask(server, &(request){.path = "/v1/caption", .body = p.bytes, .size = p.size});
        client_expect_captions(&r, 1);
        reply_free(&r);
        photo_free(&p);
    }
}

static void a_request_id_of_the_client_comes_back(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        const char *kept; /* NULL: replaced */
    } cases[] = {{"X-Request-Id: abc-DEF_1.2", "abc-DEF_1.2"},
                 {"X-Request-Id: with space", NULL},
                 {"X-Request-Id: quote\"", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reply r =
            client_ask(server, &(request){.path = "/healthz", .headers = (const char *const[]){cases[i].header, NULL}});
        const char *id = reply_header(&r, "X-Request-Id");
        if (cases[i].kept)
            assert_string_equal(id, cases[i].kept);
        else
            assert_string_not_equal(id, strchr(cases[i].header, ' ') + 1);
        reply_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_raw_body_needs_no_particular_type),
        cmocka_unit_test(a_chunked_body_is_as_good),
        cmocka_unit_test(a_client_may_ask_before_it_sends),
        cmocka_unit_test(a_form_with_one_image),
        cmocka_unit_test(a_form_with_several_images_keeps_their_order),
        cmocka_unit_test(json_with_base64_or_a_data_uri),
        cmocka_unit_test(base64_as_clients_write_it),
        cmocka_unit_test(json_is_believed_under_the_types_that_clients_send_unasked),
        cmocka_unit_test(forms_as_clients_write_them),
        cmocka_unit_test(what_calls_the_photo_otherwise_is_told_its_name),
        cmocka_unit_test(options_are_parameters_fields_or_members),
        cmocka_unit_test(every_format_is_read),
        cmocka_unit_test(a_request_id_of_the_client_comes_back),
    };
    return cmocka_run_group_tests_name("caption_forms", tests, start, end);
}
