/* GET /v1/jobs/ID/events: server-sent events, from the beginning, from where a client left off, to many clients at
 * once, fast and slow. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/lessons.h"
#include "tests/support/training.h"

enum { STREAMS = 4 };

static captiond *server;
static long long finished; /* a job with many events */

static captiond *serve(void)
{
    return captiond_serve(
        (const char *[]){"--event-streams", "4", "--job-events", "30", "--event-keep-alive-s", "1", NULL});
}

static int start(void **state)
{
    if (captiond_setup(state))
        return -1;
    server = serve();
    training_upload(server, "lessons", 6);
    finished = training_submit(server, TRAINING_TINY, "lessons", "finished", 60);
    training_expect(server, finished, "succeeded");
    return 0;
}

static int end(void **state)
{
    captiond_stop(server);
    return captiond_teardown(state);
}

static reply follow(long long id, const char *last_event)
{
    char path[64], header[64];
    const char *headers[] = {last_event ? header : NULL, NULL};
    snprintf(path, sizeof path, "/v1/jobs/%lld/events", id);
    snprintf(header, sizeof header, "Last-Event-ID: %s", last_event ? last_event : "");
    return client_ask(server, &(request){.path = path, .headers = headers});
}

/* The ids of a stream's events, which must grow; returns how many. */
static int read_ids(const char *text, long long *ids, int room)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, "\nid: ")); at++) {
        assert_true(n < room);
        ids[n] = atoll(at + strlen("\nid: "));
        assert_true(n == 0 || ids[n] > ids[n - 1]);
        n++;
    }
    return n;
}

static void expect_end(const char *text, const char *state)
{
    char last[64];
    snprintf(last, sizeof last, "event: end\ndata: {\"state\":\"%s\"", state);
    const char *at = strstr(text, last);
    assert_non_null(at);
    assert_null(strstr(at, "\nid: "));
}

static void only_the_newest_events_are_remembered(void **state)
{
    long long ids[64];
    (void)state;
    reply r = follow(finished, NULL);
    assert_int_equal(r.status, 200);
    assert_int_equal(read_ids(r.body, ids, 64), 30);
    assert_null(strstr(r.body, "\"queued\""));
    expect_end(r.body, "succeeded");
    reply_free(&r);
}

static void last_event_id_goes_on_where_a_client_left_off(void **state)
{
    long long all[64], rest[64];
    char last[32];
    (void)state;
    reply r = follow(finished, NULL);
    int n = read_ids(r.body, all, 64);
    const char *tail = strstr(r.body, "\n\n");
    for (int i = 0; i < 20 && tail; i++) /* the greeting and 19 events */
        tail = strstr(tail + 1, "\n\n");
    assert_non_null(tail);
    snprintf(last, sizeof last, "%lld", all[19]);
    reply continued = follow(finished, last);
    assert_int_equal(read_ids(continued.body, rest, 64), n - 20);
    assert_int_equal(rest[0], all[20]);
    const char *first = strstr(continued.body, "\n\n"); /* behind the greeting */
    assert_string_equal(first, tail);
    reply_free(&r);
    reply_free(&continued);
}

static void behind_the_last_event_the_stream_only_ends(void **state)
{
    long long ids[64];
    char last[32];
    (void)state;
    reply r = follow(finished, NULL);
    int n = read_ids(r.body, ids, 64);
    reply_free(&r);
    snprintf(last, sizeof last, "%lld", ids[n - 1]);
    r = follow(finished, last);
    assert_int_equal(r.status, 204); /* tells browsers not to come back */
    reply_free(&r);
}

static void a_last_event_id_that_is_none_of_ours_begins_at_the_beginning(void **state)
{
    long long ids[64];
    (void)state;
    reply r = follow(finished, "nonsense");
    assert_int_equal(read_ids(r.body, ids, 64), 30);
    reply_free(&r);
}

static void the_events_of_an_unknown_job_are_404(void **state)
{
    (void)state;
    reply r = follow(424242, NULL);
    client_expect_problem(&r, 404, "unknown-job");
    reply_free(&r);
}

/* A client that asks and never reads. */
static int open_deaf(long long id)
{
    char text[128];
    int fd = client_connect(server);
    snprintf(text, sizeof text, "GET /v1/jobs/%lld/events HTTP/1.1\r\nHost: localhost\r\n\r\n", id);
    client_send(fd, text, 0);
    return fd;
}

/* Reads until `wanted` has come, or to the end; returns all that came, malloc'd. */
static char *read_until(int fd, const char *wanted)
{
    enum { ROOM = 1 << 20 };
    char *text = calloc(1, ROOM);
    ssize_t n = 1;
    assert_non_null(text);
    for (size_t size = 0; n > 0 && !(wanted && strstr(text, wanted)); size += (size_t)n) {
        assert_true(size < ROOM - 1);
        n = recv(fd, text + size, ROOM - 1 - size, 0);
        assert_true(n >= 0);
    }
    return text;
}

/* Proxies close what is silent for a minute or so. Nothing happens to a job that waits. */
static void a_quiet_stream_is_kept_alive(void **state)
{
    (void)state;
    long long first = training_submit(server, TRAINING_ENDLESS, "lessons", "occupies");
    training_wait_state(server, first, "running");
    long long waiting = training_submit(server, TRAINING_TINY, "lessons", "waits", 1);
    int fd = open_deaf(waiting);
    char *text = read_until(fd, ":\n\n");
    assert_non_null(strstr(text, ":\n\n"));
    assert_null(strstr(text, "\"running\""));
    free(text);
    close(fd);
    training_cancel(server, waiting);
    training_cancel(server, first);
}

/* Follows in a thread; returns when the stream is open. */
static asking *begin_following(long long id, char path[64])
{
    int open = captiond_count_log(server, "event=stream ");
    snprintf(path, 64, "/v1/jobs/%lld/events", id);
    asking *follower = client_begin(server, &(request){.path = path});
    captiond_wait_log(server, "event=stream ", open + 1);
    return follower;
}

static void slow_readers_are_bounded_and_hold_nothing_up(void **state)
{
    char path[64];
    int deaf[STREAMS - 1];
    (void)state;
    int open = captiond_count_log(server, "event=stream ");
    long long id = training_submit(server, TRAINING_ENDLESS, "lessons", "followed");
    training_wait_iteration(server, id, 1);
    for (int i = 0; i < STREAMS - 1; i++)
        deaf[i] = open_deaf(id);
    captiond_wait_log(server, "event=stream ", open + STREAMS - 1);
    asking *follower = begin_following(id, path);
    reply refused = follow(id, NULL);
    client_expect_problem(&refused, 503, "queue-full");
    reply_free(&refused);
    char *caption = training_caption(server, 0, "finished");
    assert_string_equal(caption, lesson_caption(0));
    free(caption);
    training_cancel(server, id);
    reply r = client_end(follower);
    expect_end(r.body, "cancelled");
    reply_free(&r);
    for (int i = 0; i < STREAMS - 1; i++)
        close(deaf[i]);
}

static void sigterm_ends_streams_and_they_go_on_with_the_next_daemon(void **state)
{
    long long ids[64], more[64];
    char path[64], header[64];
    (void)state;
    long long id = training_submit(server, TRAINING_ENDLESS, "lessons", "continued");
    training_wait_iteration(server, id, 1);
    int fd = open_deaf(id);
    char *begun = read_until(fd, "event: progress");
    captiond_stop(server);
    char *rest = read_until(fd, NULL);
    close(fd);
    int n = read_ids(begun, ids, 64);
    assert_true(n > 0);
    assert_null(strstr(rest, "event: end"));
    free(begun);
    free(rest);

    server = serve();
    snprintf(path, sizeof path, "/v1/jobs/%lld/events", id);
    snprintf(header, sizeof header, "Last-Event-ID: %lld", ids[n - 1]);
    asking *follower = client_begin(server, &(request){.path = path, .headers = (const char *[]){header, NULL}});
    captiond_wait_log(server, "event=stream ", 1);
    training_cancel(server, id);
    reply r = client_end(follower);
    assert_true(read_ids(r.body, more, 64) > 0);
    assert_true(more[0] > ids[n - 1]);
    expect_end(r.body, "cancelled");
    reply_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_newest_events_are_remembered),
        cmocka_unit_test(last_event_id_goes_on_where_a_client_left_off),
        cmocka_unit_test(behind_the_last_event_the_stream_only_ends),
        cmocka_unit_test(a_last_event_id_that_is_none_of_ours_begins_at_the_beginning),
        cmocka_unit_test(the_events_of_an_unknown_job_are_404),
        cmocka_unit_test(a_quiet_stream_is_kept_alive),
        cmocka_unit_test(slow_readers_are_bounded_and_hold_nothing_up),
        cmocka_unit_test(sigterm_ends_streams_and_they_go_on_with_the_next_daemon),
    };
    return cmocka_run_group_tests(tests, start, end);
}
