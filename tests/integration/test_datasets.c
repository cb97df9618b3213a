/* Datasets by name: made, listed, paged, deleted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/scratch.h"
#include "tests/support/served.h"

static int start(void **state)
{
    return served_start(state, (photo){0}, (const char *[]){"--max-datasets", "7", NULL});
}

static void delete_dataset(const char *name)
{
    reply r = dataset_ask(served, "DELETE", "/v1/datasets/%s", name);
    assert_int_equal(r.status, 200);
    reply_free(&r);
}

static void the_data_directory_is_for_its_owner_alone(void **state)
{
    struct stat facts;
    (void)state;
    assert_int_equal(stat(scratch_path("data"), &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0700);
}

static void making_one_twice_is_201_then_200(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        reply r = dataset_ask(served, "PUT", "/v1/datasets/pets");
        assert_int_equal(r.status, i == 0 ? 201 : 200);
        assert_string_equal(reply_string(&r, "name"), "pets");
        assert_int_equal(strlen(reply_string(&r, "created")), strlen("2024-05-01T12:00:00Z"));
        assert_int_equal(reply_number(&r, "items"), 0);
        assert_int_equal(reply_number(&r, "captions"), 0);
        assert_int_equal(reply_number(&r, "features_ready"), 0);
        reply_free(&r);
    }
    delete_dataset("pets");
}

static void a_bad_name_is_400(void **state)
{
    static const char *const names[] = {".hidden", "-dash", "_under", "two%20words", "caf%C3%A9", "a%0Ab", "a%25"};
    char longest[66];
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        reply r = dataset_ask(served, "PUT", "/v1/datasets/%s", names[i]);
        client_expect_problem(&r, 400, "bad-name");
        reply_free(&r);
    }
    memset(longest, 'x', 65);
    longest[65] = '\0';
    reply r = dataset_ask(served, "PUT", "/v1/datasets/%s", longest);
    client_expect_problem(&r, 400, "bad-name");
    reply_free(&r);
    longest[64] = '\0';
    dataset_make(served, longest);
    delete_dataset(longest);
}

static void one_that_is_not_there_is_404(void **state)
{
    static const struct {
        const char *method, *path;
    } cases[] = {{"GET", ""}, {"DELETE", ""}, {"GET", "/items"}, {"GET", "/items/1"}, {"DELETE", "/items/1"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reply r = dataset_ask(served, cases[i].method, "/v1/datasets/nobody%s", cases[i].path);
        client_expect_problem(&r, 404, "unknown-dataset");
        reply_free(&r);
    }
}

static void other_methods_are_405(void **state)
{
    static const struct {
        const char *path, *allow;
    } cases[] = {{"/v1/datasets", "GET, HEAD"},
                 {"/v1/datasets/pets", "PUT, GET, HEAD, DELETE"},
                 {"/v1/datasets/pets/items", "POST, GET, HEAD"},
                 {"/v1/datasets/pets/items/1", "GET, HEAD, DELETE"},
                 {"/v1/datasets/pets/items/1/image", "GET, HEAD"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reply r = dataset_ask(served, "PATCH", "%s", cases[i].path);
        client_expect_problem(&r, 405, "method-not-allowed");
        assert_string_equal(reply_header(&r, "Allow"), cases[i].allow);
        reply_free(&r);
    }
}

static void paths_that_only_look_like_routes_are_404(void **state)
{
    static const char *const paths[] = {"/v1/datasets/",
                                        "/v1/datasets//items",
                                        "/v1/datasets/a/b",
                                        "/v1/datasetsX",
                                        "/v1/datasets/a/items/1/image/x",
                                        "/v1/datasets/a/items/1/"};
    char longest[300];
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        reply r = dataset_ask(served, "GET", "%s", paths[i]);
        client_expect_problem(&r, 404, "not-found");
        reply_free(&r);
    }
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    reply r = dataset_ask(served, "GET", "/v1/datasets/%s", longest);
    client_expect_problem(&r, 404, "not-found");
    reply_free(&r);
}

static void queries_and_bodies_that_mean_nothing_are_refused(void **state)
{
    (void)state;
    reply r = dataset_ask(served, "PUT", "/v1/datasets/pets?colour=red");
    client_expect_problem(&r, 400, "unknown-option");
    reply_free(&r);
    r = client_ask(served, &(request){.path = "/v1/datasets/pets", .method = "PUT", .body = "{}", .size = 2});
    client_expect_problem(&r, 400, "bad-option");
    reply_free(&r);
    r = dataset_ask(served, "GET", "/v1/datasets/pets");
    client_expect_problem(&r, 404, "unknown-dataset");
    reply_free(&r);
}

static void bad_pages_are_400(void **state)
{
    static const char *const queries[] = {"limit=0", "limit=501", "limit=", "limit=1x", "limit=-1", "limit=99999"};
    (void)state;
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        reply r = dataset_ask(served, "GET", "/v1/datasets?%s", queries[i]);
        client_expect_problem(&r, 400, "bad-option");
        reply_free(&r);
    }
    reply r = dataset_ask(served, "GET", "/v1/datasets?offset=3");
    client_expect_problem(&r, 400, "unknown-option");
    reply_free(&r);
}

/* Follows the next links; returns the names in one string. */
static void walk(const char *first, char *names, size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s", first);
    *names = '\0';
    while (*path) {
        reply r = dataset_ask(served, "GET", "%s", path);
        assert_int_equal(r.status, 200);
        const cJSON *item, *next = cJSON_GetObjectItem(r.json, "next");
        cJSON_ArrayForEach(item, cJSON_GetObjectItem(r.json, "datasets"))
        {
            const char *name = cJSON_GetStringValue(cJSON_GetObjectItem(item, "name"));
            assert_true(strlen(names) + strlen(name) + 2 < size);
            strcat(strcat(names, name), " ");
        }
        snprintf(path, sizeof path, "%s", next ? cJSON_GetStringValue(next) : "");
        reply_free(&r);
    }
}

static void they_are_listed_by_name_page_by_page(void **state)
{
    static const char *const names[] = {"b", "e", "a", "d", "c"};
    char found[64];
    (void)state;
    walk("/v1/datasets", found, sizeof found);
    assert_string_equal(found, "");
    for (int i = 0; i < 5; i++)
        dataset_make(served, names[i]);
    walk("/v1/datasets", found, sizeof found);
    assert_string_equal(found, "a b c d e ");
    walk("/v1/datasets?limit=2", found, sizeof found);
    assert_string_equal(found, "a b c d e ");
    walk("/v1/datasets?limit=5", found, sizeof found);
    assert_string_equal(found, "a b c d e ");
    walk("/v1/datasets?limit=1&after=c", found, sizeof found);
    assert_string_equal(found, "d e ");
    for (int i = 0; i < 5; i++)
        delete_dataset(names[i]);
}

static void there_are_no_more_than_the_limit(void **state)
{
    char name[2] = "a";
    (void)state;
    for (int i = 0; i < 7; i++, ++*name)
        dataset_make(served, name);
    reply r = dataset_ask(served, "PUT", "/v1/datasets/one-more");
    client_expect_problem(&r, 409, "limit-reached");
    reply_free(&r);
    r = dataset_ask(served, "PUT", "/v1/datasets/a");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    for (*name = 'a'; *name < 'a' + 7; ++*name)
        delete_dataset(name);
}

static void deleting_one_takes_its_items_and_files_along(void **state)
{
    (void)state;
    dataset_make(served, "one");
    dataset_make(served, "two");
    dataset_fill(served, "one", 1, "in both");
    dataset_fill(served, "one", 2, "in one");
    dataset_fill(served, "two", 1, "in both");
    assert_int_equal(dataset_count_files(scratch_path("data")), 2);
    reply r = dataset_ask(served, "DELETE", "/v1/datasets/one");
    assert_int_equal(r.status, 200);
    assert_string_equal(reply_string(&r, "deleted"), "one");
    assert_int_equal(reply_number(&r, "items"), 2);
    reply_free(&r);
    assert_int_equal(dataset_count_files(scratch_path("data")), 1);
    dataset_make(served, "one"); /* an empty one */
    r = dataset_ask(served, "GET", "/v1/datasets/one");
    assert_int_equal(reply_number(&r, "items"), 0);
    reply_free(&r);
    delete_dataset("one");
    delete_dataset("two");
    assert_int_equal(dataset_count_files(scratch_path("data")), 0);
}

/* It would end the name, and another dataset would be meant. */
static void a_zero_byte_ends_no_name(void **state)
{
    static const char *const paths[] = {"/v1/datasets/pa%00rrots", "/v1/datasets/pa%00", "/v1/datasets/pa%00/items/1"};
    (void)state;
    dataset_make(served, "pa");
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        reply r = client_ask(served, &(request){.method = "DELETE", .path = paths[i]});
        assert_int_equal(r.status, 404);
        reply_free(&r);
    }
    delete_dataset("pa"); /* it is there still */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_data_directory_is_for_its_owner_alone),
        cmocka_unit_test(making_one_twice_is_201_then_200),
        cmocka_unit_test(a_bad_name_is_400),
        cmocka_unit_test(one_that_is_not_there_is_404),
        cmocka_unit_test(other_methods_are_405),
        cmocka_unit_test(paths_that_only_look_like_routes_are_404),
        cmocka_unit_test(queries_and_bodies_that_mean_nothing_are_refused),
        cmocka_unit_test(bad_pages_are_400),
        cmocka_unit_test(they_are_listed_by_name_page_by_page),
        cmocka_unit_test(there_are_no_more_than_the_limit),
        cmocka_unit_test(deleting_one_takes_its_items_and_files_along),
        cmocka_unit_test(a_zero_byte_ends_no_name),
    };
    return cmocka_run_group_tests_name("datasets", tests, start, served_end);
}
