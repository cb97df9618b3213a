/* How jobs that make pictures end, or do not: cancelled, killed and gone on with, forgotten. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "tests/support/dataset.h"
#include "tests/support/scratch.h"
#include "tests/support/training.h"
#include "tests/support/visual.h"

static captiond *server;
static photo cat;

static captiond *serve(void)
{
    return captiond_serve((const char *[]){"--job-memory", "3", NULL});
}

static int start(void **state)
{
    if (captiond_setup(state))
        return -1;
    server = serve();
    cat = visual_photo();
    return 0;
}

static int end(void **state)
{
    photo_free(&cat);
    captiond_stop(server);
    return captiond_teardown(state);
}

static void cancel(long long id)
{
    reply r = dataset_ask(server, "DELETE", "/v1/jobs/%lld", id);
    assert_int_equal(r.status, 200);
    assert_string_equal(reply_string(&r, "state"), "cancelled");
    reply_free(&r);
}

static void a_cancelled_job_stops_and_leaves_nothing(void **state)
{
    (void)state;
    int ended = captiond_count_log(server, "event=job-ended");
    long long id = visual_submit(server, &cat, "/v1/dream?octaves=8&steps=100&max_side=448&preview_every=1");
    visual_wait_step(server, id, 1);
    assert_int_equal(visual_count_files(id, "input"), 1);
    cancel(id);
    captiond_wait_log(server, "event=job-ended", ended + 1);
    training_expect(server, id, "cancelled");
    for (int i = 0; i < 3000 && visual_count_files(id, "") > 0; i++)
        usleep(10000);
    assert_int_equal(visual_count_files(id, ""), 0);
    reply r = dataset_ask(server, "GET", "/v1/jobs/%lld/pictures/preview-0.png", id);
    client_expect_problem(&r, 404, "unknown-picture");
    reply_free(&r);
}

/* The PNG of the job's result, malloc'd. */
static photo result_of(long long id)
{
    photo png;
    reply job = training_wait(server, id, "succeeded");
    reply r = dataset_ask(server, "GET", "%s", reply_string(&job, "result/pictures/result"));
    caption_picture picture = visual_decode(&r);
    caption_picture_free(&picture);
    png.bytes = (unsigned char *)r.body;
    png.size = r.size;
    r.body = NULL;
    reply_free(&r);
    reply_free(&job);
    return png;
}

static void expect_same(photo *a, photo *b)
{
    assert_int_equal(a->size, b->size);
    assert_memory_equal(a->bytes, b->bytes, a->size);
    photo_free(a);
    photo_free(b);
}

#define RESUMED "/v1/invert?layer=shallow&steps=40&preview_every=2&seed=11"

static void a_killed_daemon_s_job_is_done_by_the_next(void **state)
{
    (void)state;
    photo whole = result_of(visual_submit(server, &cat, RESUMED));
    long long id = visual_submit(server, &cat, RESUMED);
    visual_wait_step(server, id, 4);
    captiond_kill(server);
    server = serve();
    photo resumed = result_of(id);
    expect_same(&whole, &resumed);
}

static void a_job_that_was_queued_is_done_too(void **state)
{
    (void)state;
    long long first = visual_submit(server, &cat, "/v1/invert?steps=900");
    long long second = visual_submit(server, NULL, "/v1/visualize?class=1&steps=3&octaves=1");
    visual_wait_step(server, first, 1);
    captiond_kill(server); /* both were answered 202 */
    server = serve();
    cancel(first);
    photo png = result_of(second);
    photo_free(&png);
}

static void sigterm_hands_the_job_to_the_next_daemon(void **state)
{
    (void)state;
    long long id = visual_submit(server, NULL, "/v1/visualize?class=1&steps=900&octaves=1");
    visual_wait_step(server, id, 1);
    captiond_stop(server);
    server = serve();
    visual_wait_step(server, id, 1);
    cancel(id);
}

/* Killed between the last picture and the end of the job: what is there is told, and not made again. */
static void a_result_that_is_ready_is_not_made_again(void **state)
{
    char name[64];
    size_t size;
    (void)state;
    long long id = visual_submit(server, NULL, "/v1/visualize?class=1&steps=900&octaves=1");
    visual_wait_step(server, id, 1);
    captiond_kill(server);
    snprintf(name, sizeof name, "data/jobs/%lld/result.json", id);
    scratch_write(name, "{\"ready\":true}", strlen("{\"ready\":true}"));
    free(scratch_read(scratch_path(name), &size));
    server = serve();
    reply job = training_wait(server, id, "succeeded");
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetObjectItem(job.json, "result"), "ready")));
    reply_free(&job);
}

static void results_outlive_a_restart_and_go_when_the_job_is_forgotten(void **state)
{
    (void)state;
    long long id = visual_submit(server, NULL, "/v1/visualize?class=1&steps=2&octaves=1");
    photo before = result_of(id);
    captiond_stop(server);
    server = serve();
    photo after = result_of(id);
    expect_same(&before, &after);
    for (int i = 0; i < 5; i++) /* --job-memory is 3; forgetting happens when a job is added */
        training_expect(server, visual_submit(server, NULL, "/v1/visualize?class=1&steps=1&octaves=1"), "succeeded");
    reply r = dataset_ask(server, "GET", "/v1/jobs/%lld/pictures/result.png", id);
    client_expect_problem(&r, 404, "unknown-job");
    reply_free(&r);
    for (int i = 0; i < 3000 && visual_count_files(id, "") > 0; i++)
        usleep(10000);
    assert_int_equal(visual_count_files(id, ""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cancelled_job_stops_and_leaves_nothing),
        cmocka_unit_test(a_killed_daemon_s_job_is_done_by_the_next),
        cmocka_unit_test(a_job_that_was_queued_is_done_too),
        cmocka_unit_test(sigterm_hands_the_job_to_the_next_daemon),
        cmocka_unit_test(a_result_that_is_ready_is_not_made_again),
        cmocka_unit_test(results_outlive_a_restart_and_go_when_the_job_is_forgotten),
    };
    return cmocka_run_group_tests(tests, start, end);
}
