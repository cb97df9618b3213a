/* SIGTERM: what is in flight is finished, nothing new is taken, the exit status is 0 (under ASan: nothing leaked). */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/photo.h"

#define NEVER "3600000"

enum { WAITING = 5 };

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

/* A server whose worker waits for a batch that does not fill, with requests in its queue. */
static captiond *serve_waiting(const char *drain_ms, asking *held[WAITING])
{
    const request what = {.path = "/v1/caption", .body = picture.bytes, .size = picture.size};
    captiond *c = captiond_serve((const char *[]){"--workers", "1", "--batch", "16", "--batch-wait-ms", NEVER,
                                                  "--deadline-ms", NEVER, "--drain-ms", drain_ms, NULL});
    for (int i = 0; i < WAITING; i++)
        held[i] = client_begin(c, &what);
    captiond_wait_log(c, "event=queued", WAITING);
    return c;
}

static void finish_on(int number)
{
    asking *held[WAITING];
    captiond *c = serve_waiting(NEVER, held);
    captiond_signal(c, number);
    for (int i = 0; i < WAITING; i++) {
        reply r = client_end(held[i]);
        client_expect_captions(&r, 1);
        reply_free(&r);
    }
    assert_int_equal(captiond_wait(c), 0);
}

static void requests_in_flight_are_finished_on_sigterm(void **state)
{
    (void)state;
    finish_on(SIGTERM);
}

static void requests_in_flight_are_finished_on_sigint(void **state)
{
    (void)state;
    finish_on(SIGINT);
}

/* A request whose body never comes to its end. */
static int begin_upload(captiond *c)
{
    int fd = client_connect(c);
    client_send(fd, "POST /v1/caption HTTP/1.1\r\nHost: x\r\nX-Request-Id: upload\r\nContent-Length: 5\r\n\r\nab", 0);
    captiond_wait_log(c, "event=begun id=upload", 1);
    return fd;
}

/* Whether its images were finished or not, a request is answered and the process ends well. */
static void what_cannot_be_finished_in_time_is_answered(void **state)
{
    (void)state;
    photo form = {0};
    for (int i = 0; i < 16; i++)
        photo_form_add(&form, "image", picture.bytes, picture.size);
    photo_form_end(&form);
    captiond *c = captiond_serve((const char *[]){"--workers", "1", "--batch", "1", "--drain-ms", "0", NULL});
    asking *held = client_begin(
        c, &(request){.path = "/v1/caption", .type = PHOTO_FORM_TYPE, .body = form.bytes, .size = form.size});
    captiond_wait_log(c, "event=queued", 1);
    captiond_signal(c, SIGTERM);
    reply r = client_end(held);
    assert_int_equal(r.error, CURLE_OK);
    if (r.status == 200) /* the worker was quicker than the signal */
        client_expect_captions(&r, 16);
    else
        client_expect_problem(&r, 503, "draining");
    reply_free(&r);
    assert_int_equal(captiond_wait(c), 0);
    photo_free(&form);
}

static void an_upload_that_stalls_does_not_hold_the_end_for_ever(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--drain-ms", "100", NULL});
    int fd = begin_upload(c);
    captiond_stop(c);
    close(fd);
}

static void while_it_drains_new_requests_are_refused(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--drain-ms", NEVER, NULL});
    const request caption = {.path = "/v1/caption", .body = picture.bytes, .size = picture.size};
    CURL *open[2] = {curl_easy_init(), curl_easy_init()}; /* connections from before */
    for (int i = 0; i < 2; i++) {
        reply r = client_ask_with(open[i], c, &(request){.path = "/readyz"});
        assert_int_equal(r.status, 200);
        reply_free(&r);
    }
    int fd = begin_upload(c);
    captiond_signal(c, SIGTERM);
    captiond_wait_log(c, "event=stopping", 1);

    reply r = client_ask_with(open[0], c, &(request){.path = "/readyz"});
    client_expect_problem(&r, 503, "draining");
    assert_string_equal(reply_header(&r, "Connection"), "close");
    reply_free(&r);
    r = client_ask_with(open[1], c, &caption);
    client_expect_problem(&r, 503, "draining");
    reply_free(&r);
    r = client_ask(c, &caption);
    assert_int_equal(r.error, CURLE_COULDNT_CONNECT);
    reply_free(&r);

    client_send(fd, "cde", 0); /* begun before the signal: still served, as what it is */
    char answer[16] = "";
    assert_int_equal(recv(fd, answer, 12, MSG_WAITALL), 12);
    assert_string_equal(answer, "HTTP/1.1 415");
    assert_int_equal(captiond_wait(c), 0);
    close(fd);
    for (int i = 0; i < 2; i++)
        curl_easy_cleanup(open[i]);
}

static void a_second_signal_ends_it_at_once(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--drain-ms", NEVER, NULL});
    int fd = begin_upload(c);
    captiond_signal(c, SIGTERM);
    captiond_wait_log(c, "event=stopping", 1);
    captiond_signal(c, SIGTERM);
    assert_int_equal(captiond_wait(c), 128 + SIGTERM);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_in_flight_are_finished_on_sigterm),
        cmocka_unit_test(requests_in_flight_are_finished_on_sigint),
        cmocka_unit_test(what_cannot_be_finished_in_time_is_answered),
        cmocka_unit_test(an_upload_that_stalls_does_not_hold_the_end_for_ever),
        cmocka_unit_test(while_it_drains_new_requests_are_refused),
        cmocka_unit_test(a_second_signal_ends_it_at_once),
    };
    return cmocka_run_group_tests_name("drain", tests, start, end);
}
