/* A training job outlives its daemon: killed at any moment, or told to stop, it is gone on with by the next one, and
 * the model is the very file that an undisturbed job writes. */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/lessons.h"
#include "tests/support/scratch.h"
#include "tests/support/served.h"
#include "tests/support/training.h"

enum { EPOCHS = 120, KILLS = 20, PICTURES = 8, LONGEST_PAUSE_MS = 400 };

/* Dropout, averages and dev scores, so that there is much to get wrong; dataset, model. */
#define RUN                                                                                                            \
    "{\"dataset\":\"%s\",\"model\":\"%s\"," TRAINING_SCRATCH                                                           \
    ",\"epochs\":120,\"hidden\":24,\"words\":12,\"minimum_count\":1,\"batch\":3,"                                      \
    "\"dropout\":0.3,\"average\":0.9,\"patience\":0,\"dev_fraction\":0.25,\"seed\":7}"

static int start(void **state)
{
    if (served_start(state, (photo){0}, NULL))
        return -1;
    training_upload(served, "lessons", PICTURES);
    training_expect(served, training_submit(served, RUN, "lessons", "whole"), "succeeded");
    return 0;
}

static void expect_same_model(const char *name)
{
    size_t size, whole_size;
    unsigned char *whole = training_model("whole", &whole_size), *other = training_model(name, &size);
    assert_int_equal(size, whole_size);
    assert_memory_equal(other, whole, size);
    free(whole);
    free(other);
}

static void pause_ms(unsigned ms)
{
    const struct timespec pause = {0, ms * 1000000L};
    nanosleep(&pause, NULL);
}

/* Each epoch and iteration stands there once and in order, although some were run twice. What was told in the last
 * moment before a kill may be missing. */
static void expect_orderly(const cJSON *list, double (*key)(const cJSON *item), double last)
{
    double before = 0;
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        assert_true(key(item) > before);
        before = key(item);
    }
    assert_true(before == last);
}

static double epoch_of(const cJSON *scores)
{
    return cJSON_GetObjectItemCaseSensitive(scores, "epoch")->valuedouble;
}

static double iteration_of(const cJSON *point)
{
    return cJSON_GetArrayItem(point, 0)->valuedouble;
}

static void expect_orderly_history(const reply *job)
{
    const cJSON *progress = cJSON_GetObjectItemCaseSensitive(job->json, "progress");
    expect_orderly(cJSON_GetObjectItemCaseSensitive(progress, "dev_scores"), epoch_of, EPOCHS);
    expect_orderly(cJSON_GetObjectItemCaseSensitive(progress, "loss_history"), iteration_of,
                   reply_number(job, "progress/iterations"));
}

static void killed_at_twenty_random_moments_it_writes_the_same_model(void **state)
{
    unsigned long long random = 20240501;
    int adopted = 0;
    (void)state;
    long long id = training_submit(served, RUN, "lessons", "killed");
    for (int i = 0; i < KILLS; i++) {
        pause_ms(scratch_random(&random) % LONGEST_PAUSE_MS);
        captiond_signal(served, SIGKILL);
        adopted += captiond_count_log(served, "event=job-adopted");
        assert_int_equal(captiond_wait(served), 128 + SIGKILL);
        served = captiond_serve(NULL);
    }
    reply job = training_wait(served, id, "succeeded");
    expect_orderly_history(&job);
    reply_free(&job);
    assert_true(adopted > 0);
    expect_same_model("killed");
}

/* Takes SQLite's write lock of the jobs, as its file format has it for WAL; closing gives it back. */
static int lock_jobs(void)
{
    enum { WAL_WRITE_LOCK = 120 };
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = WAL_WRITE_LOCK, .l_len = 1};
    int fd = open(scratch_path("data/jobs.db-shm"), O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_OFD_SETLKW, &lock), 0);
    return fd;
}

/* What nothing could be stored of, because all was over before, is done again. */
static void killed_before_the_end_was_stored_it_tells_of_it_later(void **state)
{
    enum { LONGER_THAN_THE_RUN_MS = 999 };
    (void)state;
    long long id = training_submit(served, RUN, "lessons", "unheard");
    training_wait_iteration(served, id, 1);
    int lock = lock_jobs();
    pause_ms(LONGER_THAN_THE_RUN_MS);
    captiond_signal(served, SIGKILL);
    assert_int_equal(captiond_wait(served), 128 + SIGKILL);
    close(lock);
    served = captiond_serve(NULL);
    reply job = training_wait(served, id, "succeeded");
    expect_orderly_history(&job);
    reply_free(&job);
    expect_same_model("unheard");
}

static void told_to_stop_it_writes_a_checkpoint_and_goes_on_later(void **state)
{
    int interruptions = 0;
    (void)state;
    long long id = training_submit(served, RUN, "lessons", "stopped");
    for (int i = 0; i < 3; i++) {
        training_wait_iteration(served, id, 10 * (i + 1));
        captiond_signal(served, SIGTERM);
        captiond_wait_log(served, "event=stopped", 1);
        int interrupted = captiond_count_log(served, "event=job-interrupted");
        assert_int_equal(captiond_wait(served), 0);
        assert_int_equal(access(scratch_path("data/models/stopped.safetensors"), F_OK), interrupted ? -1 : 0);
        interruptions += interrupted;
        served = captiond_serve(NULL);
    }
    assert_true(interruptions > 0); /* the last may find it done already */
    training_expect(served, id, "succeeded");
    expect_same_model("stopped");
}

static void jobs_wait_in_line_across_restarts(void **state)
{
    (void)state;
    long long first = training_submit(served, TRAINING_ENDLESS, "lessons", "first");
    long long second = training_submit(served, TRAINING_TINY, "lessons", "second", 1);
    training_wait_iteration(served, first, 1);
    captiond_signal(served, SIGKILL);
    captiond_wait(served);
    served = captiond_serve(NULL);
    captiond_wait_log(served, "event=job-started", 1);
    reply r = dataset_ask(served, "GET", "/v1/jobs/%lld", second);
    assert_string_equal(reply_string(&r, "state"), "queued");
    reply_free(&r);
    r = dataset_ask(served, "DELETE", "/v1/jobs/%lld", first);
    reply_free(&r);
    training_expect(served, second, "succeeded");
}

static void what_a_queued_job_is_to_learn_cannot_be_deleted(void **state)
{
    (void)state;
    training_upload(served, "needed", PICTURES);
    long long first = training_submit(served, TRAINING_ENDLESS, "lessons", "occupies");
    training_wait_state(served, first, "running");
    long long second = training_submit(served, RUN, "needed", "waits");
    reply r = dataset_ask(served, "DELETE", "/v1/datasets/needed");
    client_expect_problem(&r, 409, "dataset-in-use");
    reply_free(&r);
    training_cancel(served, first);
    training_expect(served, second, "succeeded");
    expect_same_model("waits");
    r = dataset_ask(served, "DELETE", "/v1/datasets/needed");
    assert_int_equal(r.status, 200);
    reply_free(&r);
}

static void what_was_deleted_meanwhile_does_not_matter(void **state)
{
    (void)state;
    training_upload(served, "doomed", PICTURES);
    long long id = training_submit(served, RUN, "doomed", "orphan");
    training_wait_iteration(served, id, 1);
    reply r = dataset_ask(served, "DELETE", "/v1/datasets/doomed");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    captiond_signal(served, SIGKILL);
    captiond_wait(served);
    served = captiond_serve(NULL);
    training_expect(served, id, "succeeded");
    expect_same_model("orphan");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(killed_at_twenty_random_moments_it_writes_the_same_model),
        cmocka_unit_test(killed_before_the_end_was_stored_it_tells_of_it_later),
        cmocka_unit_test(told_to_stop_it_writes_a_checkpoint_and_goes_on_later),
        cmocka_unit_test(jobs_wait_in_line_across_restarts),
        cmocka_unit_test(what_a_queued_job_is_to_learn_cannot_be_deleted),
        cmocka_unit_test(what_was_deleted_meanwhile_does_not_matter),
    };
    return cmocka_run_group_tests(tests, start, served_end);
}
