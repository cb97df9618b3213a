/* kill -9 in the midst of concurrent uploads, merges and deletions, twenty times: whatever was acknowledged is there,
 * and whole; nothing is there in part. */
#include <dirent.h>
#include <limits.h>
#include <nettle/base16.h>
#include <nettle/sha2.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/scratch.h"

enum { ROUNDS = 20, UPLOADERS = 4, MAX_ITEMS = 20000, LATEST_KILL_MS = 400, SHA256_CHARACTERS = 64 };

/* What is known of an image of a dataset that starts empty: what may and what must be in it. */
typedef struct item {
    long long id; /* from the first acknowledgement; 0: none yet */
    char sha256[SHA256_CHARACTERS + 1];
    int first, second;     /* captions acknowledged */
    int deleting, deleted; /* begun; acknowledged */
} item;

static captiond *server;
static item items[MAX_ITEMS]; /* by the picture's seed; each is touched by one uploader alone */
static unsigned begun[UPLOADERS];
static atomic_uint answers;  /* that acknowledged something */
static atomic_int surprises; /* in threads, where cmocka must not be asked to end the test */

/* ---- the storm ------------------------------------------------------------------------------------------------- */

static unsigned seed_of(unsigned uploader, unsigned i)
{
    return i * UPLOADERS + uploader;
}

/* An answer came, and it is not the one expected: ends the uploader. */
static int surprise(const reply *r)
{
    fprintf(stderr, "status %ld: %s\n", r->status, r->body ? r->body : "(no body)");
    surprises++;
    return 0;
}

static int add(unsigned seed, const photo *image, const char *which, int *acknowledged)
{
    char caption[64];
    snprintf(caption, sizeof caption, "%s caption of %u", which, seed);
    reply r = dataset_add(server, "storm", image, (const char *const[]){caption, NULL});
    int alive = r.error == CURLE_OK;
    if (alive && r.status != 200 && r.status != 201) {
        alive = surprise(&r);
    } else if (alive) {
        items[seed].id = (long long)reply_number(&r, "id");
        strncpy(items[seed].sha256, reply_string(&r, "sha256"), SHA256_CHARACTERS);
        *acknowledged = 1;
        answers++;
    }
    reply_free(&r);
    return alive;
}

static int drop(unsigned seed)
{
    items[seed].deleting = 1;
    reply r = dataset_ask(server, "DELETE", "/v1/datasets/storm/items/%lld", items[seed].id);
    int alive = r.error == CURLE_OK;
    if (alive && r.status != 200)
        alive = surprise(&r);
    else if (alive)
        items[seed].deleted = 1;
    reply_free(&r);
    return alive;
}

/* Adds pictures, each with two captions one after the other, and deletes every fifth again, until the server dies. */
static void *upload(void *context)
{
    unsigned uploader = *(const unsigned *)context;
    for (int alive = 1; alive;) {
        unsigned seed = seed_of(uploader, begun[uploader]++);
        if (seed >= MAX_ITEMS)
            abort();
        photo image = photo_make("png", 80 + (int)(seed % 7) * 30, 90, seed);
        alive = add(seed, &image, "first", &items[seed].first) && add(seed, &image, "second", &items[seed].second) &&
                (seed / UPLOADERS % 5 != 4 || drop(seed));
        photo_free(&image);
    }
    return NULL;
}

static void sleep_ms(unsigned ms)
{
    nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000L}, NULL);
}

/* Kills the server some time after the uploads began, or on a slow machine after the first was acknowledged. */
static void storm(unsigned ms, int wait)
{
    unsigned before = answers;
    static const unsigned numbers[UPLOADERS] = {0, 1, 2, 3};
    pthread_t threads[UPLOADERS];
    for (int i = 0; i < UPLOADERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, upload, (void *)&numbers[i]), 0);
    while (wait && answers == before && !surprises)
        sleep_ms(1);
    sleep_ms(ms);
    captiond_signal(server, SIGKILL);
    for (int i = 0; i < UPLOADERS; i++)
        pthread_join(threads[i], NULL);
    captiond_kill(server);
    assert_int_equal(surprises, 0);
}

/* ---- looking at what is left ----------------------------------------------------------------------------------- */

/* The image file named by its hash has that hash. */
static void check_file(const char *sha256)
{
    char name[PATH_MAX], hex[SHA256_CHARACTERS + 1] = "";
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx sha;
    size_t size;
    snprintf(name, sizeof name, "data/images/%s", sha256);
    unsigned char *bytes = scratch_read(scratch_path(name), &size);
    sha256_init(&sha);
    sha256_update(&sha, size, bytes);
    sha256_digest(&sha, sizeof digest, digest);
    base16_encode_update(hex, sizeof digest, digest);
    assert_string_equal(hex, sha256);
    free(bytes);
}

/* The picture's seed, from a caption "first caption of 17". */
static unsigned read_seed(const cJSON *found)
{
    const char *caption = cJSON_GetStringValue(cJSON_GetArrayItem(cJSON_GetObjectItem(found, "captions"), 0));
    assert_non_null(caption);
    return (unsigned)strtoul(strrchr(caption, ' ') + 1, NULL, 10);
}

static int has_caption(const cJSON *found, const char *which, unsigned seed)
{
    char caption[64];
    const cJSON *each;
    snprintf(caption, sizeof caption, "%s caption of %u", which, seed);
    cJSON_ArrayForEach(each, cJSON_GetObjectItem(found, "captions"))
    {
        if (strcmp(cJSON_GetStringValue(each), caption) == 0)
            return 1;
    }
    return 0;
}

/* A listed item is whole and has all that was acknowledged for it. Returns its seed. */
static unsigned check_listed(const cJSON *found)
{
    unsigned seed = read_seed(found);
    const item *known = &items[seed];
    const char *sha256 = cJSON_GetStringValue(cJSON_GetObjectItem(found, "sha256"));
    assert_true(seed < MAX_ITEMS);
    check_file(sha256);
    assert_false(known->deleted);
    if (known->id) {
        assert_int_equal(cJSON_GetNumberValue(cJSON_GetObjectItem(found, "id")), known->id);
        assert_string_equal(sha256, known->sha256);
    }
    assert_true(!known->first || has_caption(found, "first", seed));
    assert_true(!known->second || has_caption(found, "second", seed));
    return seed;
}

/* Lists the dataset; seen[seed] becomes 1. Returns the number of items, *captions that of their captions. */
static int check_list(unsigned char *seen, int *captions)
{
    char path[256] = "/v1/datasets/storm/items?limit=500";
    int n = 0;
    *captions = 0;
    while (*path) {
        reply r = dataset_ask(server, "GET", "%s", path);
        assert_int_equal(r.status, 200);
        const cJSON *found, *next = cJSON_GetObjectItem(r.json, "next");
        cJSON_ArrayForEach(found, cJSON_GetObjectItem(r.json, "items"))
        {
            unsigned seed = check_listed(found);
            assert_false(seen[seed]);
            seen[seed] = 1;
            *captions += cJSON_GetArraySize(cJSON_GetObjectItem(found, "captions"));
            n++;
        }
        snprintf(path, sizeof path, "%s", next ? cJSON_GetStringValue(next) : "");
        reply_free(&r);
    }
    return n;
}

static int count_entries(const char *name)
{
    int n = 0;
    DIR *directory = opendir(scratch_path(name));
    assert_non_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        n += entry->d_name[0] != '.';
    closedir(directory);
    return n;
}

/* What killed daemons were writing was swept: one process, one incoming directory, empty. */
static void check_incoming(void)
{
    char name[PATH_MAX] = "";
    DIR *directory = opendir(scratch_path("data/incoming"));
    assert_non_null(directory);
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        if (entry->d_name[0] != '.')
            snprintf(name, sizeof name, "data/incoming/%s", entry->d_name);
    closedir(directory);
    assert_int_equal(count_entries("data/incoming"), 1);
    assert_int_equal(count_entries(name), 0);
}

static void check_all(void)
{
    static unsigned char seen[MAX_ITEMS];
    int captions;
    memset(seen, 0, sizeof seen);
    int n = check_list(seen, &captions);
    for (unsigned seed = 0; seed < MAX_ITEMS; seed++)
        if (items[seed].first && !items[seed].deleting)
            assert_true(seen[seed]);
    reply r = dataset_ask(server, "GET", "/v1/datasets/storm");
    assert_int_equal(reply_number(&r, "items"), n);
    assert_int_equal(reply_number(&r, "captions"), captions);
    reply_free(&r);
    assert_int_equal(dataset_count_files(scratch_path("data")), n);
}

static void what_was_acknowledged_survives_kill_9(void **state)
{
    unsigned long long random = 20240229;
    (void)state;
    server = captiond_serve(NULL);
    dataset_make(server, "storm");
    for (int round = 0; round < ROUNDS; round++) {
        storm(scratch_random(&random) % LATEST_KILL_MS, round % 2);
        server = captiond_serve(NULL);
        check_all();
        check_incoming();
    }
    unsigned acknowledged = 0, deleted = 0;
    for (unsigned seed = 0; seed < MAX_ITEMS; seed++) {
        acknowledged += (unsigned)items[seed].first;
        deleted += (unsigned)items[seed].deleted;
    }
    print_message("# %d kills: %u items acknowledged, %u of them deleted\n", ROUNDS, acknowledged, deleted);
    assert_true(acknowledged >= ROUNDS / 2);
    captiond_stop(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_was_acknowledged_survives_kill_9)};
    return cmocka_run_group_tests_name("store_durability", tests, captiond_setup, captiond_teardown);
}
