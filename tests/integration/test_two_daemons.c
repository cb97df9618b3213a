/* Two daemons on one data directory: one serves what the other has trained, either knows and may cancel any job, and
 * the one that is left goes on with what the other had begun. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/lessons.h"
#include "tests/support/training.h"

static captiond *first, *second;

static int start(void **state)
{
    if (captiond_setup(state))
        return -1;
    first = captiond_serve(NULL);
    second = captiond_serve(NULL);
    training_upload(first, "lessons", 6);
    return 0;
}

static int end(void **state)
{
    captiond_stop(first);
    captiond_stop(second);
    return captiond_teardown(state);
}

static void a_model_that_one_activates_serves_in_both(void **state)
{
    (void)state;
    long long id = training_submit(first, TRAINING_TINY, "lessons", "shared", 40);
    training_expect(second, id, "succeeded");
    reply r = dataset_ask(first, "POST", "/v1/models/shared/activate");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    r = dataset_ask(second, "DELETE", "/v1/models/shared"); /* which may not have looked since */
    client_expect_problem(&r, 409, "model-in-use");
    reply_free(&r);
    captiond_wait_log(second, "event=activated model=shared", 1);
    for (int i = 0; i < 6; i++) {
        char *text = training_caption(second, i, NULL);
        assert_string_equal(text, lesson_caption(i));
        free(text);
    }
    r = dataset_ask(second, "POST", "/v1/models/tiny/activate");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    captiond_wait_log(first, "event=activated model=tiny", 1);
}

static void a_name_that_one_has_taken_is_taken_in_both(void **state)
{
    (void)state;
    reply r = training_post(second, TRAINING_TINY, "lessons", "shared", 1);
    client_expect_problem(&r, 409, "name-taken");
    reply_free(&r);
}

static void one_training_runs_at_a_time_over_both(void **state)
{
    (void)state;
    long long a = training_submit(first, TRAINING_ENDLESS, "lessons", "a");
    training_wait_iteration(first, a, 1);
    int started = captiond_count_log(first, "event=job-started") + captiond_count_log(second, "event=job-started");
    long long b = training_submit(second, TRAINING_TINY, "lessons", "b", 1);
    training_wait_iteration(second, a, 20);
    reply r = dataset_ask(first, "GET", "/v1/jobs/%lld", b);
    assert_string_equal(reply_string(&r, "state"), "queued");
    reply_free(&r);
    assert_int_equal(captiond_count_log(first, "event=job-started") + captiond_count_log(second, "event=job-started"),
                     started);
    r = dataset_ask(first, "DELETE", "/v1/jobs/%lld", a);
    reply_free(&r);
    training_expect(first, b, "succeeded");
}

static void either_may_follow_and_cancel_any_job(void **state)
{
    char path[64];
    (void)state;
    captiond *runner = first, *other = second;
    int started = captiond_count_log(first, "event=job-started");
    long long id = training_submit(first, TRAINING_ENDLESS, "lessons", "cancelled");
    training_wait_iteration(first, id, 1);
    if (captiond_count_log(first, "event=job-started") == started) {
        runner = second;
        other = first;
    }
    int ended = captiond_count_log(runner, "event=job-ended");
    snprintf(path, sizeof path, "/v1/jobs/%lld/events", id);
    asking *follower = client_begin(other, &(request){.path = path});
    captiond_wait_log(other, "event=stream ", 1);
    reply r = dataset_ask(other, "DELETE", "/v1/jobs/%lld", id);
    assert_string_equal(reply_string(&r, "state"), "cancelled");
    reply_free(&r);
    captiond_wait_log(runner, "event=job-ended", ended + 1);
    r = client_end(follower);
    assert_non_null(strstr(r.body, "event: end\ndata: {\"state\":\"cancelled\"}"));
    reply_free(&r);
}

static void the_one_that_is_left_goes_on_with_the_job(void **state)
{
    (void)state;
    int started = captiond_count_log(first, "event=job-started");
    long long id = training_submit(first, TRAINING_TINY, "lessons", "orphan", 60);
    training_wait_iteration(first, id, 1);
    captiond **runner = captiond_count_log(first, "event=job-started") > started ? &first : &second;
    captiond *other = runner == &first ? second : first;
    captiond_signal(*runner, SIGKILL);
    captiond_wait(*runner);
    captiond_wait_log(other, "event=job-adopted", 1);
    training_expect(other, id, "succeeded");
    *runner = captiond_serve(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_model_that_one_activates_serves_in_both),
        cmocka_unit_test(a_name_that_one_has_taken_is_taken_in_both),
        cmocka_unit_test(one_training_runs_at_a_time_over_both),
        cmocka_unit_test(either_may_follow_and_cancel_any_job),
        cmocka_unit_test(the_one_that_is_left_goes_on_with_the_job),
    };
    return cmocka_run_group_tests(tests, start, end);
}
