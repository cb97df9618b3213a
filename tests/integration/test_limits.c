/* Bodies over the limits are refused as early as can be, the client gets the answer, memory is bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/photo.h"

enum { MEGABYTE = 1 << 20 };

static captiond *server;
static char *large; /* 8 MB */

static int start(void **state)
{
    if (captiond_setup(state))
        return -1;
    large = calloc(8, MEGABYTE);
    server = captiond_serve((const char *[]){"--max-body-mb", "1", "--max-buffered-mb", "2", NULL});
    return large ? 0 : -1;
}

static int end(void **state)
{
    captiond_stop(server);
    free(large);
    return captiond_teardown(state);
}

static void refuse(request what)
{
    what.path = "/v1/caption";
    what.body = large;
    reply r = client_ask(server, &what);
    client_expect_problem(&r, 413, "body-too-large");
    assert_true(strlen(reply_string(&r, "request_id")) > 0);
    assert_string_equal(reply_header(&r, "Connection"), "close");
    reply_free(&r);
}

static void an_announced_body_is_refused_before_it_is_sent(void **state)
{
    (void)state;
    refuse((request){.size = MEGABYTE + 1, .expect = 1});
    captiond_wait_log(server, "status=413 received=0", 1);
}

static void a_client_that_does_not_ask_gets_its_answer_too(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        refuse((request){.size = 8 * MEGABYTE});
    captiond_wait_log(server, "status=413 received=0", 21);
}

static void a_chunked_body_is_refused_as_it_streams(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        refuse((request){.size = 8 * MEGABYTE, .chunked = 1});
}

static void a_body_of_just_the_limit_is_read(void **state)
{
    (void)state;
    reply r = client_ask(server, &(request){.path = "/v1/caption", .body = large, .size = MEGABYTE});
    client_expect_problem(&r, 415, "unsupported-image");
    reply_free(&r);
    r = client_ask(server, &(request){.path = "/v1/caption", .body = large, .size = MEGABYTE, .chunked = 1});
    client_expect_problem(&r, 415, "unsupported-image");
    reply_free(&r);
}

static void the_first_fault_found_is_the_one_told(void **state)
{
    (void)state;
    reply r = client_ask(server, &(request){.path = "/nowhere", .body = large, .size = 8 * MEGABYTE});
    client_expect_problem(&r, 404, "not-found");
    reply_free(&r);
    r = client_ask(server, &(request){.path = "/nowhere", .body = large, .size = 8 * MEGABYTE, .chunked = 1});
    client_expect_problem(&r, 404, "not-found");
    reply_free(&r);
}

/* Four bodies of 1 MB held by a batch that waits do not fit into 2 MB. */
static void all_bodies_together_are_bounded(void **state)
{
    (void)state;
    captiond *c =
        captiond_serve((const char *[]){"--max-body-mb", "1", "--max-buffered-mb", "2", "--workers", "1", "--batch",
                                        "8", "--batch-wait-ms", "3600000", "--deadline-ms", "3600000", NULL});
    photo picture = photo_make("bmp", 500, 600, 1); /* 900 kB */
    request what = {.path = "/v1/caption", .body = picture.bytes, .size = picture.size};
    asking *held[2];
    for (int i = 0; i < 2; i++) {
        held[i] = client_begin(c, &what);
        captiond_wait_log(c, "event=queued", i + 1);
    }
    reply r = client_ask(c, &what);
    client_expect_problem(&r, 503, "memory-full");
    reply_free(&r);
    captiond_signal(c, 15);
    for (int i = 0; i < 2; i++) {
        r = client_end(held[i]);
        client_expect_captions(&r, 1);
        reply_free(&r);
    }
    assert_int_equal(captiond_wait(c), 0);
    photo_free(&picture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_announced_body_is_refused_before_it_is_sent),
        cmocka_unit_test(a_client_that_does_not_ask_gets_its_answer_too),
        cmocka_unit_test(a_chunked_body_is_refused_as_it_streams),
        cmocka_unit_test(a_body_of_just_the_limit_is_read),
        cmocka_unit_test(the_first_fault_found_is_the_one_told),
        cmocka_unit_test(all_bodies_together_are_bounded),
    };
    return cmocka_run_group_tests_name("limits", tests, start, end);
}
