/* A daemon whose index was lost, damaged or taken away: captions are served, datasets answer 503 with the reason, and
 * after `captiond repair` everything is there again. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/scratch.h"

enum { ITEMS = 8 };

static char data[256];

static captiond *serve(void)
{
    return captiond_serve((const char *[]){"--data", data, NULL});
}

static char *in_data(const char *name, char out[512])
{
    snprintf(out, 512, "%s/%s", data, name);
    return out;
}

static void lose(const char *index)
{
    char path[512], name[64];
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", index, suffixes[i]);
        unlink(in_data(name, path));
    }
}

/* The list of items, to be freed. */
static char *items(const captiond *c)
{
    reply r = dataset_ask(c, "GET", "/v1/datasets/pets/items?limit=100");
    assert_int_equal(r.status, 200);
    cJSON *each;
    cJSON_ArrayForEach(each, cJSON_GetObjectItem(r.json, "items")) cJSON_DeleteItemFromObject(each, "features_ready");
    char *text = cJSON_PrintUnformatted(r.json);
    reply_free(&r);
    return text;
}

/* A new store; returns its items. */
static char *fill(const char *name)
{
    snprintf(data, sizeof data, "%s", scratch_path(name));
    captiond *c = serve();
    dataset_make(c, "pets");
    for (unsigned i = 0; i < ITEMS; i++)
        dataset_fill(c, "pets", i, "a dog in \"Rome\"");
    char *text = items(c);
    captiond_stop(c);
    return text;
}

static void repair(const char *expected)
{
    captiond_output o = captiond_run((const char *[]){"repair", "--data", data, NULL}, NULL, NULL);
    if (o.status != 0 || !strstr(o.out, expected))
        fail_msg("status %d, stdout \"%s\", stderr \"%s\"", o.status, o.out, o.err);
    captiond_output_free(&o);
}

static void expect_captions(const captiond *c)
{
    photo image = photo_make("jpg", 60, 50, 1);
    reply r = client_ask(c, &(request){.path = "/v1/caption", .body = image.bytes, .size = image.size});
    client_expect_captions(&r, 1);
    reply_free(&r);
    photo_free(&image);
}

static void expect_refused(const captiond *c, const char *reason)
{
    static const char *const paths[] = {"/v1/datasets", "/v1/datasets/pets", "/v1/datasets/pets/items"};
    for (int i = 0; i < 3; i++) {
        reply r = dataset_ask(c, "GET", "%s", paths[i]);
        client_expect_problem(&r, 503, "no-data-directory");
        assert_non_null(strstr(reply_string(&r, "detail"), reason));
        assert_non_null(strstr(reply_string(&r, "detail"), "captiond repair"));
        reply_free(&r);
    }
}

static void check_repaired(const char *before)
{
    repair("is new; 8 images were entered");
    captiond *c = serve();
    char *after = items(c);
    assert_string_equal(after, before);
    free(after);
    captiond_stop(c);
}

static void a_lost_index_costs_no_image(void **state)
{
    (void)state;
    char *before = fill("lost");
    lose("captiond.db");
    for (int i = 0; i < 2; i++) {
        captiond *c = serve();
        expect_captions(c);
        expect_refused(c, "captiond.db");
        captiond_wait_log(c, "event=no-data", 1);
        captiond_stop(c);
        assert_int_equal(dataset_count_files(data), ITEMS);
    }
    check_repaired(before);
    free(before);
}

static void a_damaged_index_costs_no_image(void **state)
{
    char path[512];
    size_t size;
    (void)state;
    char *before = fill("damaged");
    unsigned char *bytes = scratch_read(in_data("captiond.db", path), &size);
    for (size_t at = 4096; at + 64 < size; at += 4096)
        memset(bytes + at, 0xA5, 64);
    FILE *file = fopen(path, "wb");
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    fclose(file);
    free(bytes);
    captiond *c = serve();
    expect_captions(c);
    expect_refused(c, "captiond.db");
    captiond_stop(c);
    assert_int_equal(dataset_count_files(data), ITEMS);
    check_repaired(before);
    free(before);
}

static void an_index_taken_away_is_noticed_before_the_next_acknowledgement(void **state)
{
    char path[512];
    (void)state;
    char *before = fill("taken");
    captiond *c = serve();
    assert_int_equal(unlink(in_data("captiond.db", path)), 0);
    photo image = photo_make("png", 50, 40, 99);
    reply r = dataset_add(c, "pets", &image, (const char *const[]){"too late", NULL});
    client_expect_refused(&r, 503, "no-data-directory", "removed or replaced");
    photo_free(&image);
    expect_captions(c);
    captiond_output o = captiond_run((const char *[]){"repair", "--data", data, NULL}, NULL, NULL);
    assert_int_equal(o.status, 1);
    assert_non_null(strstr(o.err, "is using it"));
    captiond_output_free(&o);
    captiond_stop(c);
    lose("captiond.db");
    check_repaired(before);
    free(before);
}

/* A new index would number jobs anew and take over what lies in the directories of old ones. */
/* Where SQLite's file format keeps the version that a program gave its tables. */
static void claim_newer_tables(void)
{
    char path[512];
    FILE *file = fopen(in_data("captiond.db", path), "r+b");
    assert_non_null(file);
    assert_int_equal(fseek(file, 60, SEEK_SET), 0);
    assert_int_equal(fwrite("\0\0\0\x63", 1, 4, file), 4);
    assert_int_equal(fclose(file), 0);
}

/* docs/OPERATIONS.md: cp -a of the directory, while no daemon runs; and back, where tables are of a newer captiond. */
static void a_copy_of_the_directory_is_a_backup(void **state)
{
    (void)state;
    char *before = fill("original"), copy[256], command[1280];
    snprintf(copy, sizeof copy, "%s", scratch_path("backup"));
    snprintf(command, sizeof command, "cp -a '%s' '%s'", data, copy);
    assert_int_equal(system(command), 0);
    claim_newer_tables();
    captiond *c = serve();
    reply r = dataset_ask(c, "GET", "/v1/datasets");
    client_expect_problem(&r, 503, "no-data-directory");
    assert_non_null(strstr(reply_string(&r, "detail"), "has version 99"));
    reply_free(&r);
    expect_captions(c);
    captiond_stop(c);
    snprintf(command, sizeof command, "mv '%s' '%s.newer' && cp -a '%s' '%s'", data, data, copy, data);
    assert_int_equal(system(command), 0);
    c = serve();
    char *after = items(c);
    assert_string_equal(after, before);
    assert_int_equal(captiond_count_log(c, "event=images-"), 0);
    captiond_stop(c);
    free(before);
    free(after);
}

static void a_lost_index_of_jobs_costs_no_file_either(void **state)
{
    char path[512];
    (void)state;
    free(fill("jobs"));
    assert_int_equal(mkdir(in_data("jobs/7", path), 0700), 0);
    FILE *file = fopen(in_data("jobs/7/checkpoint", path), "wb");
    assert_non_null(file);
    fclose(file);
    lose("jobs.db");
    captiond *c = serve();
    reply r = dataset_ask(c, "GET", "/v1/jobs");
    client_expect_problem(&r, 503, "no-data-directory");
    assert_non_null(strstr(reply_string(&r, "detail"), "jobs.db"));
    reply_free(&r);
    captiond_stop(c);
    assert_int_equal(access(path, F_OK), 0);
    repair("jobs' files are in quarantine");
    c = serve();
    r = dataset_ask(c, "GET", "/v1/jobs");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    captiond_stop(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_index_costs_no_image),
        cmocka_unit_test(a_damaged_index_costs_no_image),
        cmocka_unit_test(an_index_taken_away_is_noticed_before_the_next_acknowledgement),
        cmocka_unit_test(a_copy_of_the_directory_is_a_backup),
        cmocka_unit_test(a_lost_index_of_jobs_costs_no_file_either),
    };
    return cmocka_run_group_tests_name("store_loss", tests, captiond_setup, captiond_teardown);
}
