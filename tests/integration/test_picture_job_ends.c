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
#include "tests/support/served.h"
#include "tests/support/training.h"
#include "tests/support/visual.h"

static const char *const options[] = {"--max-ended-jobs", "3", NULL};

static int start(void **state)
{
    return served_start(state, visual_photo(), options);
}

static void a_cancelled_job_stops_and_leaves_nothing(void **state)
{
    (void)state;
    int ended = captiond_count_log(served, "event=job-ended");
    long long id = visual_submit(served, &served_photo, "/v1/dream?octaves=8&steps=100&max_side=448&preview_every=1");
    visual_wait_step(served, id, 1);
    assert_int_equal(visual_count_files(id, "input"), 1);
    training_cancel(served, id);
    captiond_wait_log(served, "event=job-ended", ended + 1);
    training_expect(served, id, "cancelled");
    for (int i = 0; i < 30000 && visual_count_files(id, "") > 0; i++)
        usleep(10000);
    assert_int_equal(visual_count_files(id, ""), 0);
    reply r = dataset_ask(served, "GET", "/v1/jobs/%lld/pictures/preview-0.png", id);
    client_expect_problem(&r, 404, "unknown-picture");
    reply_free(&r);
}

/* The PNG of the job's result, malloc'd. */
static photo result_of(long long id)
{
    photo png;
    reply job = training_wait(served, id, "succeeded");
    reply r = dataset_ask(served, "GET", "%s", reply_string(&job, "result/pictures/result"));
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
    photo whole = result_of(visual_submit(served, &served_photo, RESUMED));
    long long id = visual_submit(served, &served_photo, RESUMED);
    visual_wait_step(served, id, 4);
    captiond_kill(served);
    served = captiond_serve(options);
    photo resumed = result_of(id);
    expect_same(&whole, &resumed);
}

static void a_job_that_was_queued_is_done_too(void **state)
{
    (void)state;
    long long first = visual_submit(served, &served_photo, "/v1/invert?steps=900");
    long long second = visual_submit(served, NULL, "/v1/visualize?class=1&steps=3&octaves=1");
    visual_wait_step(served, first, 1);
    captiond_kill(served); /* both were answered 202 */
    served = captiond_serve(options);
    training_cancel(served, first);
    photo png = result_of(second);
    photo_free(&png);
}

static void sigterm_hands_the_job_to_the_next_daemon(void **state)
{
    (void)state;
    long long id = visual_submit(served, NULL, "/v1/visualize?class=1&steps=900&octaves=1");
    visual_wait_step(served, id, 1);
    captiond_stop(served);
    served = captiond_serve(options);
    visual_wait_step(served, id, 1);
    training_cancel(served, id);
}

/* Killed between the last picture and the end of the job: what is there is told, and not made again. */
static void a_result_that_is_ready_is_not_made_again(void **state)
{
    char name[64];
    size_t size;
    (void)state;
    long long id = visual_submit(served, NULL, "/v1/visualize?class=1&steps=900&octaves=1");
    visual_wait_step(served, id, 1);
    captiond_kill(served);
    snprintf(name, sizeof name, "data/jobs/%lld/result.json", id);
    scratch_write(name, "{\"ready\":true}", strlen("{\"ready\":true}"));
    free(scratch_read(scratch_path(name), &size));
    served = captiond_serve(options);
    reply job = training_wait(served, id, "succeeded");
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetObjectItem(job.json, "result"), "ready")));
    reply_free(&job);
}

static void results_outlive_a_restart_and_go_when_the_job_is_forgotten(void **state)
{
    (void)state;
    long long id = visual_submit(served, NULL, "/v1/visualize?class=1&steps=2&octaves=1");
    photo before = result_of(id);
    captiond_stop(served);
    served = captiond_serve(options);
    photo after = result_of(id);
    expect_same(&before, &after);
    for (int i = 0; i < 5; i++) /* --max-ended-jobs is 3; forgetting happens when a job is added */
        training_expect(served, visual_submit(served, NULL, "/v1/visualize?class=1&steps=1&octaves=1"), "succeeded");
    reply r = dataset_ask(served, "GET", "/v1/jobs/%lld/pictures/result.png", id);
    client_expect_problem(&r, 404, "unknown-job");
    reply_free(&r);
    for (int i = 0; i < 30000 && visual_count_files(id, "") > 0; i++)
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
    return cmocka_run_group_tests(tests, start, served_end);
}
