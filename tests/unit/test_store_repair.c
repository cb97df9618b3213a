/* A store whose index was lost or damaged: no image file is ever removed for it, the store says what is wrong instead
 * of beginning anew, and a repair brings back every item with its captions. */
#include <dirent.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "server/store/store.h"
#include "tests/support/scratch.h"

enum { ITEMS = 12, FLIPS = 150 };

static const store_limits limits = {.datasets = 10, .items = 100, .captions = 5, .bytes = 1 << 20};

/* ---- a store -------------------------------------------------------------------------------------------------------
 */

static store *opened(const char *name)
{
    caption_error err;
    store *s;
    if (store_open(&s, scratch_path(name), &limits, &err))
        fail_msg("%s", err.message);
    return s;
}

static void add(store *s, const char *dataset, int number)
{
    char image[32], first[32], second[32];
    problem p = {.kind = PROBLEM_NONE};
    store_added added;
    snprintf(image, sizeof image, "image %d", number);
    snprintf(first, sizeof first, "number %d", number);
    snprintf(second, sizeof second, "\"Again\" %d", number);
    const store_upload upload = {.bytes = (const unsigned char *)image,
                                 .size = strlen(image),
                                 .type = "image/png",
                                 .width = 3,
                                 .height = 5,
                                 .captions = (const char *const[]){first, second},
                                 .n_captions = 2};
    if (store_item_add(s, dataset, &upload, &added, &p))
        fail_msg("%s", p.detail);
}

static void make(store *s, const char *dataset)
{
    problem p = {.kind = PROBLEM_NONE};
    store_dataset d;
    int created;
    assert_int_equal(store_dataset_create(s, dataset, &d, &created, &p), 0);
}

/* A closed store: pets has ITEMS items, of which one was deleted again; cats has one image of them and one of its own.
 */
static void build(const char *name)
{
    problem p;
    store *s = opened(name);
    make(s, "pets");
    make(s, "cats");
    for (int i = 0; i <= ITEMS; i++)
        add(s, "pets", i);
    assert_int_equal(store_item_delete(s, "pets", ITEMS + 1, &p), 0);
    add(s, "cats", 3);
    add(s, "cats", 100);
    store_close(s);
}

/* What is in a dataset, as one text. */
static int append(void *context, const store_item *item)
{
    char *text = context;
    size_t used = strlen(text);
    snprintf(text + used, 8192 - used, "%lld %lld %s %s %lld %dx%d %s\n", item->id, item->created, item->sha256,
             item->type, item->bytes, item->width, item->height, item->captions);
    return 0;
}

static void describe(const char *name, char text[8192])
{
    static const char *const datasets[] = {"pets", "cats"};
    int more;
    problem p;
    store *s = opened(name);
    *text = '\0';
    for (int i = 0; i < 2; i++)
        if (store_item_list(s, datasets[i], 0, 100, append, text, &more, &p))
            fail_msg("%s", p.detail);
    store_close(s);
}

static const char *file_in(const char *name, const char *file)
{
    char joined[1024];
    snprintf(joined, sizeof joined, "%s/%s", name, file);
    return scratch_path(joined);
}

/* Image files in images and in the quarantine. */
static int count_images(const char *name, const char *where)
{
    int n = 0;
    DIR *directory = opendir(file_in(name, where));
    for (const struct dirent *entry; directory && (entry = readdir(directory)) != NULL;)
        n += strlen(entry->d_name) == STORE_SHA256_BYTES - 1;
    if (directory)
        closedir(directory);
    return n;
}

static int count_all_images(const char *name)
{
    return count_images(name, "images") + count_images(name, "quarantine");
}

static void lose(const char *name)
{
    static const char *const files[] = {"captiond.db", "captiond.db-wal", "captiond.db-shm"};
    for (int i = 0; i < 3; i++)
        unlink(file_in(name, files[i]));
}

static store_repair_report repaired(const char *name)
{
    caption_error err;
    store_repair_report report;
    if (store_repair(scratch_path(name), &report, &err))
        fail_msg("%s", err.message);
    return report;
}

static void expect_refused(const char *name, const char *reason)
{
    caption_error err;
    store *s;
    assert_int_equal(store_open(&s, scratch_path(name), &limits, &err), CAPTION_EFORMAT);
    assert_null(s);
    assert_non_null(strstr(err.message, "captiond.db"));
    assert_non_null(strstr(err.message, "captiond repair"));
    if (!strstr(err.message, reason))
        fail_msg("expected \"%s\" in \"%s\"", reason, err.message);
}

/* ---- tests ---------------------------------------------------------------------------------------------------------
 */

static void a_lost_index_is_refused_and_made_again(void **state)
{
    char before[8192], after[8192];
    (void)state;
    build("lost");
    describe("lost", before);
    lose("lost");
    for (int i = 0; i < 2; i++)
        expect_refused("lost", "No such file");
    assert_int_equal(count_images("lost", "images"), ITEMS + 1);
    store_repair_report report = repaired("lost");
    assert_true(report.rebuilt && report.datasets == 2 && report.items == ITEMS + 2 && report.set_aside == 0);
    assert_int_equal(report.captions, 2 * (ITEMS + 2));
    describe("lost", after);
    assert_string_equal(after, before);
}

static void an_empty_or_foreign_index_is_a_lost_one(void **state)
{
    static const char text[] = "this was an index once, and now it is a letter to a friend, as long as a page has to be"
                               "................................................................................";
    char before[8192], after[8192];
    sqlite3 *db;
    (void)state;
    build("emptied");
    describe("emptied", before);
    for (int round = 0; round < 3; round++) {
        lose("emptied");
        if (round == 2) {
            assert_int_equal(sqlite3_open(file_in("emptied", "captiond.db"), &db), SQLITE_OK);
            assert_int_equal(sqlite3_exec(db, "CREATE TABLE images(id)", NULL, NULL, NULL), SQLITE_OK);
            sqlite3_close(db);
        } else {
            scratch_write("emptied/captiond.db", text, round ? sizeof text : 0);
        }
        expect_refused("emptied", round ? "captiond.db: " : "is empty");
        repaired("emptied");
        describe("emptied", after);
        assert_string_equal(after, before);
    }
}

static void missing_tables_and_triggers_are_noticed(void **state)
{
    static const char *const damages[] = {"DROP TRIGGER image_removed", "DROP INDEX items_by_image",
                                          "DROP TABLE garbage", "CREATE TABLE another(id)"};
    char before[8192], after[8192];
    sqlite3 *db;
    (void)state;
    build("tables");
    describe("tables", before);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        assert_int_equal(sqlite3_open(file_in("tables", "captiond.db"), &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, damages[i], NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        expect_refused("tables", "its tables are not those");
        assert_true(repaired("tables").rebuilt);
        describe("tables", after);
        assert_string_equal(after, before);
    }
}

/* Wherever bytes flip in the index: the store opens or says why not, and the image files stay. */
static void flipped_bytes_cost_no_image(void **state)
{
    unsigned long long random = 42;
    int refused = 0;
    size_t size;
    (void)state;
    build("flipped");
    unsigned char *whole = scratch_read(file_in("flipped", "captiond.db"), &size);
    for (int i = 0; i < FLIPS; i++) {
        caption_error err;
        store *s;
        unsigned char *bytes = malloc(size);
        assert_non_null(bytes);
        memcpy(bytes, whole, size);
        for (int k = 0; k <= i % 8; k++)
            bytes[scratch_random(&random) % size] ^= (unsigned char)(1 + scratch_random(&random) % 255);
        lose("flipped");
        scratch_write("flipped/captiond.db", bytes, size);
        free(bytes);
        int status = store_open(&s, scratch_path("flipped"), &limits, &err);
        refused += status != CAPTION_OK;
        assert_int_equal(status == CAPTION_OK, s != NULL);
        store_close(s);
        assert_int_equal(count_all_images("flipped"), ITEMS + 1);
        if (status == CAPTION_OK || status == CAPTION_EFORMAT)
            repaired("flipped");
        assert_int_equal(count_all_images("flipped"), ITEMS + 1);
    }
    assert_true(refused > 0);
    lose("flipped");
    store_repair_report report = repaired("flipped");
    assert_int_equal(report.items, ITEMS + 2);
    assert_int_equal(report.captions, 2 * (ITEMS + 2));
    free(whole);
}

static void what_the_index_does_not_know_is_set_aside_and_may_come_back(void **state)
{
    char before[8192], after[8192];
    sqlite3 *db;
    (void)state;
    build("older");
    describe("older", before);
    assert_int_equal(sqlite3_open(file_in("older", "captiond.db"), &db), SQLITE_OK);
    /* as a copy of the index from before the last upload would be */
    assert_int_equal(sqlite3_exec(db,
                                  "PRAGMA foreign_keys=ON; DELETE FROM items WHERE id = (SELECT max(id) FROM items);"
                                  "DELETE FROM garbage",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    store_close(opened("older"));
    assert_int_equal(count_images("older", "images"), ITEMS);
    assert_int_equal(count_images("older", "quarantine"), 1);
    store_repair_report report = repaired("older");
    assert_true(!report.rebuilt && report.images == 1 && report.set_aside == 0);
    describe("older", after);
    assert_string_equal(after, before);
    assert_int_equal(count_images("older", "quarantine"), 0);
}

static void a_file_that_nothing_is_known_of_stays_in_quarantine(void **state)
{
    static const char name[] = "strange/images/00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    (void)state;
    build("strange");
    scratch_write(name, "precious", 8);
    store_close(opened("strange"));
    assert_int_equal(count_images("strange", "quarantine"), 1);
    store_repair_report report = repaired("strange");
    assert_true(!report.rebuilt && report.images == 0 && report.set_aside == 1);
    scratch_write(name, "another", 7); /* once more: neither takes the other's place */
    store_close(opened("strange"));
    assert_int_equal(access(file_in("strange", "quarantine/00112233445566778899aabbccddeeff"
                                               "00112233445566778899aabbccddeeff.1"),
                            F_OK),
                     0);
}

/* Stores of older versions have nothing beside their images. */
static void captions_are_written_beside_images_that_lack_them(void **state)
{
    char before[8192], after[8192], path[512];
    (void)state;
    build("upgraded");
    describe("upgraded", before);
    DIR *directory = opendir(file_in("upgraded", "images"));
    assert_non_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (strstr(entry->d_name, ".json")) {
            snprintf(path, sizeof path, "images/%s", entry->d_name);
            assert_int_equal(unlink(file_in("upgraded", path)), 0);
        }
    closedir(directory);
    store_close(opened("upgraded"));
    lose("upgraded");
    repaired("upgraded");
    describe("upgraded", after);
    assert_string_equal(after, before);
}

static void deleted_items_and_datasets_do_not_come_back(void **state)
{
    problem p;
    store_dataset d;
    (void)state;
    build("deleted");
    store *s = opened("deleted");
    assert_int_equal(store_dataset_delete(s, "pets", &d, &p), 0);
    store_purge(s);
    store_close(s);
    lose("deleted");
    store_repair_report report = repaired("deleted");
    assert_true(report.datasets == 1 && report.items == 2 && report.captions == 4);
    assert_int_equal(count_all_images("deleted"), 2);
}

static void a_removed_index_is_noticed_before_the_next_item_is_acknowledged(void **state)
{
    static const char *const files[] = {"captiond.db", "captiond.db-wal", "captiond.db-shm"};
    (void)state;
    for (int i = 0; i < 3; i++) {
        problem p = {.kind = PROBLEM_NONE};
        store_added added;
        const store_upload upload = {.bytes = (const unsigned char *)"late",
                                     .size = 4,
                                     .type = "image/png",
                                     .width = 1,
                                     .height = 1,
                                     .captions = (const char *const[]){"late"},
                                     .n_captions = 1};
        char name[24];
        snprintf(name, sizeof name, "removed%d", i);
        build(name);
        store *s = opened(name);
        add(s, "pets", 500);
        assert_int_equal(unlink(file_in(name, files[i])), 0);
        assert_int_equal(store_item_add(s, "pets", &upload, &added, &p), 1);
        assert_int_equal(p.kind, PROBLEM_NO_DATA_DIRECTORY);
        assert_non_null(strstr(p.detail, files[i]));
        store_close(s);
        lose(name);
        assert_int_equal(repaired(name).items, ITEMS + 3);
    }
}

static void a_repair_waits_for_nobody_and_disturbs_nobody(void **state)
{
    caption_error err;
    store_repair_report report;
    (void)state;
    build("used");
    store *s = opened("used");
    assert_int_equal(store_repair(scratch_path("used"), &report, &err), CAPTION_EINVAL);
    assert_non_null(strstr(err.message, "stop that first"));
    add(s, "pets", 1000);
    store_close(s);
}

/* An upload that fails must not take away the file of an image that was there before it. */
static void a_failed_upload_leaves_an_old_file_alone(void **state)
{
    problem p = {.kind = PROBLEM_NONE};
    store_added added;
    (void)state;
    build("failing");
    store *s = opened("failing");
    const store_upload upload = {.bytes = (const unsigned char *)"image 3",
                                 .size = 7,
                                 .type = "image/png",
                                 .width = 1,
                                 .height = 1,
                                 .captions = (const char *const[]){"a", "b", "c", "d", "e"},
                                 .n_captions = 5};
    assert_int_equal(store_item_add(s, "pets", &upload, &added, &p), 1); /* more captions than allowed */
    assert_int_equal(p.kind, PROBLEM_LIMIT_REACHED);
    assert_int_equal(count_images("failing", "images"), ITEMS + 1);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lost_index_is_refused_and_made_again),
        cmocka_unit_test(an_empty_or_foreign_index_is_a_lost_one),
        cmocka_unit_test(missing_tables_and_triggers_are_noticed),
        cmocka_unit_test(flipped_bytes_cost_no_image),
        cmocka_unit_test(what_the_index_does_not_know_is_set_aside_and_may_come_back),
        cmocka_unit_test(a_file_that_nothing_is_known_of_stays_in_quarantine),
        cmocka_unit_test(captions_are_written_beside_images_that_lack_them),
        cmocka_unit_test(deleted_items_and_datasets_do_not_come_back),
        cmocka_unit_test(a_removed_index_is_noticed_before_the_next_item_is_acknowledged),
        cmocka_unit_test(a_repair_waits_for_nobody_and_disturbs_nobody),
        cmocka_unit_test(a_failed_upload_leaves_an_old_file_alone),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
