/* GET /v1/selftest/gradients: what it answers, what it refuses, and that nobody else has to wait for it. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/photo.h"
#include "tests/support/served.h"

#define GRADIENTS "/v1/selftest/gradients"
#define NEVER "3600000"

enum { TOGETHER = 6, ROUNDS = 1000, CAPTIONS = 20 };

static int start(void **state)
{
    return served_start(state, photo_make("jpeg", 90, 60, 4), (const char *[]){"--models", "tiny", NULL});
}

static reply get(const char *path)
{
    reply r = client_ask(served, &(request){.path = path});
    assert_int_equal(r.error, CURLE_OK);
    return r;
}

/* ---- the report ------------------------------------------------------------------------------------------------ */

static void expect_good_check(const cJSON *check)
{
    const cJSON *error = cJSON_GetObjectItem(check, "max_relative_error"), *size;
    const cJSON *threshold = cJSON_GetObjectItem(check, "threshold"), *shape = cJSON_GetObjectItem(check, "shape");
    assert_non_null(cJSON_GetStringValue(cJSON_GetObjectItem(check, "name")));
    assert_true(cJSON_IsNumber(error) && cJSON_IsNumber(threshold));
    assert_true(error->valuedouble >= 0 && error->valuedouble <= threshold->valuedouble);
    assert_true(threshold->valuedouble > 0 && threshold->valuedouble <= 1e-6);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(check, "passed")));
    assert_true(cJSON_GetObjectItem(check, "seconds")->valuedouble >= 0);
    assert_true(cJSON_GetArraySize(shape) >= 1);
    cJSON_ArrayForEach(size, shape)
    {
        assert_true(cJSON_IsNumber(size) && size->valueint >= 1);
    }
}

/* A report in which all is well. Returns how many checks it has. */
static int expect_report(const reply *r)
{
    const cJSON *check, *checks = cJSON_GetObjectItem(r->json, "checks");
    assert_int_equal(r->status, 200);
    assert_string_equal(reply_header(r, "Content-Type"), "application/json");
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(r->json, "passed")));
    assert_string_equal(reply_string(r, "precision"), "float64");
    assert_true(reply_number(r, "seconds") > 0);
    cJSON_ArrayForEach(check, checks)
    {
        expect_good_check(check);
    }
    return cJSON_GetArraySize(checks);
}

static void every_layer_is_checked_and_right(void **state)
{
    static const char *const names[] = {"affine.dw",
                                        "embedding.dw",
                                        "softmax_loss.dx",
                                        "rnn_step.dwh",
                                        "rnn.dh0",
                                        "lstm_step.dc",
                                        "lstm.dwx",
                                        "rnn_captioner.db",
                                        "lstm_captioner.dfeatures",
                                        "dropout.dx",
                                        "smoothed_softmax_loss.dx"};
    (void)state;
    reply r = get(GRADIENTS);
    assert_true(expect_report(&r) >= 57);
    assert_true(reply_number(&r, "seed") == 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char wanted[64];
        snprintf(wanted, sizeof wanted, "\"name\":\"%s\"", names[i]);
        assert_non_null(strstr(r.body, wanted));
    }
    reply_free(&r);
}

static void one_layer_can_be_checked_alone(void **state)
{
    (void)state;
    reply r = get(GRADIENTS "?layer=rnn_step");
    assert_int_equal(expect_report(&r), 5);
    for (int i = 0; i < 5; i++) {
        char path[32];
        snprintf(path, sizeof path, "checks/%d/name", i);
        assert_memory_equal(reply_string(&r, path), "rnn_step.", strlen("rnn_step."));
    }
    assert_int_equal(reply_number(&r, "checks/0/shape/0"), 3); /* dx [N, D] */
    assert_int_equal(reply_number(&r, "checks/0/shape/1"), 6);
    reply_free(&r);
}

static double error_with(const char *query)
{
    char path[128];
    snprintf(path, sizeof path, GRADIENTS "?layer=lstm_step&%s", query);
    reply r = get(path);
    expect_report(&r);
    double error = reply_number(&r, "checks/0/max_relative_error");
    reply_free(&r);
    return error;
}

static void a_seed_draws_its_numbers(void **state)
{
    (void)state;
    assert_true(error_with("seed=1") == error_with("seed=1"));
    assert_true(error_with("seed=1") != error_with("seed=2"));
    reply r = get(GRADIENTS "?layer=affine&seed=18446744073709551615");
    expect_report(&r);
    assert_non_null(strstr(r.body, "\"seed\":18446744073709551615"));
    reply_free(&r);
}

/* The report without what time adds to it. */
static cJSON *timeless(const char *text)
{
    cJSON *check, *report = cJSON_Parse(text);
    assert_non_null(report);
    cJSON_DeleteItemFromObject(report, "seconds");
    cJSON_ArrayForEach(check, cJSON_GetObjectItem(report, "checks"))
    {
        cJSON_DeleteItemFromObject(check, "seconds");
    }
    return report;
}

static void the_command_and_the_daemon_say_the_same(void **state)
{
    (void)state;
    reply r = get(GRADIENTS "?seed=7");
    captiond_output o = captiond_run((const char *[]){"selftest", "--json", "--seed", "7", NULL}, NULL, NULL);
    assert_int_equal(o.status, 0);
    cJSON *daemon = timeless(r.body), *command = timeless(o.out);
    assert_true(cJSON_Compare(daemon, command, 1));
    cJSON_Delete(daemon);
    cJSON_Delete(command);
    captiond_output_free(&o);
    reply_free(&r);
}

/* ---- refusals -------------------------------------------------------------------------------------------------- */

static void an_unknown_layer_is_refused_and_the_known_ones_named(void **state)
{
    (void)state;
    reply r = get(GRADIENTS "?layer=gru");
    client_expect_problem(&r, 400, "bad-option");
    assert_non_null(strstr(reply_string(&r, "detail"), "gru"));
    assert_non_null(strstr(reply_string(&r, "detail"), "lstm_step"));
    assert_non_null(strstr(reply_string(&r, "detail"), "regularised_captioner"));
    reply_free(&r);
}

static void what_cannot_be_meant_is_refused(void **state)
{
    static const struct {
        const char *query, *problem;
    } cases[] = {
        {"?layer=", "bad-option"},        {"?layer", "bad-option"},
        {"?layer=lstm.dx", "bad-option"}, {"?seed=", "bad-option"},
        {"?seed=-1", "bad-option"},       {"?seed=1x", "bad-option"},
        {"?seed=%201", "bad-option"},     {"?seed=18446744073709551616", "bad-option"},
        {"?seeds=1", "unknown-option"},   {"?seed=1&Layer=lstm", "unknown-option"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char path[128];
        snprintf(path, sizeof path, GRADIENTS "%s", cases[i].query);
        reply r = get(path);
        client_expect_problem(&r, 400, cases[i].problem);
        reply_free(&r);
    }
    reply r = client_ask(served, &(request){.path = GRADIENTS, .method = "GET", .body = "{}", .size = 2});
    client_expect_problem(&r, 400, "bad-option");
    reply_free(&r);
    r = client_ask(served, &(request){.path = GRADIENTS, .method = "POST"});
    assert_string_equal(reply_header(&r, "Allow"), "GET, HEAD");
    client_expect_problem(&r, 405, "method-not-allowed");
    reply_free(&r);
}

static void the_key_for_captions_is_needed_where_there_is_one(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--caption-key", "secret", NULL});
    reply r = client_ask(c, &(request){.path = GRADIENTS "?layer=affine"});
    client_expect_problem(&r, 401, "unauthorized");
    reply_free(&r);
    r = client_ask(c, &(request){.path = GRADIENTS "?layer=affine",
                                 .headers = (const char *const[]){"Authorization: Bearer secret", NULL}});
    assert_int_equal(expect_report(&r), 3);
    reply_free(&r);
    captiond_stop(c);
}

static void one_that_takes_too_long_is_ended(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--deadline-ms", "1", NULL});
    reply r = client_ask(c, &(request){.path = GRADIENTS});
    client_expect_problem(&r, 504, "deadline-exceeded");
    reply_free(&r);
    captiond_stop(c);
}

/* ---- several at once ------------------------------------------------------------------------------------------- */

/* Asks for TOGETHER reports at the same time, with seeds 0..seeds-1 in turn. */
static void ask_together(captiond *c, int seeds, reply replies[TOGETHER])
{
    asking *each[TOGETHER];
    char paths[TOGETHER][64];
    for (int i = 0; i < TOGETHER; i++) {
        snprintf(paths[i], sizeof paths[i], GRADIENTS "?seed=%d", i % seeds);
        each[i] = client_begin(c, &(request){.path = paths[i]});
    }
    for (int i = 0; i < TOGETHER; i++)
        replies[i] = client_end(each[i]);
}

/* Two reports with the same times in all places are of one run. */
static void who_asks_the_same_shares_one_run(void **state)
{
    int shared = 0;
    (void)state;
    for (int round = 0; round < ROUNDS && !shared; round++) {
        reply replies[TOGETHER];
        ask_together(served, 1, replies);
        for (int i = 0; i < TOGETHER; i++) {
            expect_report(&replies[i]);
            for (int j = 0; j < i; j++)
                shared += strcmp(replies[i].body, replies[j].body) == 0;
        }
        for (int i = 0; i < TOGETHER; i++)
            reply_free(&replies[i]);
    }
    assert_true(shared > 0);
}

static void who_asks_something_else_meanwhile_is_told_to_come_back(void **state)
{
    int refused = 0;
    (void)state;
    for (int round = 0; round < ROUNDS && !refused; round++) {
        reply replies[TOGETHER];
        ask_together(served, TOGETHER, replies);
        for (int i = 0; i < TOGETHER; i++) {
            if (replies[i].status == 409) {
                client_expect_problem(&replies[i], 409, "selftest-busy");
                assert_true(atoi(reply_header(&replies[i], "Retry-After")) >= 1);
                refused++;
            } else {
                expect_report(&replies[i]);
                assert_true(reply_number(&replies[i], "seed") == i);
            }
            reply_free(&replies[i]);
        }
        assert_true(refused < TOGETHER);
    }
    assert_true(refused > 0);
    reply r = get(GRADIENTS "?seed=99");
    expect_report(&r);
    reply_free(&r);
}

static atomic_int enough;

/* Asks for reports, one after the other, until there are enough captions. Returns NULL if one was not well. */
static void *keep_asking(void *context)
{
    void *good = context;
    while (!atomic_load(&enough)) {
        reply r = client_ask(served, &(request){.path = GRADIENTS});
        if (r.status != 200)
            good = NULL;
        reply_free(&r);
    }
    return good;
}

static void captions_are_written_meanwhile(void **state)
{
    pthread_t thread;
    void *good;
    (void)state;
    atomic_store(&enough, 0);
    int before = captiond_count_log(served, "event=selftest");
    assert_int_equal(pthread_create(&thread, NULL, keep_asking, served), 0);
    captiond_wait_log(served, "event=selftest", before + 1);
    for (int i = 0; i < CAPTIONS; i++) {
        reply r = client_ask(served,
                             &(request){.path = "/v1/caption", .body = served_photo.bytes, .size = served_photo.size});
        client_expect_captions(&r, 1);
        reply_free(&r);
    }
    captiond_wait_log(served, "event=selftest", before + 2);
    atomic_store(&enough, 1);
    pthread_join(thread, &good);
    assert_non_null(good);
}

static void it_needs_no_caption_worker(void **state)
{
    (void)state;
    captiond *c = captiond_serve(
        (const char *[]){"--workers", "1", "--batch", "2", "--batch-wait-ms", NEVER, "--deadline-ms", NEVER, NULL});
    const request what = {.path = "/v1/caption", .body = served_photo.bytes, .size = served_photo.size};
    asking *held = client_begin(c, &what);
    captiond_wait_log(c, "event=queued", 1);
    reply r = client_ask(c, &(request){.path = GRADIENTS});
    expect_report(&r);
    reply_free(&r);
    asking *second = client_begin(c, &what); /* fills the batch */
    r = client_end(held);
    client_expect_captions(&r, 1);
    reply_free(&r);
    r = client_end(second);
    client_expect_captions(&r, 1);
    reply_free(&r);
    captiond_stop(c);
}

/* ---- the end --------------------------------------------------------------------------------------------------- */

/* With no time to drain, a run is cut short, or not even that; everybody is answered and the process ends well. */
static void it_does_not_hold_the_end(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--drain-ms", "0", NULL});
    asking *each[TOGETHER];
    for (int i = 0; i < TOGETHER; i++)
        each[i] = client_begin(c, &(request){.path = GRADIENTS});
    captiond_wait_log(c, "event=begun", TOGETHER);
    captiond_signal(c, SIGTERM);
    for (int i = 0; i < TOGETHER; i++) {
        reply r = client_end(each[i]);
        if (r.status == 503)
            client_expect_problem(&r, 503, "draining");
        else
            expect_report(&r);
        reply_free(&r);
    }
    assert_int_equal(captiond_wait(c), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layer_is_checked_and_right),
        cmocka_unit_test(one_layer_can_be_checked_alone),
        cmocka_unit_test(a_seed_draws_its_numbers),
        cmocka_unit_test(the_command_and_the_daemon_say_the_same),
        cmocka_unit_test(an_unknown_layer_is_refused_and_the_known_ones_named),
        cmocka_unit_test(what_cannot_be_meant_is_refused),
        cmocka_unit_test(the_key_for_captions_is_needed_where_there_is_one),
        cmocka_unit_test(one_that_takes_too_long_is_ended),
        cmocka_unit_test(who_asks_the_same_shares_one_run),
        cmocka_unit_test(who_asks_something_else_meanwhile_is_told_to_come_back),
        cmocka_unit_test(captions_are_written_meanwhile),
        cmocka_unit_test(it_needs_no_caption_worker),
        cmocka_unit_test(it_does_not_hold_the_end),
    };
    return cmocka_run_group_tests_name("selftest", tests, start, served_end);
}
