/* Two daemons on one data directory: one serves what the other has trained, either knows and may cancel any job, and
 * the one that is left goes on with what the other had begun. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/lessons.h"
#include "tests/support/scratch.h"
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

static int is_active_and_gone(const char *name)
{
    char link[64] = "", file[96];
    ssize_t length = readlink(scratch_path("data/models/active"), link, sizeof link - 1);
    snprintf(file, sizeof file, "data/models/%s.safetensors", name);
    return length > 0 && strcmp(link, name) == 0 && access(scratch_path(file), F_OK) != 0;
}

static void put_rival(const unsigned char *bytes, size_t size)
{
    char path[300];
    snprintf(path, sizeof path, "%s", scratch_path("data/models/rival.safetensors"));
    assert_int_equal(rename(scratch_write("data/models/.rival", bytes, size), path), 0);
}

/* One activates what the other deletes: whoever is first, the active model's file is there. */
static void what_one_activates_the_other_does_not_delete_at_once(void **state)
{
    enum { ROUNDS = 60 };
    size_t size;
    (void)state;
    unsigned char *bytes = training_model("shared", &size);
    for (int i = 0; i < ROUNDS; i++) {
        put_rival(bytes, size);
        asking *activation = client_begin(first, &(request){.method = "POST", .path = "/v1/models/rival/activate"});
        reply deletion = dataset_ask(second, "DELETE", "/v1/models/rival");
        reply activated = client_end(activation);
        assert_false(is_active_and_gone("rival"));
        assert_true(deletion.status == 200 || deletion.status == 409);
        assert_true(activated.status == 200 || deletion.status == 200);
        reply_free(&deletion);
        reply_free(&activated);
        reply r = dataset_ask(first, "POST", "/v1/models/tiny/activate");
        reply_free(&r);
    }
    free(bytes);
}

/* One that did not look for a while finds a new default, and the old one gone. */
static void what_one_deleted_serves_in_none(void **state)
{
    size_t size;
    (void)state;
    unsigned char *bytes = training_model("shared", &size);
    put_rival(bytes, size);
    reply r =
        dataset_ask(second, "POST", "/v1/models/tiny/activate"); /* it may not have seen yet that the link says so */
    reply_free(&r);
    int rivals = captiond_count_log(second, "event=activated model=rival");
    r = dataset_ask(first, "POST", "/v1/models/rival/activate");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    captiond_wait_log(second, "event=activated model=rival", rivals + 1);
    int activated = captiond_count_log(second, "event=activated model=tiny");
    captiond_signal(second, SIGSTOP);
    r = dataset_ask(first, "POST", "/v1/models/tiny/activate");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    r = dataset_ask(first, "DELETE", "/v1/models/rival");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    const struct timespec settled = {(long)time(NULL) - 60, 0}; /* as if it had changed a minute ago */
    assert_int_equal(utimensat(AT_FDCWD, scratch_path("data/models"), (const struct timespec[2]){settled, settled}, 0),
                     0);
    captiond_signal(second, SIGCONT);
    captiond_wait_log(second, "event=activated model=tiny", activated + 1);
    r = dataset_ask(second, "GET", "/v1/models/rival");
    client_expect_problem(&r, 404, "unknown-model");
    reply_free(&r);
    free(bytes);
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
        cmocka_unit_test(what_one_activates_the_other_does_not_delete_at_once),
        cmocka_unit_test(what_one_deleted_serves_in_none),
        cmocka_unit_test(a_name_that_one_has_taken_is_taken_in_both),
        cmocka_unit_test(one_training_runs_at_a_time_over_both),
        cmocka_unit_test(either_may_follow_and_cancel_any_job),
        cmocka_unit_test(the_one_that_is_left_goes_on_with_the_job),
    };
    return cmocka_run_group_tests(tests, start, end);
}
