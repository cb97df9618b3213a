/* A training that the disk has no room for fails with that reason, gives back what it took, and captions go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/lessons.h"
#include "tests/support/scratch.h"
#include "tests/support/training.h"

/* Its checkpoint takes 40 MB. */
#define LARGE                                                                                                          \
    "{\"dataset\":\"lessons\",\"model\":\"%s\"," TRAINING_SCRATCH                                                      \
    ",\"epochs\":2,\"hidden\":512,\"words\":512,\"minimum_count\":1,"                                                  \
    "\"dev_fraction\":0,\"flip\":false}"

static void expect_alive(const captiond *c)
{
    char *text = training_caption(c, 0, NULL);
    assert_non_null(text);
    free(text);
}

static void expect_failure(const captiond *c, const char *data, const char *reason)
{
    char path[300];
    long long id = training_submit(c, LARGE, "large");
    reply job = training_wait(c, id, "failed");
    if (!strstr(reply_string(&job, "error"), reason))
        fail_msg("\"%s\" does not say \"%s\"", reply_string(&job, "error"), reason);
    reply_free(&job);
    expect_alive(c);
    training_expect(c, training_submit(c, TRAINING_TINY, "lessons", "small", 2), "succeeded");
    snprintf(path, sizeof path, "%s/jobs/%lld", data, id);
    assert_int_not_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/models/large.safetensors", data);
    assert_int_not_equal(access(path, F_OK), 0);
    snprintf(path, sizeof path, "%s/models/small.safetensors", data);
    assert_int_equal(access(path, F_OK), 0);
}

static void on_a_full_disk(void **state)
{
    char place[256], data[280];
    (void)state;
    snprintf(place, sizeof place, "%s", scratch_path("small"));
    snprintf(data, sizeof data, "%s/data", place);
    mkdir(place, 0700);
    if (mount("tmpfs", place, "tmpfs", 0, "size=24m") != 0) {
        print_message("# this user may not mount a file system\n");
        skip();
    }
    captiond *c = captiond_serve((const char *[]){"--data", data, "--min-free-mb", "0", NULL});
    training_upload(c, "lessons", 4);
    expect_failure(c, data, "No space left on device");
    captiond_stop(c);
    assert_int_equal(umount(place), 0);
}

static void with_a_limit_on_file_sizes(void **state)
{
    const struct rlimit small = {8 << 20, RLIM_INFINITY};
    struct rlimit before;
    char data[256];
    (void)state;
    snprintf(data, sizeof data, "%s", scratch_path("limited"));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    captiond *c = captiond_serve((const char *[]){"--data", data, NULL});
    setrlimit(RLIMIT_FSIZE, &before);
    training_upload(c, "lessons", 4);
    expect_failure(c, data, "File too large");
    captiond_stop(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(on_a_full_disk),
        cmocka_unit_test(with_a_limit_on_file_sizes),
    };
    return cmocka_run_group_tests_name("train_disk_full", tests, captiond_setup, captiond_teardown);
}
