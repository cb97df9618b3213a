/* The key file: keys by name, their limits, SIGHUP; and what becomes of wrong ones. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/base/clock.h"
#include "tests/support/client.h"
#include "tests/support/scratch.h"

/* What the file says of three keys; the digest is that of "from-digest". */
static const char three[] = "# name kind key limits\n"
                            "\n"
                            "alice caption key-of-alice rate=3/h\n"
                            "  bob\tcaption  key-of-bob   concurrency=1\r\n"
                            "carol caption "
                            "sha256:5b4a085f59c99cf0e4f524b9c49e8a104beb1961803e2f65d589460bc5d81137\n"
                            "ops admin key-of-ops\n";

static const char *write_keys(const char *text)
{
    static char path[512];
    snprintf(path, sizeof path, "%s", scratch_write("keys", text, strlen(text)));
    return path;
}

static captiond *serve(const char *text, const char *option, const char *value)
{
    return captiond_serve((const char *[]){"--key-file", write_keys(text), option, value, NULL});
}

static reply ask(const captiond *c, const char *path, const char *key)
{
    char header[128];
    snprintf(header, sizeof header, "Authorization: Bearer %s", key);
    return client_ask(c, &(request){.path = path, .headers = (const char *const[]){key ? header : NULL, NULL}});
}

static void expect(const captiond *c, const char *path, const char *key, long status)
{
    reply r = ask(c, path, key);
    if (r.status != status)
        fprintf(stderr, "%s with %s: %ld instead of %ld: %s\n", path, key, r.status, status, r.body);
    assert_int_equal(r.status, status);
    reply_free(&r);
}

/* The line of /metrics that begins like this ends in this number. */
static void expect_sample(const captiond *c, const char *sample, long long value)
{
    char begin[128];
    reply r = ask(c, "/metrics", "key-of-ops");
    snprintf(begin, sizeof begin, "\n%s", sample);
    const char *line = r.body ? strstr(r.body, begin) : NULL;
    if (!line)
        fail_msg("there is no %s in %s", sample, r.body);
    assert_int_equal(strtoll(line + strlen(begin), NULL, 10), value);
    reply_free(&r);
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static void a_key_opens_what_its_kind_may(void **state)
{
    (void)state;
    captiond *c = serve(three, NULL, NULL);
    expect(c, "/v1/models", NULL, 401);
    expect(c, "/v1/models", "key-of-alice", 200);
    expect(c, "/v1/models", "key-of-bob", 200);
    expect(c, "/v1/models", "from-digest", 200);
    expect(c, "/v1/models", "key-of-ops", 200);
    expect(c, "/v1/models", "alice", 401);
    expect(c, "/v1/datasets", "key-of-ops", 200);
    expect(c, "/v1/datasets", "key-of-bob", 401);
    expect(c, "/healthz", NULL, 200);
    captiond_stop(c);
}

static void the_options_are_keys_besides(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--key-file", write_keys("alice caption key-of-alice\n"),
                                                  "--admin-key", "key-of-ops", "--caption-key", "plain", NULL});
    expect(c, "/v1/models", "key-of-alice", 200);
    expect(c, "/v1/models", "plain", 200);
    expect(c, "/v1/datasets", "key-of-ops", 200);
    expect_sample(c, "captiond_key_requests_total{key=\"caption\"} ", 1);
    expect_sample(c, "captiond_key_requests_total{key=\"admin\"} ", 3);
    captiond_stop(c);
}

/* The message names the line, and no key. */
static void a_wrong_file_stops_the_start(void **state)
{
    static const struct {
        const char *text, *named;
    } wrong[] = {
        {"", "no key"},
        {"# only a comment\n", "no key"},
        {"alice caption\n", "line 1"},
        {"ops admin good-1\n\nalice owner secret-2\n", "line 3"},
        {"alice caption secret-3 rate=1\n", "line 1"},
        {"alice caption secret-3 rate=0/m\n", "line 1"},
        {"alice caption secret-3 rate=-1/m\n", "line 1"},
        {"alice caption secret-3 rate=5/y\n", "line 1"},
        {"alice caption secret-3 rate=5/m rate=6/m\n", "twice"},
        {"alice caption secret-3 concurrency=0\n", "line 1"},
        {"alice caption secret-3 concurrency=2x\n", "line 1"},
        {"alice caption secret-3 speed=2\n", "line 1"},
        {"alice caption sha256:secret\n", "64 hexadecimal"},
        {"al/ice caption secret-3\n", "name"},
        {"alice caption caf\xC3\xA9-secret\n", "ASCII"},
        {"alice caption secret-1\nalice caption secret-2\n", "line 2"},
        {"alice caption secret-1\nbob admin secret-1\n", "alice"},
        {"admin caption secret-1\n", "called admin"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        captiond_output o = captiond_run(
            (const char *[]){"serve", "--admin-key", "k", "--key-file", write_keys(wrong[i].text), NULL}, NULL, NULL);
        assert_int_equal(o.status, 2);
        if (!strstr(o.err, "--key-file") || !strstr(o.err, wrong[i].named) || strstr(o.err, "secret"))
            fail_msg("%s: %s", wrong[i].text, o.err);
        captiond_output_free(&o);
    }
    captiond_output o = captiond_run((const char *[]){"serve", "--key-file", "nowhere/keys", NULL}, NULL, NULL);
    assert_int_equal(o.status, 2);
    if (!strstr(o.err, "No such file"))
        fail_msg("%s", o.err);
    captiond_output_free(&o);
}

/* ---- limits ------------------------------------------------------------------------------------------------------ */

static void a_rate_is_kept_and_counted(void **state)
{
    (void)state;
    captiond *c = serve(three, NULL, NULL);
    for (int i = 0; i < 3; i++)
        expect(c, "/v1/models", "key-of-alice", 200);
    reply r = ask(c, "/v1/models", "key-of-alice");
    client_expect_problem(&r, 429, "too-many-requests");
    int wait = atoi(reply_header(&r, "Retry-After"));
    assert_true(wait > 1 && wait <= 1200); /* three an hour: the next within twenty minutes */
    reply_free(&r);
    expect(c, "/v1/models", "key-of-bob", 200);
    expect(c, "/healthz", "key-of-alice", 200);
    expect_sample(c, "captiond_key_requests_total{key=\"alice\"} ", 4);
    expect_sample(c, "captiond_key_requests_total{key=\"bob\"} ", 1);
    expect_sample(c, "captiond_key_requests_refused_total{key=\"alice\",limit=\"rate\"} ", 1);
    captiond_wait_log(c, "key=alice", 4);
    captiond_stop(c);
}

static void a_rate_fills_again(void **state)
{
    (void)state;
    captiond *c = serve("alice caption key-of-alice rate=1/s\n", NULL, NULL);
    expect(c, "/v1/models", "key-of-alice", 200);
    sleep(1);
    expect(c, "/v1/models", "key-of-alice", 200);
    captiond_stop(c);
}

/* The first has not sent all of its photo. */
static void requests_at_once_are_limited(void **state)
{
    static const char head[] = "POST /v1/caption HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer key-of-bob\r\n"
                               "Content-Length: 100\r\n\r\n";
    (void)state;
    captiond *c = serve(three, NULL, NULL);
    int fd = client_connect(c);
    client_send(fd, head, sizeof head - 1);
    while (1) {
        reply r = ask(c, "/metrics", "key-of-ops");
        int begun = strstr(r.body, "captiond_key_requests_in_flight{key=\"bob\"} 1") != NULL;
        reply_free(&r);
        if (begun)
            break;
        usleep(10000);
    }
    reply r = ask(c, "/v1/models", "key-of-bob");
    client_expect_problem(&r, 429, "too-many-requests");
    assert_string_equal(reply_header(&r, "Retry-After"), "1");
    reply_free(&r);
    expect(c, "/v1/models", "key-of-alice", 200);
    close(fd);
    captiond_wait_log(c, "path=/v1/caption", 1);
    expect(c, "/v1/models", "key-of-bob", 200);
    captiond_stop(c);
}

/* ---- SIGHUP ------------------------------------------------------------------------------------------------------ */

/* As an editor does: another file takes the name. Landlock and seccomp are on. */
static void replace(const captiond *c, const char *text)
{
    char path[512], new[512];
    snprintf(path, sizeof path, "%s", scratch_path("keys"));
    snprintf(new, sizeof new, "%s", scratch_write("keys.new", text, strlen(text)));
    assert_int_equal(rename(new, path), 0);
    kill(c->pid, SIGHUP);
}

static void a_hangup_reads_the_file_again(void **state)
{
    (void)state;
    captiond *c = serve(three, NULL, NULL);
    for (int i = 0; i < 3; i++)
        expect(c, "/v1/models", "key-of-alice", 200);
    replace(c, "alice caption new-of-alice rate=5/h\nbob caption key-of-bob\nops admin key-of-ops\n");
    captiond_wait_log(c, "event=reloaded", 1);
    expect(c, "/v1/models", "new-of-alice", 200);
    expect(c, "/v1/models", "key-of-alice", 401);
    expect(c, "/v1/models", "from-digest", 401);
    expect(c, "/v1/models", "key-of-bob", 200);
    expect_sample(c, "captiond_key_requests_total{key=\"alice\"} ", 4);
    expect_sample(c, "captiond_key_file_reloads_total{result=\"ok\"} ", 1);
    captiond_stop(c);
}

static void a_wrong_one_leaves_the_keys_as_they_were(void **state)
{
    (void)state;
    captiond *c = serve(three, NULL, NULL);
    replace(c, "bob caption another\nalice caption secret-word rate=often\n");
    captiond_wait_log(c, "event=not-reloaded", 1);
    replace(c, "");
    captiond_wait_log(c, "event=not-reloaded", 2);
    assert_int_equal(unlink(scratch_path("keys")), 0);
    captiond_signal(c, SIGHUP);
    captiond_wait_log(c, "event=not-reloaded", 3);
    assert_int_equal(captiond_count_log(c, "line 2"), 1);
    assert_int_equal(captiond_count_log(c, "secret-word"), 0);
    expect(c, "/v1/models", "key-of-bob", 200);
    expect(c, "/v1/models", "another", 401);
    expect_sample(c, "captiond_key_file_reloads_total{result=\"failed\"} ", 3);
    captiond_stop(c);
}

/* What needed a key goes on needing one. */
static void no_reload_opens_a_door(void **state)
{
    (void)state;
    captiond *c = serve(three, NULL, NULL);
    replace(c, "ops admin key-of-ops\n");
    captiond_wait_log(c, "event=reloaded", 1);
    expect(c, "/v1/models", NULL, 401);
    expect(c, "/v1/models", "key-of-ops", 200);
    replace(c, "bob caption key-of-bob\n");
    captiond_wait_log(c, "event=reloaded", 2);
    expect(c, "/v1/datasets", NULL, 401);
    expect(c, "/v1/datasets", "key-of-ops", 401);
    expect(c, "/v1/models", "key-of-bob", 200);
    captiond_stop(c);
}

static void without_a_file_a_hangup_changes_nothing(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--admin-key", "key-of-ops", NULL});
    captiond_signal(c, SIGHUP);
    captiond_wait_log(c, "event=not-reloaded", 1);
    expect(c, "/v1/datasets", "key-of-ops", 200);
    captiond_stop(c);
}

/* ---- wrong keys -------------------------------------------------------------------------------------------------- */

/* The eighth waits two seconds, and the next that comes meanwhile is sent away. Who has a key never waits, nor does
 * anybody else, though there is one thread for them all. */
static void wrong_keys_wait_and_nobody_else(void **state)
{
    enum { WRONG = 12, HELD = 8 };
    static const char *const headers[] = {"Authorization: Bearer guess", NULL};
    const request guess = {.path = "/v1/datasets", .headers = headers};
    asking *all[WRONG];
    int refused = 0, sent_away = 0;
    (void)state;
    captiond *c = serve(three, "--http-threads", "1");
    for (int i = 0; i < WRONG; i++)
        all[i] = client_begin(c, &guess);
    captiond_wait_log(c, "status=429", WRONG - HELD);
    expect(c, "/healthz", NULL, 200);
    expect(c, "/v1/datasets", "key-of-ops", 200);
    assert_true(captiond_count_log(c, "status=401") < HELD);
    for (int i = 0; i < WRONG; i++) {
        reply r = client_end(all[i]);
        if (r.status == 429)
            assert_true(atoi(reply_header(&r, "Retry-After")) >= 6);
        refused += r.status == 401;
        sent_away += r.status == 429;
        reply_free(&r);
    }
    assert_int_equal(refused, HELD);
    assert_int_equal(sent_away, WRONG - HELD);
    expect_sample(c, "captiond_wrong_keys_total ", WRONG);
    expect_sample(c, "captiond_wrong_keys_told_to_wait_total ", WRONG - HELD);
    captiond_stop(c);
}

/* Never sooner than this, however fast the machine. */
static void the_wait_grows(void **state)
{
    (void)state;
    captiond *c = serve(three, NULL, NULL);
    for (int i = 0; i < 6; i++) {
        double begun = clock_ms();
        expect(c, "/v1/models", "guess", 401);
        assert_true(clock_ms() - begun >= 25 * (1 << i) - 1);
    }
    captiond_stop(c);
}

/* A client that asks first is answered at once, and so has to stay away sooner. */
static void asking_first_is_no_way_round(void **state)
{
    static const char *const headers[] = {"Authorization: Bearer guess", NULL};
    const request guess = {.path = "/v1/train", .body = "{}", .size = 2, .headers = headers, .expect = 1};
    long last = 401;
    (void)state;
    captiond *c = serve(three, NULL, NULL);
    for (int i = 0; i < 12; i++) {
        reply r = client_ask(c, &guess);
        last = r.status;
        reply_free(&r);
    }
    assert_int_equal(last, 429);
    captiond_stop(c);
}

/* Nor is what differs with a right key: a page of another site may ask with one. */
static void a_page_elsewhere_cannot_guess(void **state)
{
    static const char *const headers[] = {"Authorization: Bearer guess", "Origin: https://evil.example", NULL};
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--admin-key", "key-of-ops", NULL});
    reply r = client_ask(c, &(request){.path = "/v1/models", .headers = headers});
    client_expect_problem(&r, 403, "forbidden");
    reply_free(&r);
    expect_sample(c, "captiond_wrong_keys_total ", 1);
    captiond_stop(c);
}

static void without_a_delay_all_are_401(void **state)
{
    (void)state;
    captiond *c = serve(three, "--wrong-key-delay-s", "0");
    for (int i = 0; i < 30; i++)
        expect(c, "/v1/models", "guess", 401);
    captiond_stop(c);
}

/* Where no key is needed, any is let pass: there are clients that always send one. */
static void a_key_that_nobody_asked_for_is_no_guess(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--admin-key", "key-of-ops", NULL});
    for (int i = 0; i < 20; i++)
        expect(c, "/v1/models", "unused", 200);
    expect_sample(c, "captiond_wrong_keys_total ", 0);
    captiond_stop(c);
}

/* Answers that are held back do not hold up the end. */
static void the_end_lets_go_of_them(void **state)
{
    (void)state;
    static const char *const headers[] = {"Authorization: Bearer guess", NULL};
    asking *all[6];
    captiond *c = serve(three, "--drain-ms", "0");
    for (int i = 0; i < 6; i++)
        all[i] = client_begin(c, &(request){.path = "/v1/datasets", .headers = headers});
    captiond_wait_log(c, "status=401", 1);
    captiond_signal(c, SIGTERM);
    for (int i = 0; i < 6; i++) {
        reply r = client_end(all[i]);
        reply_free(&r);
    }
    assert_int_equal(captiond_wait(c), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_opens_what_its_kind_may),
        cmocka_unit_test(the_options_are_keys_besides),
        cmocka_unit_test(a_wrong_file_stops_the_start),
        cmocka_unit_test(a_rate_is_kept_and_counted),
        cmocka_unit_test(a_rate_fills_again),
        cmocka_unit_test(requests_at_once_are_limited),
        cmocka_unit_test(a_hangup_reads_the_file_again),
        cmocka_unit_test(a_wrong_one_leaves_the_keys_as_they_were),
        cmocka_unit_test(no_reload_opens_a_door),
        cmocka_unit_test(without_a_file_a_hangup_changes_nothing),
        cmocka_unit_test(wrong_keys_wait_and_nobody_else),
        cmocka_unit_test(the_wait_grows),
        cmocka_unit_test(asking_first_is_no_way_round),
        cmocka_unit_test(a_page_elsewhere_cannot_guess),
        cmocka_unit_test(without_a_delay_all_are_401),
        cmocka_unit_test(a_key_that_nobody_asked_for_is_no_guess),
        cmocka_unit_test(the_end_lets_go_of_them),
    };
    return cmocka_run_group_tests_name("keys", tests, captiond_setup, captiond_teardown);
}
