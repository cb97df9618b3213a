/* The feature cache: found again after reopening; damaged, truncated and foreign files lose only what is damaged. */
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/features/feature_cache.h"
#include "tests/support/scratch.h"

enum { FLOATS = 20, HEADER = 128, RECORD = 64 + FLOATS * 4 };

static const char ENCODER[] = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
static const char OTHER_ENCODER[] =
    "00112233445566770000000000000000000000000000000000000000000000ff"; /* same file name */
static const char FILE_NAME[] = "0011223344556677-20.features";

static feature_cache *open_cache(const char *encoder)
{
    caption_error err;
    feature_cache *cache;
    if (feature_cache_open(&cache, scratch_path("."), encoder, FLOATS, &err) != CAPTION_OK)
        fail_msg("%s", err.message);
    return cache;
}

static feature_key key_of(int picture, uint32_t view)
{
    return feature_cache_key(&picture, sizeof picture, view);
}

static void append(feature_cache *cache, int picture, uint32_t view)
{
    float data[FLOATS];
    for (int i = 0; i < FLOATS; i++)
        data[i] = (float)(100 * picture + 50 * view + i);
    feature_key key = key_of(picture, view);
    assert_int_equal(feature_cache_append(cache, &key, data, NULL), CAPTION_OK);
}

/* Whether the picture is found, and with its own numbers. */
static int holds(const feature_cache *cache, int picture, uint32_t view)
{
    feature_key key = key_of(picture, view);
    long record = feature_cache_find(cache, &key);
    if (record == FEATURE_CACHE_ABSENT)
        return 0;
    float data[FLOATS];
    assert_int_equal(feature_cache_read(cache, record, 0, FLOATS, data, NULL), CAPTION_OK);
    for (int i = 0; i < FLOATS; i++)
        assert_float_equal(data[i], 100 * picture + 50 * view + i, 0);
    return 1;
}

/* A new file with pictures 0..n-1. */
static void make_cache(int n)
{
    remove(scratch_path(FILE_NAME));
    feature_cache *cache = open_cache(ENCODER);
    for (int i = 0; i < n; i++)
        append(cache, i, 0);
    feature_cache_close(cache);
}

static void damage(size_t offset)
{
    size_t size;
    unsigned char *bytes = scratch_read(scratch_path(FILE_NAME), &size);
    assert_true(offset < size);
    bytes[offset] ^= 0x40;
    scratch_write(FILE_NAME, bytes, size);
    free(bytes);
}

static size_t file_size(void)
{
    size_t size;
    free(scratch_read(scratch_path(FILE_NAME), &size));
    return size;
}

static void records_are_found_after_sync_and_after_reopening(void **state)
{
    (void)state;
    remove(scratch_path(FILE_NAME));
    feature_cache *cache = open_cache(ENCODER);
    append(cache, 1, 0);
    append(cache, 1, 1);
    assert_false(holds(cache, 1, 0));
    assert_int_equal(feature_cache_sync(cache, NULL), CAPTION_OK);
    assert_true(holds(cache, 1, 0) && holds(cache, 1, 1));
    assert_false(holds(cache, 2, 0));
    append(cache, 2, 0);
    assert_int_equal(feature_cache_sync(cache, NULL), CAPTION_OK);
    assert_true(holds(cache, 1, 0) && holds(cache, 1, 1) && holds(cache, 2, 0));
    feature_cache_close(cache);
    cache = open_cache(ENCODER);
    assert_true(holds(cache, 1, 0) && holds(cache, 1, 1) && holds(cache, 2, 0));
    feature_cache_close(cache);
}

static void another_encoder_starts_an_empty_cache(void **state)
{
    (void)state;
    make_cache(3);
    feature_cache *cache = open_cache(OTHER_ENCODER);
    assert_false(holds(cache, 0, 0) || holds(cache, 2, 0));
    assert_int_equal(file_size(), HEADER);
    feature_cache_close(cache);
}

static void damaged_header_starts_an_empty_cache(void **state)
{
    (void)state;
    for (size_t offset = 0; offset < HEADER; offset += 9) {
        make_cache(2);
        damage(offset);
        feature_cache *cache = open_cache(ENCODER);
        assert_false(holds(cache, 0, 0) || holds(cache, 1, 0));
        append(cache, 0, 0);
        feature_cache_close(cache);
        cache = open_cache(ENCODER);
        assert_true(holds(cache, 0, 0));
        feature_cache_close(cache);
    }
}

static void files_that_are_no_cache_are_replaced(void **state)
{
    (void)state;
    static const char text[] = "this is not a cache, but a letter to a friend";
    for (size_t size = 0; size < sizeof text; size += sizeof text - 1) {
        scratch_write(FILE_NAME, text, size);
        feature_cache *cache = open_cache(ENCODER);
        append(cache, 5, 0);
        assert_int_equal(feature_cache_sync(cache, NULL), CAPTION_OK);
        assert_true(holds(cache, 5, 0));
        feature_cache_close(cache);
    }
}

static void damaged_record_alone_is_lost(void **state)
{
    (void)state;
    static const size_t places[] = {0, 31, 32, 36, 64, RECORD - 1}; /* key, view, CRC, first and last float */
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        make_cache(3);
        damage(HEADER + RECORD + places[i]);
        feature_cache *cache = open_cache(ENCODER);
        assert_true(holds(cache, 0, 0) && holds(cache, 2, 0));
        assert_false(holds(cache, 1, 0));
        append(cache, 1, 0);
        assert_int_equal(feature_cache_sync(cache, NULL), CAPTION_OK);
        assert_true(holds(cache, 0, 0) && holds(cache, 1, 0) && holds(cache, 2, 0));
        feature_cache_close(cache);
    }
}

static void half_a_record_at_the_end_is_written_over(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < RECORD; cut += 29) {
        make_cache(3);
        assert_int_equal(truncate(scratch_path(FILE_NAME), (off_t)(HEADER + 3 * RECORD - cut)), 0);
        feature_cache *cache = open_cache(ENCODER);
        assert_true(holds(cache, 0, 0) && holds(cache, 1, 0));
        assert_false(holds(cache, 2, 0));
        append(cache, 2, 0);
        append(cache, 3, 0);
        feature_cache_close(cache);
        assert_int_equal(file_size(), HEADER + 4 * RECORD);
        cache = open_cache(ENCODER);
        assert_true(holds(cache, 1, 0) && holds(cache, 2, 0) && holds(cache, 3, 0));
        feature_cache_close(cache);
    }
}

static void cache_cut_short_while_in_use_is_an_error(void **state)
{
    (void)state;
    make_cache(3);
    caption_error err;
    feature_cache *cache = open_cache(ENCODER);
    assert_int_equal(truncate(scratch_path(FILE_NAME), HEADER + RECORD), 0);
    assert_int_equal(feature_cache_sync(cache, &err), CAPTION_EIO);
    assert_non_null(strstr(err.message, "cut short"));
    feature_cache_close(cache);
}

/* A mapping would end the process here (SIGBUS). */
static void a_record_of_a_shrunken_file_is_an_error(void **state)
{
    (void)state;
    static const int sizes[] = {0, HEADER, HEADER + RECORD, HEADER + 2 * RECORD + 32, HEADER + 3 * RECORD - 4};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        float data[FLOATS];
        caption_error err;
        make_cache(3);
        feature_cache *cache = open_cache(ENCODER);
        feature_key key = key_of(2, 0);
        long record = feature_cache_find(cache, &key);
        assert_int_equal(truncate(scratch_path(FILE_NAME), sizes[i]), 0);
        assert_int_equal(feature_cache_read(cache, record, 0, FLOATS, data, &err), CAPTION_EIO);
        assert_non_null(strstr(err.message, "cut short"));
        assert_non_null(strstr(err.message, FILE_NAME));
        feature_cache_close(cache);
    }
}

static void another_record_in_its_place_is_an_error(void **state)
{
    (void)state;
    float data[FLOATS];
    caption_error err;
    make_cache(3);
    feature_cache *cache = open_cache(ENCODER), *other;
    feature_key key = key_of(2, 0);
    long record = feature_cache_find(cache, &key);
    assert_int_equal(truncate(scratch_path(FILE_NAME), HEADER + 2 * RECORD), 0);
    other = open_cache(ENCODER);
    append(other, 7, 0);
    assert_int_equal(feature_cache_read(cache, record, 0, FLOATS, data, &err), CAPTION_EIO);
    assert_non_null(strstr(err.message, "changed"));
    feature_cache_close(other);
    feature_cache_close(cache);
}

/* A second daemon that finds the header bad must not pull the file from under the first. */
static void a_replaced_file_stays_what_it_was_for_who_has_it_open(void **state)
{
    (void)state;
    make_cache(3);
    feature_cache *first = open_cache(ENCODER), *second;
    int fd = open(scratch_path(FILE_NAME), O_WRONLY);
    assert_int_equal(pwrite(fd, "X", 1, 3), 1);
    close(fd);
    second = open_cache(ENCODER);
    assert_false(holds(second, 0, 0));
    assert_true(holds(first, 0, 0) && holds(first, 1, 0) && holds(first, 2, 0));
    assert_int_equal(feature_cache_sync(first, NULL), CAPTION_OK);
    append(second, 4, 0);
    assert_int_equal(feature_cache_sync(second, NULL), CAPTION_OK);
    assert_true(holds(second, 4, 0));
    feature_cache_close(first);
    feature_cache_close(second);
    second = open_cache(ENCODER);
    assert_true(holds(second, 4, 0));
    feature_cache_close(second);
}

static void two_openers_see_each_others_records(void **state)
{
    (void)state;
    make_cache(1);
    feature_cache *a = open_cache(ENCODER), *b = open_cache(ENCODER);
    append(a, 1, 0);
    append(b, 2, 0);
    append(a, 3, 0);
    assert_int_equal(feature_cache_sync(a, NULL), CAPTION_OK);
    assert_int_equal(feature_cache_sync(b, NULL), CAPTION_OK);
    for (int i = 0; i < 4; i++)
        assert_true(holds(a, i, 0) && holds(b, i, 0));
    feature_cache_close(a);
    feature_cache_close(b);
}

struct appender {
    feature_cache *cache;
    int first;
};

static void *append_fifty(void *argument)
{
    struct appender *a = argument;
    for (int i = 0; i < 50; i++)
        append(a->cache, a->first + i, 0);
    return NULL;
}

static void threads_append_without_losing_records(void **state)
{
    (void)state;
    remove(scratch_path(FILE_NAME));
    feature_cache *cache = open_cache(ENCODER);
    pthread_t threads[4];
    struct appender appenders[4];
    for (int i = 0; i < 4; i++) {
        appenders[i] = (struct appender){cache, 1000 * i};
        assert_int_equal(pthread_create(&threads[i], NULL, append_fifty, &appenders[i]), 0);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(feature_cache_sync(cache, NULL), CAPTION_OK);
    for (int i = 0; i < 200; i++)
        assert_true(holds(cache, i / 50 * 1000 + i % 50, 0));
    feature_cache_close(cache);
}

static void unusable_directory_is_named(void **state)
{
    (void)state;
    caption_error err;
    feature_cache *cache;
    assert_int_equal(feature_cache_open(&cache, "/nonexistent/deep", ENCODER, FLOATS, &err), CAPTION_EIO);
    assert_non_null(strstr(err.message, "/nonexistent/deep"));
    assert_null(cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_are_found_after_sync_and_after_reopening),
        cmocka_unit_test(another_encoder_starts_an_empty_cache),
        cmocka_unit_test(damaged_header_starts_an_empty_cache),
        cmocka_unit_test(files_that_are_no_cache_are_replaced),
        cmocka_unit_test(damaged_record_alone_is_lost),
        cmocka_unit_test(half_a_record_at_the_end_is_written_over),
        cmocka_unit_test(cache_cut_short_while_in_use_is_an_error),
        cmocka_unit_test(a_record_of_a_shrunken_file_is_an_error),
        cmocka_unit_test(another_record_in_its_place_is_an_error),
        cmocka_unit_test(a_replaced_file_stays_what_it_was_for_who_has_it_open),
        cmocka_unit_test(two_openers_see_each_others_records),
        cmocka_unit_test(threads_append_without_losing_records),
        cmocka_unit_test(unusable_directory_is_named),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
