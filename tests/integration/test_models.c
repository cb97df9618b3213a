/* Models that swap: under load without a lost request, never for a broken file, by hand as well as over HTTP. */
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/lessons.h"
#include "tests/support/scratch.h"
#include "tests/support/served.h"
#include "tests/support/training.h"
#include "tests/support/visual.h"

enum { CLIENTS = 4, SWAPS = 30 };

static int start(void **state)
{
    if (served_start(state, (photo){0}, NULL))
        return -1;
    training_upload(served, "lessons", 6);
    training_expect(served, training_submit(served, TRAINING_TINY, "lessons", "one", 1), "succeeded");
    training_expect(served, training_submit(served, TRAINING_TINY, "lessons", "two", 2), "succeeded");
    return 0;
}

static void activate(const char *name)
{
    reply r = dataset_ask(served, "POST", "/v1/models/%s/activate", name);
    assert_int_equal(r.status, 200);
    reply_free(&r);
}

/* Which model answers if none is named; static. */
static const char *default_model(void)
{
    static char name[64];
    size_t size;
    unsigned char *bmp = lesson_picture(0, &size);
    reply r = client_ask(served, &(request){.path = "/v1/caption", .type = "image/bmp", .body = bmp, .size = size});
    client_expect_captions(&r, 1);
    snprintf(name, sizeof name, "%s", reply_string(&r, "model"));
    reply_free(&r);
    free(bmp);
    return name;
}

/* ---- under load -------------------------------------------------------------------------------------------------- */

typedef struct client {
    pthread_t thread;
    atomic_int *stop;
    const unsigned char *bmp;
    size_t size;
    int asked, failed;
} client;

static void *keep_asking(void *context)
{
    client *c = context;
    CURL *curl = curl_easy_init();
    const request ask = {.path = "/v1/caption", .type = "image/bmp", .body = c->bmp, .size = c->size};
    while (!atomic_load(c->stop)) {
        reply r = client_ask_with(curl, served, &ask);
        c->asked++;
        c->failed += r.error != CURLE_OK || r.status != 200;
        reply_free(&r);
    }
    curl_easy_cleanup(curl);
    return NULL;
}

static void swapping_under_load_loses_no_request(void **state)
{
    atomic_int stop = 0;
    client clients[CLIENTS];
    size_t size;
    unsigned char *bmp = lesson_picture(0, &size);
    (void)state;
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = (client){.stop = &stop, .bmp = bmp, .size = size};
        assert_int_equal(pthread_create(&clients[i].thread, NULL, keep_asking, &clients[i]), 0);
    }
    for (int i = 0; i < SWAPS; i++)
        activate(i % 3 == 0 ? "one" : i % 3 == 1 ? "two" : "tiny");
    atomic_store(&stop, 1);
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        assert_true(clients[i].asked > 0);
        assert_int_equal(clients[i].failed, 0);
    }
    free(bmp);
}

/* ---- one at a time ----------------------------------------------------------------------------------------------- */

static void a_request_may_name_any_model(void **state)
{
    (void)state;
    activate("one");
    assert_string_equal(default_model(), "one");
    char *text = training_caption(served, 0, "two");
    assert_non_null(text);
    free(text);
}

static void a_broken_file_leaves_the_old_model_serving(void **state)
{
    char path[300];
    size_t size;
    (void)state;
    activate("one");
    unsigned char *bytes = training_model("two", &size);
    snprintf(path, sizeof path, "%s", scratch_write("data/models/two.safetensors", bytes, size / 2));
    reply r = dataset_ask(served, "POST", "/v1/models/two/activate");
    client_expect_problem(&r, 422, "damaged-model");
    assert_non_null(strstr(reply_string(&r, "detail"), "two.safetensors"));
    reply_free(&r);
    assert_string_equal(default_model(), "one");

    captiond_stop(served);
    served = captiond_serve(NULL); /* starts all the same */
    captiond_wait_log(served, "event=model-ignored", 1);
    assert_string_equal(default_model(), "one");
    r = dataset_ask(served, "POST", "/v1/models/two/activate");
    client_expect_problem(&r, 422, "damaged-model");
    reply_free(&r);
    r = dataset_ask(served, "GET", "/v1/models");
    assert_string_equal(reply_string(&r, "broken/0/name"), "two");
    reply_free(&r);

    scratch_write("data/models/.two", bytes, size);
    char whole[300];
    snprintf(whole, sizeof whole, "%s", scratch_path("data/models/.two"));
    assert_int_equal(rename(whole, path), 0);
    activate("two");
    assert_string_equal(default_model(), "two");
    free(bytes);
}

static void an_active_model_whose_file_breaks_goes_on_until_the_end(void **state)
{
    char path[300];
    size_t size;
    (void)state;
    activate("two");
    unsigned char *bytes = training_model("two", &size);
    snprintf(path, sizeof path, "%s", scratch_path("data/models/two.safetensors"));
    assert_int_equal(unlink(path), 0);
    assert_string_equal(default_model(), "two");
    activate("one"); /* looks at the directory: the file is gone, and so is the model */
    reply r = dataset_ask(served, "POST", "/v1/models/two/activate");
    assert_true(r.status == 404 || r.status == 422);
    reply_free(&r);
    scratch_write("data/models/two.safetensors", bytes, size);
    free(bytes);
}

/* Whole from the first moment. */
static void put_model(const char *name, const unsigned char *bytes, size_t size)
{
    char path[300], file[96];
    snprintf(file, sizeof file, "data/models/%s.safetensors", name);
    snprintf(path, sizeof path, "%s", scratch_path(file));
    assert_int_equal(rename(scratch_write("data/models/.new", bytes, size), path), 0);
}

/* As it is for a moment when another daemon trains a model and activates it. */
static void a_link_waits_for_its_model(void **state)
{
    char path[300];
    size_t size;
    (void)state;
    activate("two");
    unsigned char *bytes = training_model("one", &size);
    snprintf(path, sizeof path, "%s", scratch_path("data/models/active"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(symlink("late", path), 0);
    captiond_wait_log(served, "event=not-activated model=late", 1);
    put_model("late", bytes, size);
    captiond_wait_log(served, "event=activated model=late", 1);
    assert_int_equal(captiond_count_log(served, "event=not-activated"), 1);
    assert_string_equal(default_model(), "late");
    free(bytes);
}

/* Models that fill the registry, or none of them. */
static void fill(const unsigned char *bytes, size_t size, int there)
{
    enum { ALL = 64 };
    char name[64];
    for (int i = 0; i < ALL; i++) {
        snprintf(name, sizeof name, "data/models/fill%d.safetensors", i);
        if (there)
            scratch_write(name, bytes, size);
        else
            assert_int_equal(unlink(scratch_path(name)), 0);
    }
    activate("one"); /* looks at the directory */
}

static void what_was_trained_stays_although_there_is_no_room_for_it(void **state)
{
    size_t size, trained_size;
    (void)state;
    unsigned char *bytes = training_model("one", &size);
    long long id = training_submit(served, TRAINING_TINY, "lessons", "homeless", 60);
    training_wait_iteration(served, id, 1);
    fill(bytes, size, 1);
    reply job = training_wait(served, id, "failed");
    assert_non_null(strstr(reply_string(&job, "error"), "the limit"));
    reply_free(&job);
    free(training_model("homeless", &trained_size));
    fill(bytes, size, 0);
    activate("homeless");
    activate("one");
    free(bytes);
}

static void refuse_deletion(const char *name, const char *why)
{
    reply r = dataset_ask(served, "DELETE", "/v1/models/%s", name);
    client_expect_problem(&r, 409, "model-in-use");
    assert_non_null(strstr(reply_string(&r, "detail"), why));
    reply_free(&r);
}

static void delete (const char *name)
{
    reply r = dataset_ask(served, "DELETE", "/v1/models/%s", name);
    assert_int_equal(r.status, 200);
    reply_free(&r);
}

static void a_model_that_a_training_goes_on_from_cannot_be_deleted(void **state)
{
    (void)state;
    activate("one");
    long long id = training_submit(served, "{\"dataset\":\"lessons\",\"model\":\"onward\",\"base\":\"two\","
                                           "\"epochs\":100000,\"patience\":0,\"minimum_count\":1,\"flip\":false}");
    refuse_deletion("two", "needs it");
    training_wait_iteration(served, id, 1);
    refuse_deletion("two", "needs it");
    captiond_stop(served);
    served = captiond_serve(NULL);
    refuse_deletion("two", "needs it");
    training_wait_iteration(served, id, 1);
    training_cancel(served, id);
    size_t size;
    unsigned char *bytes = training_model("two", &size);
    delete ("two");
    put_model("two", bytes, size);
    activate("two"); /* looks at the directory */
    activate("one");
    free(bytes);
}

static void a_model_whose_word_is_being_visualised_cannot_be_deleted(void **state)
{
    (void)state;
    char word[32];
    sscanf(lesson_caption(0), "%31s", word);
    long long id = visual_submit(served, NULL, "/v1/visualize?model=two&octaves=1&steps=1000&word=%s", word);
    refuse_deletion("two", "needs it");
    reply r = dataset_ask(served, "DELETE", "/v1/jobs/%lld", id);
    reply_free(&r);
}

static void what_somebody_put_under_the_name_of_a_job_stays(void **state)
{
    (void)state;
    size_t size, left_size;
    unsigned char *bytes = training_model("one", &size);
    long long id = training_submit(served, TRAINING_TINY, "lessons", "squatted", 60);
    training_wait_iteration(served, id, 1);
    put_model("squatted", bytes, size);
    reply job = training_wait(served, id, "failed");
    assert_non_null(strstr(reply_string(&job, "error"), "there is a file"));
    reply_free(&job);
    unsigned char *left = training_model("squatted", &left_size);
    assert_int_equal(left_size, size);
    assert_memory_equal(left, bytes, size);
    free(left);
    free(bytes);
    delete ("squatted");
}

static void a_file_that_cannot_be_used_keeps_its_name_until_it_is_deleted(void **state)
{
    (void)state;
    scratch_write("data/models/broken.safetensors", "not a model", 11);
    reply r = training_post(served, TRAINING_TINY, "lessons", "broken", 1);
    client_expect_problem(&r, 409, "name-taken");
    reply_free(&r);
    delete ("broken");
    training_expect(served, training_submit(served, TRAINING_TINY, "lessons", "broken", 1), "succeeded");
    delete ("broken");
}

/* The directory's time of change, to the nanosecond. */
static void set_time(long seconds)
{
    const struct timespec times[2] = {{seconds, 0}, {seconds, 0}};
    assert_int_equal(utimensat(AT_FDCWD, scratch_path("data/models"), times, 0), 0);
}

static void wait_served(const char *name)
{
    for (int tries = 0; tries < 3000; tries++) {
        reply r = dataset_ask(served, "GET", "/v1/models/%s", name);
        long status = r.status;
        reply_free(&r);
        if (status == 200)
            return;
        usleep(10000);
    }
    fail_msg("%s is not in service", name);
}

/* File systems keep time in steps: a second change may leave the time that the first one left. */
static void a_change_in_the_same_tick_as_the_last_is_seen(void **state)
{
    (void)state;
    size_t size;
    unsigned char *bytes = training_model("one", &size);
    const long now = (long)time(NULL) + 3600; /* fresh for as long as the test takes */
    put_model("tick1", bytes, size);
    set_time(now);
    wait_served("tick1");
    usleep(600000); /* the daemon has looked at that time */
    put_model("tick2", bytes, size);
    set_time(now);
    wait_served("tick2");
    set_time((long)time(NULL) - 60);
    delete ("tick1");
    delete ("tick2");
    free(bytes);
}

/* The models before it move up when one of them goes. */
static void the_default_stays_the_default_when_another_is_deleted(void **state)
{
    (void)state;
    size_t size;
    unsigned char *bytes = training_model("one", &size);
    put_model("gone", bytes, size);
    wait_served("gone");
    put_model("kept", bytes, size);
    wait_served("kept");
    activate("kept");
    delete ("gone");
    assert_string_equal(default_model(), "kept");
    refuse_deletion("kept", "kept");
    activate("one");
    delete ("kept");
    assert_string_equal(default_model(), "one");
    free(bytes);
}

/* And with it only at the start: what is activated later is followed. */
static void the_model_told_at_the_start_comes_before_the_activated_one(void **state)
{
    (void)state;
    activate("one");
    captiond_stop(served);
    served = captiond_serve((const char *[]){"--model", "tiny", NULL});
    assert_string_equal(default_model(), "tiny");
    assert_int_equal(captiond_count_log(served, "event=not-activated model=one reason=\"--model tiny comes first\""),
                     1);
    refuse_deletion("one", "one"); /* other daemons start with it */
    activate("one");
    assert_string_equal(default_model(), "one");
    captiond_stop(served);
    served = captiond_serve(NULL);
    assert_string_equal(default_model(), "one");
    assert_int_equal(captiond_count_log(served, "event=not-activated"), 0);
}

static void expect_default(const char *name, const char *const *options)
{
    captiond_stop(served);
    served = captiond_serve(options);
    assert_string_equal(default_model(), name);
}

/* Though it is none of those that were to be loaded: among the trained models, in the current directory, as a file. */
static void the_model_told_at_the_start_is_looked_for(void **state)
{
    (void)state;
    char file[300], before[PATH_MAX], here[PATH_MAX], encoder[PATH_MAX];
    size_t size;
    unsigned char *bytes = training_model("two", &size);
    expect_default("two", (const char *[]){"--models", "tiny", "--model", "two", NULL});
    refuse_deletion("two", "active");
    assert_int_equal(captiond_count_log(served, "event=model-ignored"), 0);
    snprintf(here, sizeof here, "%s", scratch_path("here"));
    assert_int_equal(mkdir(here, 0700), 0);
    snprintf(file, sizeof file, "%s", scratch_write("here/mine.safetensors", bytes, size));
    free(bytes);
    expect_default("mine", (const char *[]){"--models", "tiny", "--model", file, NULL});
    assert_non_null(getcwd(before, sizeof before));
    assert_non_null(realpath(captiond_encoder, encoder));
    assert_int_equal(chdir(here), 0);
    expect_default("mine", (const char *[]){"--encoder", encoder, "--models", "tiny", "--model", "mine", NULL});
    assert_int_equal(chdir(before), 0);
    expect_default("one", NULL);
}

static void a_models_file_is_sent_as_it_is(void **state)
{
    (void)state;
    reply r = dataset_ask(served, "GET", "/v1/models/tiny/file");
    assert_int_equal(r.status, 200);
    assert_string_equal(reply_header(&r, "Content-Type"), "application/octet-stream");
    assert_string_equal(reply_header(&r, "Content-Disposition"), "attachment; filename=\"tiny.safetensors\"");
    assert_true(r.size > 8);
    assert_memory_equal(r.body + 8, "{", 1); /* safetensors: the header's length, the header */
    reply_free(&r);
    r = dataset_ask(served, "GET", "/v1/models/nobody/file");
    client_expect_problem(&r, 404, "unknown-model");
    reply_free(&r);
}

static void an_unknown_model_is_404(void **state)
{
    static const char *const names[] = {"nobody", "..", "%2e%2e%2fpasswd", "efficientnet-b0"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        reply r = dataset_ask(served, "POST", "/v1/models/%s/activate", names[i]);
        assert_int_equal(r.status, 404);
        reply_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(swapping_under_load_loses_no_request),
        cmocka_unit_test(a_request_may_name_any_model),
        cmocka_unit_test(a_broken_file_leaves_the_old_model_serving),
        cmocka_unit_test(an_active_model_whose_file_breaks_goes_on_until_the_end),
        cmocka_unit_test(a_link_waits_for_its_model),
        cmocka_unit_test(what_was_trained_stays_although_there_is_no_room_for_it),
        cmocka_unit_test(a_model_that_a_training_goes_on_from_cannot_be_deleted),
        cmocka_unit_test(a_model_whose_word_is_being_visualised_cannot_be_deleted),
        cmocka_unit_test(what_somebody_put_under_the_name_of_a_job_stays),
        cmocka_unit_test(a_file_that_cannot_be_used_keeps_its_name_until_it_is_deleted),
        cmocka_unit_test(a_change_in_the_same_tick_as_the_last_is_seen),
        cmocka_unit_test(the_default_stays_the_default_when_another_is_deleted),
        cmocka_unit_test(the_model_told_at_the_start_comes_before_the_activated_one),
        cmocka_unit_test(the_model_told_at_the_start_is_looked_for),
        cmocka_unit_test(a_models_file_is_sent_as_it_is),
        cmocka_unit_test(an_unknown_model_is_404),
    };
    return cmocka_run_group_tests(tests, start, served_end);
}
