/* No answer tells where on the machine a file is, whatever is broken: the reason stands in the log, with the path. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/scratch.h"
#include "tests/support/training.h"

static char place[512]; /* the scratch directory */

/* Frees the answer. */
static void check(reply *r, const char *path, long status)
{
    if (r->status != status)
        fail_msg("%s: %ld instead of %ld: %s", path, r->status, status, r->body);
    if (strstr(r->body, place) || strstr(r->headers, place))
        fail_msg("%s tells where: %s", path, r->body);
    reply_free(r);
}

static void check_get(const captiond *c, const char *path, long status)
{
    reply r = dataset_ask(c, "GET", "%s", path);
    check(&r, path, status);
}

static int start(void **state)
{
    if (captiond_setup(state))
        return -1;
    snprintf(place, sizeof place, "%s", scratch_path(""));
    place[strlen(place) - 1] = '\0';
    return 0;
}

static void of_a_data_directory_that_is_none(void **state)
{
    char data[600];
    (void)state;
    snprintf(data, sizeof data, "%s", scratch_write("file", "x", 1));
    captiond *c = captiond_serve((const char *[]){"--data", data, NULL});
    captiond_wait_log(c, place, 1);
    check_get(c, "/v1/datasets", 503);
    check_get(c, "/v1/jobs", 503);
    reply r = training_post(c, "{\"dataset\":\"pets\",\"model\":\"m\"}");
    check(&r, "/v1/train", 503);
    captiond_stop(c);
}

static void of_a_broken_index(void **state)
{
    char data[600];
    (void)state;
    snprintf(data, sizeof data, "%s", scratch_path("broken"));
    captiond_stop(captiond_serve((const char *[]){"--data", data, NULL}));
    scratch_write("broken/captiond.db",
                  "this is no database, but more than a hundred bytes of text, and so it is "
                  "looked at as one and refused, as it should be.",
                  119);
    captiond *c = captiond_serve((const char *[]){"--data", data, NULL});
    captiond_wait_log(c, place, 1);
    check_get(c, "/v1/datasets", 503);
    check_get(c, "/v1/datasets/pets/items", 503);
    captiond_stop(c);
}

/* Nor is what is lost while it serves. */
static void of_a_store_that_is_taken_away(void **state)
{
    char data[600], old[700];
    (void)state;
    snprintf(data, sizeof data, "%s", scratch_path("taken"));
    captiond *c = captiond_serve((const char *[]){"--data", data, NULL});
    dataset_make(c, "pets");
    photo image = photo_make("png", 60, 50, 7);
    snprintf(old, sizeof old, "%s/captiond.db", data);
    assert_int_equal(unlink(old), 0);
    reply r = dataset_add(c, "pets", &image, (const char *const[]){"a dog", NULL});
    check(&r, "an item without an index", r.status >= 500 ? r.status : 500);
    photo_free(&image);
    captiond_kill(c);
}

static void of_broken_models(void **state)
{
    static const char *const paths[] = {"/v1/models", "/readyz", "/v1/models/bad", "/v2/models/bad",
                                        "/v2/models/bad/ready"};
    char bad[600], models[1300], tiny[600];
    (void)state;
    snprintf(bad, sizeof bad, "%s", scratch_write("bad.safetensors", "not weights", 11));
    snprintf(tiny, sizeof tiny, "%s", scratch_path("tiny.safetensors"));
    snprintf(models, sizeof models, "%s,%s", tiny, bad);
    captiond *c = captiond_serve_loading((const char *[]){"--models", models, "--model", "bad", NULL});
    captiond_wait_log(c, "event=ready", 1);
    captiond_wait_log(c, place, 1);
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        reply r = dataset_ask(c, "GET", "%s", paths[i]);
        check(&r, paths[i], r.status);
    }
    photo image = photo_make("png", 60, 50, 7);
    reply r = client_ask(c, &(request){.path = "/v1/caption", .body = image.bytes, .size = image.size});
    assert_non_null(strstr(reply_string(&r, "detail"), "bad.safetensors"));
    check(&r, "/v1/caption", 503);
    photo_free(&image);
    captiond_stop(c);
}

static void of_a_training_that_fails(void **state)
{
    (void)state;
    char path[64];
    scratch_write("captions.tsv", "nowhere.jpg\ta dog\nnor-there.jpg\ta cat\n", 38);
    captiond *c = captiond_serve((const char *[]){"--training-root", place, NULL});
    long long id =
        training_submit(c, "{\"dataset\":{\"images\":\".\",\"captions\":\"captions.tsv\"},\"model\":\"m\",\"epochs\":1,"
                           "\"from_scratch\":true,\"hidden\":8,\"words\":8,\"minimum_count\":1,\"dev_fraction\":0}");
    reply r = training_wait(c, id, "failed");
    assert_non_null(strstr(reply_string(&r, "error"), "nowhere.jpg"));
    check(&r, "the job", 200);
    captiond_wait_log(c, place, 1);
    snprintf(path, sizeof path, "/v1/jobs/%lld/events", id);
    check_get(c, path, 200);
    check_get(c, "/v1/jobs", 200);
    r = training_post(c, "{\"dataset\":{\"images\":\"none\",\"captions\":\"captions.tsv\"},\"model\":\"n\"}");
    check(&r, "a folder that is not there", 404);
    r = training_post(c, "{\"dataset\":{\"images\":\"/etc\",\"captions\":\"../../etc/passwd\"},\"model\":\"n\"}");
    check(&r, "files elsewhere", r.status == 404 ? 404 : 403);
    captiond_stop(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_data_directory_that_is_none), cmocka_unit_test(of_a_broken_index),
        cmocka_unit_test(of_a_store_that_is_taken_away),    cmocka_unit_test(of_broken_models),
        cmocka_unit_test(of_a_training_that_fails),
    };
    return cmocka_run_group_tests_name("no_paths", tests, start, captiond_teardown);
}
