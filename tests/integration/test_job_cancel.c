/* DELETE /v1/jobs/ID: a job is cancelled when the answer says so, and stays cancelled. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/lessons.h"
#include "tests/support/scratch.h"
#include "tests/support/served.h"
#include "tests/support/training.h"

static int start(void **state)
{
    if (served_start(state, (photo){0}, (const char *[]){"--max-jobs", "3", NULL}))
        return -1;
    training_upload(served, "lessons", 6);
    return 0;
}

static void expect_state(long long id, const char *state)
{
    reply r = dataset_ask(served, "GET", "/v1/jobs/%lld", id);
    assert_string_equal(reply_string(&r, "state"), state);
    reply_free(&r);
}

static int has_files(long long id)
{
    char name[64];
    snprintf(name, sizeof name, "data/jobs/%lld", id);
    return access(scratch_path(name), F_OK) == 0;
}

static void a_running_job_is_cancelled_and_its_thread_ends(void **state)
{
    (void)state;
    int ended = captiond_count_log(served, "event=job-ended");
    long long id = training_submit(served, TRAINING_ENDLESS, "lessons", "running");
    training_wait_iteration(served, id, 1);
    assert_true(has_files(id));
    training_cancel(served, id);
    captiond_wait_log(served, "event=job-ended", ended + 1);
    expect_state(id, "cancelled");
}

static void a_queued_job_is_cancelled_and_never_runs(void **state)
{
    (void)state;
    int started = captiond_count_log(served, "event=job-started");
    long long first = training_submit(served, TRAINING_ENDLESS, "lessons", "first");
    training_wait_state(served, first, "running");
    long long second = training_submit(served, TRAINING_ENDLESS, "lessons", "second");
    expect_state(second, "queued"); /* one training at a time */
    training_cancel(served, second);
    training_cancel(served, first);
    long long third = training_submit(served, TRAINING_TINY, "lessons", "third", 1);
    training_expect(served, third, "succeeded");
    assert_int_equal(captiond_count_log(served, "event=job-started"), started + 2);
}

/* What a step of this one does beside its products, which are given up, takes a while. */
#define TRAINING_HEAVY                                                                                                 \
    "{\"dataset\":\"%s\",\"model\":\"%s\"," TRAINING_SCRATCH                                                           \
    ",\"epochs\":100000,\"hidden\":2048,\"words\":1024,\"minimum_count\":1,"                                           \
    "\"patience\":0,\"flip\":false}"

static void the_next_begins_when_a_cancelled_one_has_come_to_its_end(void **state)
{
    char started[64], ended[64];
    (void)state;
    long long heavy = training_submit(served, TRAINING_HEAVY, "lessons", "heavy");
    training_wait_state(served, heavy, "running");
    long long next = training_submit(served, TRAINING_TINY, "lessons", "behind-heavy", 1);
    training_cancel(served, heavy);
    snprintf(started, sizeof started, "event=job-started job=%lld ", next);
    snprintf(ended, sizeof ended, "event=job-ended job=%lld ", heavy);
    captiond_wait_log(served, started, 1);
    assert_int_equal(captiond_count_log(served, ended), 1);
    training_expect(served, next, "succeeded");
}

static void an_ended_job_cannot_be_cancelled(void **state)
{
    (void)state;
    long long id = training_submit(served, TRAINING_TINY, "lessons", "ended", 1);
    training_expect(served, id, "succeeded");
    reply r = dataset_ask(served, "DELETE", "/v1/jobs/%lld", id);
    client_expect_problem(&r, 409, "job-ended");
    assert_non_null(strstr(reply_string(&r, "detail"), "has succeeded"));
    reply_free(&r);
    expect_state(id, "succeeded");
}

static void a_cancelled_job_stays_so_after_a_restart_and_leaves_nothing(void **state)
{
    (void)state;
    long long id = training_submit(served, TRAINING_ENDLESS, "lessons", "gone");
    training_wait_iteration(served, id, 1);
    training_cancel(served, id);
    captiond_signal(served, SIGKILL);
    captiond_wait(served);
    served = captiond_serve((const char *[]){"--max-jobs", "3", NULL});
    long long next = training_submit(served, TRAINING_TINY, "lessons", "behind", 1);
    training_expect(served, next, "succeeded");
    expect_state(id, "cancelled");
    assert_false(has_files(id));
    reply r = dataset_ask(served, "POST", "/v1/models/gone/activate");
    client_expect_problem(&r, 404, "unknown-model");
    reply_free(&r);
}

static void more_jobs_than_the_limit_are_503(void **state)
{
    long long ids[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        char model[16];
        snprintf(model, sizeof model, "m%d", i);
        ids[i] = training_submit(served, TRAINING_ENDLESS, "lessons", model);
    }
    reply r = training_post(served, TRAINING_ENDLESS, "lessons", "m3");
    client_expect_problem(&r, 503, "queue-full");
    reply_free(&r);
    for (int i = 0; i < 3; i++)
        training_cancel(served, ids[i]);
}

static void an_unknown_job_is_404(void **state)
{
    static const char *const ids[] = {"999999", "0", "-1", "x", "99999999999999999999"};
    static const char *const methods[] = {"GET", "DELETE"};
    (void)state;
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        for (size_t k = 0; k < 2; k++) {
            reply r = dataset_ask(served, methods[k], "/v1/jobs/%s", ids[i]);
            client_expect_problem(&r, 404, "unknown-job");
            reply_free(&r);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_running_job_is_cancelled_and_its_thread_ends),
        cmocka_unit_test(a_queued_job_is_cancelled_and_never_runs),
        cmocka_unit_test(the_next_begins_when_a_cancelled_one_has_come_to_its_end),
        cmocka_unit_test(an_ended_job_cannot_be_cancelled),
        cmocka_unit_test(a_cancelled_job_stays_so_after_a_restart_and_leaves_nothing),
        cmocka_unit_test(more_jobs_than_the_limit_are_503),
        cmocka_unit_test(an_unknown_job_is_404),
    };
    return cmocka_run_group_tests(tests, start, served_end);
}
