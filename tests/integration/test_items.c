/* Items of a dataset: added in each form, merged, listed page by page, fetched, deleted; their features computed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/scratch.h"
#include "tests/support/served.h"

static int start(void **state)
{
    return served_start(state, (photo){0}, (const char *[]){"--max-captions", "4", "--max-items", "12", NULL});
}

static int make(void **state)
{
    (void)state;
    dataset_make(served, "pets");
    return 0;
}

static int drop(void **state)
{
    (void)state;
    reply r = dataset_ask(served, "DELETE", "/v1/datasets/pets");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    return 0;
}

/* The item's captions joined with '|'. Static buffer. */
static const char *captions_of(const reply *r)
{
    static char joined[1024];
    const cJSON *caption;
    *joined = '\0';
    cJSON_ArrayForEach(caption, cJSON_GetObjectItem(r->json, "captions"))
    {
        strcat(joined, *joined ? "|" : "");
        strcat(joined, cJSON_GetStringValue(caption));
    }
    return joined;
}

static void expect_item(long long id, const photo *image, const char *type, int width, int height, const char *captions)
{
    reply r = dataset_ask(served, "GET", "/v1/datasets/pets/items/%lld", id);
    assert_int_equal(r.status, 200);
    assert_int_equal(reply_number(&r, "id"), id);
    assert_string_equal(reply_string(&r, "type"), type);
    assert_int_equal(reply_number(&r, "bytes"), image->size);
    assert_int_equal(reply_number(&r, "width"), width);
    assert_int_equal(reply_number(&r, "height"), height);
    assert_int_equal(strlen(reply_string(&r, "sha256")), 64);
    assert_string_equal(captions_of(&r), captions);
    reply_free(&r);
}

static void a_form_adds_an_item(void **state)
{
    (void)state;
    photo image = photo_make("jpeg", 60, 40, 1);
    reply r = dataset_add(served, "pets", &image, (const char *const[]){"A dog.", " runs on gr\xC3\xA4ss\n", NULL});
    assert_int_equal(r.status, 201);
    long long id = (long long)reply_number(&r, "id");
    char location[64];
    snprintf(location, sizeof location, "/v1/datasets/pets/items/%lld", id);
    assert_string_equal(reply_header(&r, "Location"), location);
    assert_int_equal(reply_number(&r, "captions"), 2);
    assert_int_equal(reply_number(&r, "captions_added"), 2);
    reply_free(&r);
    expect_item(id, &image, "image/jpeg", 60, 40, "A dog.|runs on gr\xC3\xA4ss");
    photo_free(&image);
}

static void every_image_format_is_taken(void **state)
{
    static const char *const formats[] = {"jpeg", "png", "bmp", "gif"};
    (void)state;
    for (int i = 0; i < 4; i++) {
        char type[32];
        photo image = photo_make(formats[i], 30, 20, 2);
        reply r = dataset_add(served, "pets", &image, (const char *const[]){"a cat", NULL});
        assert_int_equal(r.status, 201);
        snprintf(type, sizeof type, "image/%s", formats[i]);
        expect_item((long long)reply_number(&r, "id"), &image, type, 30, 20, "a cat");
        photo_free(&image);
        reply_free(&r);
    }
}

static reply add_json(const char *before, const photo *image, const char *after)
{
    char *base64 = photo_base64(image);
    size_t size = strlen(base64) + strlen(before) + strlen(after) + 1;
    char *body = malloc(size);
    assert_non_null(body);
    snprintf(body, size, "%s%s%s", before, base64, after);
    reply r = client_ask(
        served,
        &(request){.path = "/v1/datasets/pets/items", .type = "application/json", .body = body, .size = strlen(body)});
    free(base64);
    free(body);
    return r;
}

static void json_adds_an_item_too(void **state)
{
    (void)state;
    photo image = photo_make("png", 30, 20, 3);
    reply r = add_json("{\"image\":\"", &image, "\",\"captions\":[\"one \\u00e9\",\"two\"]}");
    assert_int_equal(r.status, 201);
    long long id = (long long)reply_number(&r, "id");
    reply_free(&r);
    expect_item(id, &image, "image/png", 30, 20, "one \xC3\xA9|two");
    r = add_json("{\"captions\":[\"three\"],\"image\":\"data:image/png;base64,", &image, "\"}");
    assert_int_equal(r.status, 200);
    assert_int_equal(reply_number(&r, "id"), id);
    reply_free(&r);
    expect_item(id, &image, "image/png", 30, 20, "one \xC3\xA9|two|three");
    photo_free(&image);
}

static void the_same_image_is_one_item_with_more_captions(void **state)
{
    (void)state;
    photo image = photo_make("png", 30, 20, 4);
    reply r = dataset_add(served, "pets", &image, (const char *const[]){"one", "two", "one", NULL});
    assert_int_equal(r.status, 201);
    assert_int_equal(reply_number(&r, "captions"), 2);
    long long id = (long long)reply_number(&r, "id");
    reply_free(&r);
    r = dataset_add(served, "pets", &image, (const char *const[]){"two", "three", NULL});
    assert_int_equal(r.status, 200);
    assert_int_equal(reply_number(&r, "id"), id);
    assert_int_equal(reply_number(&r, "captions"), 3);
    assert_int_equal(reply_number(&r, "captions_added"), 1);
    assert_null(reply_header(&r, "Location"));
    reply_free(&r);
    expect_item(id, &image, "image/png", 30, 20, "one|two|three");
    r = dataset_ask(served, "GET", "/v1/datasets/pets");
    assert_int_equal(reply_number(&r, "items"), 1);
    assert_int_equal(reply_number(&r, "captions"), 3);
    reply_free(&r);
    photo_free(&image);
}

static void more_captions_than_the_limit_change_nothing(void **state)
{
    (void)state;
    photo image = photo_make("png", 30, 20, 5);
    reply r = dataset_add(served, "pets", &image, (const char *const[]){"a1", "a2", "a3", "a4", "a5", NULL});
    client_expect_problem(&r, 409, "limit-reached");
    reply_free(&r);
    r = dataset_add(served, "pets", &image, (const char *const[]){"a1", "a2", "a3", NULL});
    assert_int_equal(r.status, 201);
    long long id = (long long)reply_number(&r, "id");
    reply_free(&r);
    r = dataset_add(served, "pets", &image, (const char *const[]){"a4", "a5", NULL});
    client_expect_problem(&r, 409, "limit-reached");
    reply_free(&r);
    expect_item(id, &image, "image/png", 30, 20, "a1|a2|a3");
    photo_free(&image);
}

static void more_items_than_the_limit_are_refused(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 12; i++)
        dataset_fill(served, "pets", 100 + i, "one of many");
    photo image = photo_make("png", 30, 20, 6);
    reply r = dataset_add(served, "pets", &image, (const char *const[]){"one too many", NULL});
    client_expect_problem(&r, 409, "limit-reached");
    reply_free(&r);
    photo_free(&image);
    assert_int_equal(dataset_count_files(scratch_path("data")), 12); /* the refused one left no file */
    image = photo_make("png", 40, 30, 100);                          /* dataset_fill's first */
    r = dataset_add(served, "pets", &image, (const char *const[]){"but a caption more", NULL});
    assert_int_equal(r.status, 200);
    reply_free(&r);
    photo_free(&image);
}

static void they_are_listed_in_order_page_by_page(void **state)
{
    long long ids[7], found[7];
    int n = 0;
    char path[256] = "/v1/datasets/pets/items?limit=3";
    (void)state;
    for (unsigned i = 0; i < 7; i++)
        ids[i] = dataset_fill(served, "pets", 200 + i, "one of many");
    for (int pages = 0; *path; pages++) {
        assert_true(pages < 3);
        reply r = dataset_ask(served, "GET", "%s", path);
        assert_int_equal(r.status, 200);
        const cJSON *item, *next = cJSON_GetObjectItem(r.json, "next");
        cJSON_ArrayForEach(item, cJSON_GetObjectItem(r.json, "items"))
        {
            assert_true(n < 7);
            found[n++] = (long long)cJSON_GetNumberValue(cJSON_GetObjectItem(item, "id"));
        }
        snprintf(path, sizeof path, "%s", next ? cJSON_GetStringValue(next) : "");
        reply_free(&r);
    }
    assert_int_equal(n, 7);
    assert_memory_equal(ids, found, sizeof ids);
}

/* A cursor is an id, so items that come and go in between neither repeat nor hide others. */
static void a_page_goes_on_behind_a_deleted_item(void **state)
{
    long long ids[3];
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        ids[i] = dataset_fill(served, "pets", 300 + i, "one of three");
    reply r = dataset_ask(served, "DELETE", "/v1/datasets/pets/items/%lld", ids[1]);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    r = dataset_ask(served, "GET", "/v1/datasets/pets/items?after=%lld", ids[1]);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(r.json, "items")), 1);
    assert_int_equal(reply_number(&r, "items/0/id"), ids[2]);
    assert_null(cJSON_GetObjectItem(r.json, "next"));
    reply_free(&r);
    r = dataset_ask(served, "GET", "/v1/datasets/pets/items?after=x");
    client_expect_problem(&r, 400, "bad-option");
    reply_free(&r);
}

static void the_image_comes_back_as_it_was_sent(void **state)
{
    (void)state;
    photo image = photo_make("gif", 50, 20, 7);
    reply r = dataset_add(served, "pets", &image, (const char *const[]){"a bird", NULL});
    long long id = (long long)reply_number(&r, "id");
    reply_free(&r);
    r = dataset_ask(served, "GET", "/v1/datasets/pets/items/%lld/image", id);
    assert_int_equal(r.status, 200);
    assert_string_equal(reply_header(&r, "Content-Type"), "image/gif");
    assert_int_equal(r.size, image.size);
    assert_memory_equal(r.body, image.bytes, image.size);
    reply_free(&r);
    r = dataset_ask(served, "HEAD", "/v1/datasets/pets/items/%lld/image", id);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.size, 0);
    reply_free(&r);
    photo_free(&image);
}

static void a_deleted_item_is_gone_with_its_file(void **state)
{
    (void)state;
    long long id = dataset_fill(served, "pets", 8, "soon gone");
    assert_int_equal(dataset_count_files(scratch_path("data")), 1);
    reply r = dataset_ask(served, "DELETE", "/v1/datasets/pets/items/%lld", id);
    assert_int_equal(r.status, 200);
    assert_int_equal(reply_number(&r, "deleted"), id);
    reply_free(&r);
    assert_int_equal(dataset_count_files(scratch_path("data")), 0);
    static const char *const methods[] = {"GET", "DELETE"};
    for (int i = 0; i < 2; i++) {
        r = dataset_ask(served, methods[i], "/v1/datasets/pets/items/%lld", id);
        client_expect_problem(&r, 404, "unknown-item");
        reply_free(&r);
    }
    r = dataset_ask(served, "GET", "/v1/datasets/pets");
    assert_int_equal(reply_number(&r, "items"), 0);
    assert_int_equal(reply_number(&r, "captions"), 0);
    reply_free(&r);
    assert_true(dataset_fill(served, "pets", 8, "back again") > id); /* ids are not used twice */
}

static void an_item_of_another_dataset_is_not_found(void **state)
{
    (void)state;
    dataset_make(served, "birds");
    long long id = dataset_fill(served, "pets", 9, "a pet");
    reply r = dataset_ask(served, "GET", "/v1/datasets/birds/items/%lld", id);
    client_expect_problem(&r, 404, "unknown-item");
    reply_free(&r);
    r = dataset_ask(served, "DELETE", "/v1/datasets/birds/items/%lld", id);
    client_expect_problem(&r, 404, "unknown-item");
    reply_free(&r);
    r = dataset_ask(served, "DELETE", "/v1/datasets/birds");
    reply_free(&r);
}

/* Asks until all features are ready; the test's own time limit ends it otherwise. */
static void wait_for_features(int items)
{
    const struct timespec pause = {0, 20000000};
    for (int ready = -1; ready != items; nanosleep(&pause, NULL)) {
        reply r = dataset_ask(served, "GET", "/v1/datasets/pets");
        assert_int_equal(r.status, 200);
        ready = (int)reply_number(&r, "features_ready");
        assert_in_range(ready, 0, items);
        reply_free(&r);
    }
}

static void features_are_computed_in_the_background(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 3; i++)
        dataset_fill(served, "pets", 400 + i, "soon known");
    wait_for_features(3);
    reply r = dataset_ask(served, "GET", "/v1/datasets/pets/items");
    for (int i = 0; i < 3; i++)
        assert_true(cJSON_IsTrue(
            cJSON_GetObjectItem(cJSON_GetArrayItem(cJSON_GetObjectItem(r.json, "items"), i), "features_ready")));
    reply_free(&r);
}

#define ITEM_TEST(test) cmocka_unit_test_setup_teardown(test, make, drop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ITEM_TEST(a_form_adds_an_item),
        ITEM_TEST(every_image_format_is_taken),
        ITEM_TEST(json_adds_an_item_too),
        ITEM_TEST(the_same_image_is_one_item_with_more_captions),
        ITEM_TEST(more_captions_than_the_limit_change_nothing),
        ITEM_TEST(more_items_than_the_limit_are_refused),
        ITEM_TEST(they_are_listed_in_order_page_by_page),
        ITEM_TEST(a_page_goes_on_behind_a_deleted_item),
        ITEM_TEST(the_image_comes_back_as_it_was_sent),
        ITEM_TEST(a_deleted_item_is_gone_with_its_file),
        ITEM_TEST(an_item_of_another_dataset_is_not_found),
        ITEM_TEST(features_are_computed_in_the_background),
    };
    return cmocka_run_group_tests_name("items", tests, start, served_end);
}
