/* The store without HTTP around it: what a dataset is for a training job. */
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

#include "model/dataset.h"
#include "server/store/store.h"
#include "tests/support/scratch.h"

enum { ITEMS = 20 };

static const store_limits limits = {.datasets = 10, .items = 100, .captions = 5, .bytes = 1 << 20};

static store *open_store(const char *name)
{
    caption_error err;
    store *s;
    if (store_open(&s, scratch_path(name), &limits, &err))
        fail_msg("%s", err.message);
    return s;
}

/* The store does not look into images, so a text will do. */
static long long add(store *s, const char *dataset, int number)
{
    char image[32], first[32], second[32];
    problem p = {.kind = PROBLEM_NONE};
    store_added added;
    snprintf(image, sizeof image, "image %d", number);
    snprintf(first, sizeof first, "number %d", number);
    snprintf(second, sizeof second, "Again %d", number);
    const store_upload upload = {.bytes = (const unsigned char *)image,
                                 .size = strlen(image),
                                 .type = "image/png",
                                 .width = 1,
                                 .height = 1,
                                 .captions = (const char *const[]){first, second},
                                 .n_captions = 2};
    if (store_item_add(s, dataset, &upload, &added, &p))
        fail_msg("%s", p.detail);
    return added.id;
}

static void make(store *s, const char *dataset, int items)
{
    problem p = {.kind = PROBLEM_NONE};
    store_dataset d;
    int created;
    assert_int_equal(store_dataset_create(s, dataset, &d, &created, &p), 0);
    assert_true(created);
    for (int i = 0; i < items; i++)
        add(s, dataset, i);
}

static int never(void *context)
{
    (void)context;
    return 0;
}

static int try_export(store *s, const char *dataset, const char *directory, double dev_fraction, problem *p)
{
    store_export_sizes sizes;
    const store_export_order order = {dataset, directory, dev_fraction, 1, never, NULL};
    return store_export(s, &order, &sizes, p);
}

/* Exports to a directory of that name; the sizes must come out. */
static void export(store *s, const char *to, double dev_fraction, uint64_t seed, int train, int dev)
{
    problem p = {.kind = PROBLEM_NONE};
    store_export_sizes sizes;
    char directory[256];
    snprintf(directory, sizeof directory, "%s", scratch_path(to));
    mkdir(directory, 0700);
    const store_export_order order = {"pets", directory, dev_fraction, seed, never, NULL};
    if (store_export(s, &order, &sizes, &p))
        fail_msg("%s", p.detail);
    assert_int_equal(sizes.train_items, train);
    assert_int_equal(sizes.dev_items, dev);
}

static caption_dataset *read_back(const char *directory, const char *tsv)
{
    char images[256], file[256], name[128];
    caption_error err;
    caption_dataset *d;
    snprintf(name, sizeof name, "%s/images", directory);
    snprintf(images, sizeof images, "%s", scratch_path(name));
    snprintf(name, sizeof name, "%s/%s", directory, tsv);
    snprintf(file, sizeof file, "%s", scratch_path(name));
    if (caption_dataset_open(&d, images, file, &err))
        fail_msg("%s", err.message);
    return d;
}

static int has_image(const caption_dataset *d, const char *file)
{
    for (size_t i = 0; i < caption_dataset_size(d); i++)
        if (strcmp(caption_dataset_at(d, i)->file, file) == 0)
            return 1;
    return 0;
}

/* 1 if both have the same images, in whatever order. */
static int same_images(const caption_dataset *a, const caption_dataset *b)
{
    int same = caption_dataset_size(a) == caption_dataset_size(b);
    for (size_t i = 0; same && i < caption_dataset_size(a); i++)
        same = has_image(b, caption_dataset_at(a, i)->file);
    return same;
}

static int dev_sets_agree(const char *one, const char *other)
{
    caption_dataset *a = read_back(one, "dev.tsv"), *b = read_back(other, "dev.tsv");
    int same = same_images(a, b);
    caption_dataset_free(a);
    caption_dataset_free(b);
    return same;
}

/* ---- tests ----------------------------------------------------------------------------------------------------- */

static void an_export_is_a_dataset_cut_in_two(void **state)
{
    (void)state;
    store *s = open_store("cut");
    make(s, "pets", ITEMS);
    export(s, "cut/job", 0.25, 7, 15, 5);
    caption_dataset *train = read_back("cut/job", "train.tsv"), *dev = read_back("cut/job", "dev.tsv");
    assert_int_equal(caption_dataset_size(train), 15);
    assert_int_equal(caption_dataset_size(dev), 5);
    assert_int_equal(caption_dataset_captions(train), 30);
    assert_int_equal(caption_dataset_captions(dev), 10);
    for (size_t i = 0; i < caption_dataset_size(dev); i++)
        assert_false(has_image(train, caption_dataset_at(dev, i)->file));
    for (size_t i = 0; i < caption_dataset_size(train); i++) { /* each image has its own captions */
        const caption_dataset_image *image = caption_dataset_at(train, i);
        char path[400], expected[32];
        size_t size;
        snprintf(path, sizeof path, "%s/%s", caption_dataset_directory(train), image->file);
        char *text = (char *)scratch_read(path, &size);
        snprintf(expected, sizeof expected, "number %d", atoi(text + strlen("image ")));
        assert_int_equal(image->n_captions, 2);
        assert_string_equal(image->captions[0], expected);
        free(text);
    }
    caption_dataset_free(train);
    caption_dataset_free(dev);
    store_close(s);
}

static void each_part_gets_at_least_one_item(void **state)
{
    (void)state;
    store *s = open_store("least");
    make(s, "pets", 5);
    export(s, "least/job", 0.001, 1, 4, 1);
    export(s, "least/job", 0.999, 1, 1, 4);
    export(s, "least/job", 1, 1, 1, 4);
    export(s, "least/job", 0.5, 1, 2, 3);
    store_close(s);
}

static void without_a_fraction_there_is_no_dev_part(void **state)
{
    (void)state;
    store *s = open_store("whole");
    make(s, "pets", 3);
    export(s, "whole/job", 0.5, 1, 1, 2);
    assert_int_equal(access(scratch_path("whole/job/dev.tsv"), F_OK), 0);
    export(s, "whole/job", 0, 1, 3, 0);
    assert_int_not_equal(access(scratch_path("whole/job/dev.tsv"), F_OK), 0);
    store_close(s);
}

static void the_seed_decides_and_not_the_order_of_arrival(void **state)
{
    problem p = {.kind = PROBLEM_NONE};
    store_dataset d;
    int created;
    (void)state;
    store *s = open_store("seed"), *backwards = open_store("backwards");
    make(s, "pets", ITEMS);
    assert_int_equal(store_dataset_create(backwards, "pets", &d, &created, &p), 0);
    for (int i = ITEMS; i-- > 0;)
        add(backwards, "pets", i);
    export(s, "seed/one", 0.25, 7, 15, 5);
    export(s, "seed/same", 0.25, 7, 15, 5);
    export(s, "seed/other", 0.25, 8, 15, 5);
    export(backwards, "backwards/one", 0.25, 7, 15, 5);
    assert_true(dev_sets_agree("seed/one", "seed/same"));
    assert_true(dev_sets_agree("seed/one", "backwards/one"));
    assert_false(dev_sets_agree("seed/one", "seed/other"));
    store_close(s);
    store_close(backwards);
}

static void an_export_outlasts_its_dataset(void **state)
{
    problem p = {.kind = PROBLEM_NONE};
    store_dataset d;
    (void)state;
    store *s = open_store("outlast");
    make(s, "pets", 3);
    export(s, "outlast/job", 0, 1, 3, 0);
    assert_int_equal(store_dataset_delete(s, "pets", &d, &p), 0);
    assert_int_equal(d.items, 3);
    caption_dataset *left = read_back("outlast/job", "train.tsv"); /* which checks that the images are there */
    assert_int_equal(caption_dataset_size(left), 3);
    caption_dataset_free(left);
    store_close(s);
}

/* Says yes when asked for the so many-th time. */
static int stop_at(void *context)
{
    int *left = context;
    return --*left == 0;
}

static void an_export_can_be_stopped_and_begun_again(void **state)
{
    enum { PETS = 5, QUESTIONS = 2 * PETS };
    problem p;
    store_export_sizes sizes;
    char directory[256];
    (void)state;
    store *s = open_store("stopped");
    make(s, "pets", PETS);
    snprintf(directory, sizeof directory, "%s", scratch_path("stopped/job"));
    mkdir(directory, 0700);
    for (int at = 1; at <= QUESTIONS; at++) {
        int left = at;
        const store_export_order order = {"pets", directory, 0, 1, stop_at, &left};
        assert_int_equal(store_export(s, &order, &sizes, &p), 1);
        assert_int_equal(p.kind, PROBLEM_DRAINING);
    }
    export(s, "stopped/job", 0, 1, PETS, 0);
    store_close(s);
}

static int count_images(const char *name)
{
    char path[256];
    int n = 0;
    snprintf(path, sizeof path, "%s/images", name);
    DIR *directory = opendir(scratch_path(path));
    assert_non_null(directory);
    for (const struct dirent *file; (file = readdir(directory));)
        n += !strchr(file->d_name, '.'); /* beside each lies what is said of it */
    closedir(directory);
    return n;
}

/* As when the daemon is killed while it purges. */
static void a_deleted_dataset_is_gone_at_once_and_its_files_at_the_next_start_at_the_latest(void **state)
{
    enum { PETS = 5 };
    problem p;
    store_dataset d, list[2];
    int n, more, created;
    (void)state;
    store *s = open_store("deleted");
    make(s, "pets", PETS);
    assert_int_equal(store_dataset_delete(s, "pets", &d, &p), 0);
    assert_int_equal(d.items, PETS);
    assert_int_equal(store_dataset_get(s, "pets", &d, &p), 1);
    assert_int_equal(store_dataset_get(s, "/1", &d, &p), 1);
    assert_int_equal(store_dataset_list(s, "", 2, list, &n, &more, &p), 0);
    assert_int_equal(n, 0);
    assert_int_equal(store_dataset_create(s, "pets", &d, &created, &p), 0);
    assert_true(created && d.items == 0);
    add(s, "pets", 0);
    assert_int_equal(count_images("deleted"), PETS);
    store_close(s);
    s = open_store("deleted");
    assert_int_equal(count_images("deleted"), 1); /* the new one has it */
    assert_int_equal(store_dataset_get(s, "pets", &d, &p), 0);
    assert_int_equal(d.items, 1);
    store_close(s);
}

static void what_is_too_small_is_not_exported(void **state)
{
    problem p = {.kind = PROBLEM_NONE};
    char directory[256];
    (void)state;
    store *s = open_store("small");
    snprintf(directory, sizeof directory, "%s", scratch_path("small"));
    make(s, "pets", 0);
    assert_int_equal(try_export(s, "pets", directory, 0, &p), 1);
    assert_int_equal(p.kind, PROBLEM_DATASET_TOO_SMALL);
    add(s, "pets", 1);
    assert_int_equal(try_export(s, "pets", directory, 0.5, &p), 1);
    assert_int_equal(p.kind, PROBLEM_DATASET_TOO_SMALL);
    assert_int_equal(try_export(s, "pets", directory, 0, &p), 0);
    assert_int_equal(try_export(s, "nobody", directory, 0, &p), 1);
    assert_int_equal(p.kind, PROBLEM_UNKNOWN_DATASET);
    store_close(s);
}

static void a_database_of_a_newer_version_is_refused(void **state)
{
    char path[256], directory[256];
    caption_error err;
    sqlite3 *db;
    (void)state;
    store_close(open_store("newer"));
    snprintf(path, sizeof path, "%s", scratch_path("newer/captiond.db"));
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    store *s;
    snprintf(directory, sizeof directory, "%s", scratch_path("newer"));
    assert_int_equal(store_open(&s, directory, &limits, &err), CAPTION_EUNSUPPORTED);
    assert_null(s);
    assert_non_null(strstr(err.message, "99"));
}

static void marked_images_count_as_ready_for_that_encoder_alone(void **state)
{
    problem p = {.kind = PROBLEM_NONE};
    store_image images[3];
    store_dataset d;
    int n;
    (void)state;
    store *s = open_store("ready");
    make(s, "pets", 3);
    assert_int_equal(store_use_encoder(s, "aa", &p), 0);
    assert_int_equal(store_image_list(s, 0, 3, images, &n, &p), 0);
    assert_int_equal(n, 3);
    assert_int_equal(store_image_mark(s, (const long long[]){images[0].id, images[2].id}, 2, 1, &p), 0);
    assert_int_equal(store_dataset_get(s, "pets", &d, &p), 0);
    assert_int_equal(d.features_ready, 2);
    assert_int_equal(store_image_mark(s, &images[2].id, 1, 0, &p), 0);
    assert_int_equal(store_dataset_get(s, "pets", &d, &p), 0);
    assert_int_equal(d.features_ready, 1);
    assert_int_equal(store_image_mark(s, &images[2].id, 1, 1, &p), 0);
    assert_int_equal(store_image_list(s, images[0].id, 3, images, &n, &p), 0);
    assert_int_equal(n, 2);
    assert_false(images[0].features_ready);
    assert_true(images[1].features_ready);
    assert_int_equal(store_use_encoder(s, "bb", &p), 0);
    assert_int_equal(store_dataset_get(s, "pets", &d, &p), 0);
    assert_int_equal(d.features_ready, 0);
    store_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_export_is_a_dataset_cut_in_two),
        cmocka_unit_test(each_part_gets_at_least_one_item),
        cmocka_unit_test(without_a_fraction_there_is_no_dev_part),
        cmocka_unit_test(the_seed_decides_and_not_the_order_of_arrival),
        cmocka_unit_test(an_export_outlasts_its_dataset),
        cmocka_unit_test(an_export_can_be_stopped_and_begun_again),
        cmocka_unit_test(a_deleted_dataset_is_gone_at_once_and_its_files_at_the_next_start_at_the_latest),
        cmocka_unit_test(what_is_too_small_is_not_exported),
        cmocka_unit_test(a_database_of_a_newer_version_is_refused),
        cmocka_unit_test(marked_images_count_as_ready_for_that_encoder_alone),
    };
    return cmocka_run_group_tests_name("store", tests, scratch_make, scratch_remove);
}
