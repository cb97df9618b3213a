/* Two daemons on one data directory; and what one finds that was stopped and started again. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/scratch.h"

enum { EACH = 15 };

static void expect_items(const captiond *c, const char *name, int items, int captions)
{
    reply r = dataset_ask(c, "GET", "/v1/datasets/%s", name);
    assert_int_equal(r.status, 200);
    assert_int_equal(reply_number(&r, "items"), items);
    assert_int_equal(reply_number(&r, "captions"), captions);
    reply_free(&r);
}

static void delete_dataset(const captiond *c, const char *name)
{
    reply r = dataset_ask(c, "DELETE", "/v1/datasets/%s", name);
    assert_int_equal(r.status, 200);
    reply_free(&r);
}

static void one_sees_what_the_other_stores(void **state)
{
    (void)state;
    captiond *a = captiond_serve(NULL), *b = captiond_serve(NULL);
    dataset_make(a, "pets");
    long long id = dataset_fill(b, "pets", 1, "a dog");
    expect_items(a, "pets", 1, 1);
    reply r = dataset_ask(a, "DELETE", "/v1/datasets/pets/items/%lld", id);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    expect_items(b, "pets", 0, 0);
    assert_int_equal(dataset_count_files(scratch_path("data")), 0);
    delete_dataset(b, "pets");
    captiond_stop(a);
    captiond_stop(b);
}

typedef struct uploader {
    const captiond *c;
    const char *caption;
    int failures;
} uploader;

static void *upload(void *context)
{
    uploader *u = context;
    for (unsigned seed = 0; seed < EACH; seed++) {
        photo image = photo_make("png", 60, 50, seed);
        reply r = dataset_add(u->c, "pets", &image, (const char *const[]){u->caption, NULL});
        u->failures += r.error != CURLE_OK || (r.status != 200 && r.status != 201);
        reply_free(&r);
        photo_free(&image);
    }
    return NULL;
}

/* Both add the same pictures at the same time: each becomes one item with both captions. */
static void both_may_write_at_once(void **state)
{
    (void)state;
    captiond *c[2] = {captiond_serve(NULL), captiond_serve(NULL)};
    uploader uploaders[4] = {{c[0], "first", 0}, {c[1], "second", 0}, {c[0], "third", 0}, {c[1], "fourth", 0}};
    pthread_t threads[4];
    dataset_make(c[0], "pets");
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, upload, &uploaders[i]), 0);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(uploaders[i].failures, 0);
    }
    expect_items(c[0], "pets", EACH, 4 * EACH);
    expect_items(c[1], "pets", EACH, 4 * EACH);
    assert_int_equal(dataset_count_files(scratch_path("data")), EACH);
    delete_dataset(c[0], "pets");
    captiond_stop(c[0]);
    captiond_stop(c[1]);
}

/* A starting daemon sweeps what dead ones left, not what a living one is at. */
static void a_start_leaves_the_uploads_of_others_alone(void **state)
{
    (void)state;
    captiond *c = captiond_serve(NULL);
    uploader u = {c, "a cat", 0};
    pthread_t thread;
    dataset_make(c, "pets");
    assert_int_equal(pthread_create(&thread, NULL, upload, &u), 0);
    for (int i = 0; i < 3; i++)
        captiond_stop(captiond_serve(NULL));
    pthread_join(thread, NULL);
    assert_int_equal(u.failures, 0);
    expect_items(c, "pets", EACH, EACH);
    delete_dataset(c, "pets");
    captiond_stop(c);
}

static void several_may_start_at_once_on_an_empty_directory(void **state)
{
    enum { DAEMONS = 4 };
    char data[256];
    captiond *c[DAEMONS];
    (void)state;
    snprintf(data, sizeof data, "%s", scratch_path("fresh/below/data"));
    for (int i = 0; i < DAEMONS; i++)
        c[i] = captiond_serve_loading((const char *[]){"--data", data, NULL});
    for (int i = 0; i < DAEMONS; i++) {
        captiond_wait_log(c[i], "event=ready", 1);
        assert_int_equal(captiond_count_log(c[i], "event=no-data"), 0);
        assert_int_equal(captiond_count_log(c[i], "event=no-jobs"), 0);
    }
    dataset_make(c[0], "pets");
    for (int i = 0; i < DAEMONS; i++)
        expect_items(c[i], "pets", 0, 0);
    for (int i = 0; i < DAEMONS; i++)
        captiond_stop(c[i]);
}

/* ---- features -------------------------------------------------------------------------------------------------- */

static void wait_for_features(const captiond *c, int items)
{
    const struct timespec pause = {0, 20000000};
    for (int ready = -1; ready != items; nanosleep(&pause, NULL)) {
        reply r = dataset_ask(c, "GET", "/v1/datasets/pets");
        ready = (int)reply_number(&r, "features_ready");
        reply_free(&r);
    }
}

/* The one file in DATA/features. */
static void find_cache(const char *data, char path[600])
{
    char pattern[300];
    snprintf(pattern, sizeof pattern, "ls %s/features/*.features", data);
    FILE *listing = popen(pattern, "r");
    assert_non_null(listing);
    assert_non_null(fgets(path, 600, listing));
    path[strcspn(path, "\n")] = '\0';
    pclose(listing);
}

static long long size_of(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 ? (long long)facts.st_size : -1;
}

static void features_outlive_a_restart_and_are_computed_again_if_lost(void **state)
{
    enum { IMAGES = 3 };
    const struct timespec pause = {0, 20000000};
    char data[256], cache[600];
    (void)state;
    snprintf(data, sizeof data, "%s", scratch_path("learnt"));
    const char *const options[] = {"--data", data, NULL};
    captiond *c = captiond_serve(options);
    dataset_make(c, "pets");
    for (unsigned i = 0; i < IMAGES; i++)
        dataset_fill(c, "pets", 10 + i, "a dog");
    wait_for_features(c, IMAGES);
    captiond_stop(c);
    find_cache(data, cache);
    long long size = size_of(cache);

    c = captiond_serve(options);
    wait_for_features(c, IMAGES);
    captiond_stop(c);
    assert_int_equal(size_of(cache), size); /* nothing was computed twice */

    assert_int_equal(remove(cache), 0);
    c = captiond_serve(options);
    while (size_of(cache) < size)
        nanosleep(&pause, NULL);
    wait_for_features(c, IMAGES);
    captiond_stop(c);
    assert_int_equal(size_of(cache), size);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_sees_what_the_other_stores),
        cmocka_unit_test(both_may_write_at_once),
        cmocka_unit_test(a_start_leaves_the_uploads_of_others_alone),
        cmocka_unit_test(several_may_start_at_once_on_an_empty_directory),
        cmocka_unit_test(features_outlive_a_restart_and_are_computed_again_if_lost),
    };
    return cmocka_run_group_tests_name("shared_data", tests, captiond_setup, captiond_teardown);
}
