/* The queue: batches, its bound, deadlines, clients that leave.
 *
 * A worker that waits for a batch to fill (--batch-wait-ms) holds requests for as long as a test needs, so that nothing
 * here depends on how fast a caption is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/photo.h"

#define NEVER "3600000"

static photo picture;

static int start(void **state)
{
    picture = photo_make("png", 50, 40, 1);
    return captiond_setup(state);
}

static int end(void **state)
{
    photo_free(&picture);
    return captiond_teardown(state);
}

static request one_image(void)
{
    return (request){.path = "/v1/caption", .body = picture.bytes, .size = picture.size};
}

static photo form_of(int images)
{
    photo form = {0};
    for (int i = 0; i < images; i++)
        photo_form_add(&form, "image", picture.bytes, picture.size);
    photo_form_end(&form);
    return form;
}

static request as_request(const photo *form)
{
    return (request){.path = "/v1/caption", .type = PHOTO_FORM_TYPE, .body = form->bytes, .size = form->size};
}

/* Waits until the log tells that `n` requests wait. */
static void wait_queued(captiond *c, int n)
{
    captiond_wait_log(c, "event=queued", n);
}

static void expect_captions(asking *a, int n)
{
    reply r = client_end(a);
    client_expect_captions(&r, n);
    reply_free(&r);
}

static void waiting_requests_are_taken_as_one_batch(void **state)
{
    (void)state;
    captiond *c = captiond_serve(
        (const char *[]){"--workers", "1", "--batch", "4", "--batch-wait-ms", NEVER, "--deadline-ms", NEVER, NULL});
    request what = one_image();
    asking *each[4];
    for (int i = 0; i < 4; i++)
        each[i] = client_begin(c, &what);
    for (int i = 0; i < 4; i++)
        expect_captions(each[i], 1);
    captiond_expect_log(c, "event=batch images=4", 1);
    captiond_expect_log(c, "event=batch", 1);
    captiond_stop(c);
}

static void a_batch_mixes_models_and_options(void **state)
{
    static const char *const paths[] = {"/v1/caption?model=tiny", "/v1/caption?model=other",
                                        "/v1/caption?model=tiny&max_words=1", "/v1/caption?model=tiny"};
    (void)state;
    captiond *c = captiond_serve(
        (const char *[]){"--workers", "1", "--batch", "4", "--batch-wait-ms", NEVER, "--deadline-ms", NEVER, NULL});
    request what = one_image();
    asking *each[4];
    reply answers[4];
    for (int i = 0; i < 4; i++) {
        what.path = paths[i];
        each[i] = client_begin(c, &what);
    }
    for (int i = 0; i < 4; i++) {
        answers[i] = client_end(each[i]);
        client_expect_captions(&answers[i], 1);
        assert_string_equal(reply_string(&answers[i], "model"), i == 1 ? "other" : "tiny");
    }
    assert_int_equal(reply_number(&answers[2], "captions/0/words"), 1);
    assert_string_equal(reply_string(&answers[0], "captions/0/text"), reply_string(&answers[3], "captions/0/text"));
    captiond_expect_log(c, "event=batch", 1);
    for (int i = 0; i < 4; i++)
        reply_free(&answers[i]);
    captiond_stop(c);
}

static void one_request_may_be_larger_than_a_batch(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--workers", "1", "--batch", "2", NULL});
    photo form = form_of(7);
    request what = as_request(&form);
    reply r = client_ask(c, &what);
    client_expect_captions(&r, 7);
    captiond_expect_log(c, "event=batch images=2", 3);
    captiond_expect_log(c, "event=batch images=1", 1);
    reply_free(&r);
    photo_free(&form);
    captiond_stop(c);
}

static void a_full_queue_is_answered_at_once(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--workers", "1", "--queue", "4", "--max-parts", "4", "--batch", "4",
                                                  "--batch-wait-ms", NEVER, "--deadline-ms", NEVER, NULL});
    photo three = form_of(3), two = form_of(2);
    request first = as_request(&three), second = as_request(&two), last = one_image();
    asking *held = client_begin(c, &first);
    wait_queued(c, 1);
    reply refused = client_ask(c, &second);
    client_expect_problem(&refused, 503, "queue-full");
    asking *fits = client_begin(c, &last);
    expect_captions(fits, 1);
    expect_captions(held, 3);
    reply_free(&refused);
    photo_free(&three);
    photo_free(&two);
    captiond_stop(c);
}

static void a_request_that_waits_too_long_is_answered(void **state)
{
    (void)state;
    captiond *c = captiond_serve(
        (const char *[]){"--workers", "1", "--batch", "2", "--batch-wait-ms", NEVER, "--deadline-ms", "50", NULL});
    request what = one_image();
    reply r = client_ask(c, &what);
    client_expect_problem(&r, 504, "deadline-exceeded");
    assert_int_equal(captiond_count_log(c, "event=batch"), 0);
    reply_free(&r);
    captiond_stop(c);
}

/* With a batch of two: if the client that left still counted, the first that came later would complete its batch and
 * the second would wait for ever. */
static void a_client_that_left_is_dropped_before_work(void **state)
{
    (void)state;
    captiond *c = captiond_serve(
        (const char *[]){"--workers", "1", "--batch", "2", "--batch-wait-ms", NEVER, "--deadline-ms", NEVER, NULL});
    char head[128];
    int fd = client_connect(c);
    snprintf(head, sizeof head,
             "POST /v1/caption HTTP/1.1\r\nHost: x\r\nX-Request-Id: leaver\r\nContent-Length: %zu\r\n\r\n",
             picture.size);
    client_send(fd, head, 0);
    client_send(fd, picture.bytes, picture.size);
    wait_queued(c, 1);
    close(fd);
    captiond_wait_log(c, "event=dropped id=leaver reason=client-gone", 1);
    captiond_wait_log(c, "status=499", 1);
    assert_int_equal(captiond_count_log(c, "event=batch"), 0);
    request what = one_image();
    asking *b = client_begin(c, &what), *d = client_begin(c, &what);
    expect_captions(b, 1);
    expect_captions(d, 1);
    captiond_expect_log(c, "event=batch images=2", 1);
    captiond_stop(c);
}

static void a_damaged_image_fails_only_its_own_request(void **state)
{
    (void)state;
    captiond *c = captiond_serve(
        (const char *[]){"--workers", "1", "--batch", "3", "--batch-wait-ms", NEVER, "--deadline-ms", NEVER, NULL});
    request good = one_image(), bad = one_image();
    bad.size /= 2;
    asking *a = client_begin(c, &good), *b = client_begin(c, &bad), *d = client_begin(c, &good);
    expect_captions(a, 1);
    expect_captions(d, 1);
    reply r = client_end(b);
    client_expect_problem(&r, 422, "damaged-image");
    captiond_expect_log(c, "event=batch images=3", 1);
    reply_free(&r);
    captiond_stop(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(waiting_requests_are_taken_as_one_batch),
        cmocka_unit_test(a_batch_mixes_models_and_options),
        cmocka_unit_test(one_request_may_be_larger_than_a_batch),
        cmocka_unit_test(a_full_queue_is_answered_at_once),
        cmocka_unit_test(a_request_that_waits_too_long_is_answered),
        cmocka_unit_test(a_client_that_left_is_dropped_before_work),
        cmocka_unit_test(a_damaged_image_fails_only_its_own_request),
    };
    return cmocka_run_group_tests_name("queue", tests, start, end);
}
