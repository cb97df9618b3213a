/* A full disk: an upload that does not fit is 507 and leaves nothing behind, what was stored before stays, captions go
 * on, and once something is deleted there is room again. Once on a tiny file system, where root may mount one; once
 * with a limit on the size of files, which anybody may set. */
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
#include "tests/support/scratch.h"
#include "tests/support/visual.h"

enum { MOST_UPLOADS = 200 };

static void expect_stored(const captiond *c, const char *data, int items)
{
    reply r = dataset_ask(c, "GET", "/v1/datasets/pets");
    if (r.status != 200)
        fprintf(stderr, "status %ld: %s\n", r.status, r.body);
    assert_int_equal(r.status, 200);
    assert_int_equal(reply_number(&r, "items"), items);
    assert_int_equal(reply_number(&r, "captions"), items);
    reply_free(&r);
    assert_int_equal(dataset_count_files(data), items);
}

static void expect_alive(const captiond *c)
{
    photo image = photo_make("png", 50, 40, 1);
    reply r =
        client_ask(c, &(request){.path = "/v1/caption", .type = "image/png", .body = image.bytes, .size = image.size});
    client_expect_captions(&r, 1);
    reply_free(&r);
    photo_free(&image);
}

static reply add(const captiond *c, unsigned seed, int side)
{
    photo image = photo_make("bmp", side, side, seed);
    reply r = dataset_add(c, "pets", &image, (const char *const[]){"a pet", NULL});
    photo_free(&image);
    return r;
}

/* Uploads until there is no room; returns how many were acknowledged and the last one's id. */
static int fill(const captiond *c, int side, long long *last)
{
    for (unsigned n = 0; n < MOST_UPLOADS; n++) {
        reply r = add(c, n, side);
        if (r.status != 201) {
            client_expect_problem(&r, 507, "disk-full");
            reply_free(&r);
            return (int)n;
        }
        *last = (long long)reply_number(&r, "id");
        reply_free(&r);
    }
    fail_msg("%d uploads fitted", MOST_UPLOADS);
    return 0;
}

/* Returns 0 if this user may not mount. */
static int mount_small(char place[256], char data[300])
{
    snprintf(place, 256, "%s", scratch_path("small"));
    snprintf(data, 300, "%s/data", place);
    mkdir(place, 0700);
    if (mount("tmpfs", place, "tmpfs", 0, "size=4m") == 0)
        return 1;
    print_message("# this user may not mount a file system\n");
    return 0;
}

static void uploads_that_do_not_fit_on_the_disk_are_507(void **state)
{
    char place[256], data[300];
    long long ignored;
    (void)state;
    if (!mount_small(place, data))
        skip();
    const char *const options[] = {"--data", data, "--min-free-mb", "0", NULL};
    captiond *c = captiond_serve(options);
    dataset_make(c, "pets");
    int stored = fill(c, 200, &ignored); /* 120 kB each */
    assert_in_range(stored, 5, 40);
    stored += fill(c, 10, &ignored); /* 0.4 kB each: to the brim, so that not even a row fits */
    expect_stored(c, data, stored);
    expect_alive(c);
    captiond_stop(c);

    c = captiond_serve(options); /* what is there can be opened again, full as the disk is */
    expect_stored(c, data, stored);
    captiond_stop(c);
    assert_int_equal(umount(place), 0);
}

/* Several items make room for one, because the features of those that stay (10 kB each) take some of it at any time. */
enum { DELETED = 5 };

static void what_is_left_free_lets_items_be_deleted(void **state)
{
    char place[256], data[300];
    long long last;
    (void)state;
    if (!mount_small(place, data))
        skip();
    captiond *c = captiond_serve((const char *[]){"--data", data, "--min-free-mb", "1", NULL});
    dataset_make(c, "pets");
    int stored = fill(c, 200, &last);
    assert_in_range(stored, DELETED + 1, 30);
    for (int i = 0; i < DELETED; i++) {
        reply r = dataset_ask(c, "DELETE", "/v1/datasets/pets/items/%lld", last - i);
        assert_int_equal(r.status, 200);
        reply_free(&r);
    }
    expect_stored(c, data, stored - DELETED);
    reply r = add(c, MOST_UPLOADS, 150);
    assert_int_equal(r.status, 201);
    reply_free(&r);
    captiond_stop(c);
    assert_int_equal(umount(place), 0);
}

/* A job whose photo cannot be written leaves nothing, and so nothing in the way of the next of its number. */
static void expect_no_job(const captiond *c, const char *data)
{
    char first[300];
    photo image = photo_make("bmp", 400, 400, 1);
    snprintf(first, sizeof first, "%s/jobs/1", data);
    for (int i = 0; i < 3; i++) {
        reply r = visual_post(c, &image, NULL, "/v1/dream");
        client_expect_problem(&r, 507, "disk-full");
        reply_free(&r);
        assert_int_equal(access(first, F_OK), -1);
    }
    photo_free(&image);
}

static void files_that_may_not_grow_are_507(void **state)
{
    const struct rlimit small = {300000, RLIM_INFINITY};
    struct rlimit before;
    char data[256];
    (void)state;
    snprintf(data, sizeof data, "%s", scratch_path("limited"));
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    captiond *c = captiond_serve((const char *[]){"--data", data, NULL});
    setrlimit(RLIMIT_FSIZE, &before);
    dataset_make(c, "pets");
    for (int i = 0; i < 2; i++) {
        reply r = add(c, 1, 400); /* 480 kB: the image file cannot be written */
        client_expect_problem(&r, 507, "disk-full");
        reply_free(&r);
    }
    expect_stored(c, data, 0);
    expect_no_job(c, data);
    long long last;
    int stored = fill(c, 20, &last); /* small files, until the database cannot grow */
    expect_stored(c, data, stored);
    expect_alive(c);
    captiond_stop(c);
}

static void the_limit_on_all_images_is_507_too(void **state)
{
    char data[256];
    long long last;
    (void)state;
    snprintf(data, sizeof data, "%s", scratch_path("bounded"));
    captiond *c = captiond_serve((const char *[]){"--data", data, "--max-data-mb", "1", NULL});
    dataset_make(c, "pets");
    int stored = fill(c, 300, &last); /* 270054 bytes each, so three fit into 1048576 */
    assert_int_equal(stored, 3);
    expect_stored(c, data, stored);
    reply r = dataset_ask(c, "DELETE", "/v1/datasets/pets/items/%lld", last);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    r = add(c, MOST_UPLOADS, 300);
    assert_int_equal(r.status, 201);
    reply_free(&r);
    captiond_stop(c);
}

static void without_a_data_directory_captions_are_served_all_the_same(void **state)
{
    char data[256];
    (void)state;
    snprintf(data, sizeof data, "%s", scratch_write("occupied", "a file", 6));
    captiond *c = captiond_serve((const char *[]){"--data", data, NULL});
    expect_alive(c);
    reply r = dataset_ask(c, "PUT", "/v1/datasets/pets");
    client_expect_problem(&r, 503, "no-data-directory");
    assert_non_null(strstr(reply_string(&r, "detail"), "occupied"));
    reply_free(&r);
    captiond_wait_log(c, "event=no-data", 1);
    captiond_stop(c);
}

static void a_damaged_database_is_told_and_left_alone(void **state)
{
    static const char *const broken = "this is no database, but long enough to be looked at: --------------------------"
                                      "------------------------------------------------------------------------------";
    char path[256], data[256];
    size_t size;
    (void)state;
    snprintf(data, sizeof data, "%s", scratch_path("damaged"));
    assert_int_equal(mkdir(data, 0700), 0);
    snprintf(path, sizeof path, "%s", scratch_write("damaged/captiond.db", broken, strlen(broken)));
    captiond *c = captiond_serve((const char *[]){"--data", data, NULL});
    reply r = dataset_ask(c, "GET", "/v1/datasets");
    client_expect_problem(&r, 503, "no-data-directory");
    assert_non_null(strstr(reply_string(&r, "detail"), "captiond.db"));
    reply_free(&r);
    captiond_stop(c);
    char *left = (char *)scratch_read(path, &size);
    assert_string_equal(left, broken);
    free(left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uploads_that_do_not_fit_on_the_disk_are_507),
        cmocka_unit_test(what_is_left_free_lets_items_be_deleted),
        cmocka_unit_test(files_that_may_not_grow_are_507),
        cmocka_unit_test(the_limit_on_all_images_is_507_too),
        cmocka_unit_test(without_a_data_directory_captions_are_served_all_the_same),
        cmocka_unit_test(a_damaged_database_is_told_and_left_alone),
    };
    return cmocka_run_group_tests_name("disk_full", tests, captiond_setup, captiond_teardown);
}
