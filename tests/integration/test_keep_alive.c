/* A connection outlives errors wherever HTTP allows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/photo.h"
#include "tests/support/served.h"

static int start(void **state)
{
    return served_start(state, photo_make("png", 50, 40, 1), NULL);
}

/* Asks on the connection, which must not be a new one. */
static reply ask_again(CURL *curl, const request *what)
{
    long opened;
    reply r = client_ask_with(curl, served, what);
    curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &opened);
    assert_int_equal(opened, 0);
    return r;
}

static void one_connection_carries_captions_and_errors(void **state)
{
    (void)state;
    const request caption = {.path = "/v1/caption", .body = served_photo.bytes, .size = served_photo.size};
    const struct {
        request what;
        long status;
        const char *name;
    } faults[] = {
        {{.path = "/nowhere"}, 404, "not-found"},
        {{.path = "/nowhere", .body = served_photo.bytes, .size = served_photo.size}, 404, "not-found"},
        {{.path = "/nowhere", .body = served_photo.bytes, .size = served_photo.size, .chunked = 1}, 404, "not-found"},
        {{.path = "/v1/caption"}, 405, "method-not-allowed"},
        {{.path = "/healthz", .body = served_photo.bytes, .size = served_photo.size}, 405, "method-not-allowed"},
        {{.path = "/v1/caption", .body = "", .size = 0}, 400, "empty-body"},
        {{.path = "/v1/caption", .body = "hello", .size = 5}, 415, "unsupported-image"},
        {{.path = "/v1/caption", .type = "text/plain", .body = "hello", .size = 5}, 415, "unsupported-media-type"},
        {{.path = "/v1/caption", .body = served_photo.bytes, .size = served_photo.size / 2}, 422, "damaged-image"},
        {{.path = "/v1/caption?x=1", .body = served_photo.bytes, .size = served_photo.size}, 400, "unknown-option"},
        {{.path = "/v1/caption?model=x", .body = served_photo.bytes, .size = served_photo.size}, 404, "unknown-model"},
    };
    CURL *curl = curl_easy_init();
    reply r = client_ask_with(curl, served, &caption);
    client_expect_captions(&r, 1);
    reply_free(&r);
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        r = ask_again(curl, &faults[i].what);
        client_expect_problem(&r, faults[i].status, faults[i].name);
        reply_free(&r);
        r = ask_again(curl, &caption);
        client_expect_captions(&r, 1);
        reply_free(&r);
    }
    curl_easy_cleanup(curl);
}

static void a_refusal_before_the_body_was_sent_closes(void **state)
{
    (void)state;
    reply r = client_ask(
        served, &(request){.path = "/nowhere", .body = served_photo.bytes, .size = served_photo.size, .expect = 1});
    client_expect_problem(&r, 404, "not-found");
    assert_string_equal(reply_header(&r, "Connection"), "close");
    assert_null(strstr(r.headers, "100 Continue"));
    reply_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_connection_carries_captions_and_errors),
        cmocka_unit_test(a_refusal_before_the_body_was_sent_closes),
    };
    return cmocka_run_group_tests_name("keep_alive", tests, start, served_end);
}
