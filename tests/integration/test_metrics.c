/* GET /metrics: what is told moves by exactly what was done, and Prometheus' own tool finds no fault with its form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/photo.h"
#include "tests/support/scratch.h"
#include "tests/support/served.h"
#include "tests/support/training.h"

static int start(void **state)
{
    return served_start(state, photo_make("png", 50, 40, 1),
                        (const char *[]){"--models", "tiny,other", "--model", "other", NULL});
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static reply scrape(const captiond *c)
{
    reply r = client_ask(c, &(request){.path = "/metrics"});
    assert_int_equal(r.error, CURLE_OK);
    assert_int_equal(r.status, 200);
    assert_string_equal(reply_header(&r, "Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
    return r;
}

/* The value of a sample, its name with its labels as they are told; -1 if it is not told. */
static double value_of(const reply *r, const char *sample)
{
    size_t length = strlen(sample);
    for (const char *line = r->body; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, sample, length) == 0 && line[length] == ' ')
            return strtod(line + length, NULL);
    return -1;
}

static double look(const captiond *c, const char *sample)
{
    reply r = scrape(c);
    double value = value_of(&r, sample);
    reply_free(&r);
    return value;
}

/* What a counter has counted: nothing, if it is not told. */
static double counted(const reply *r, const char *sample)
{
    double value = value_of(r, sample);
    return value < 0 ? 0 : value;
}

static void expect_moved(const reply *before, const reply *after, const char *sample, double by)
{
    double moved = counted(after, sample) - counted(before, sample);
    if (moved != by)
        fprintf(stderr, "%s moved by %g instead of %g\n", sample, moved, by);
    assert_true(moved == by);
}

/* Scrapes until the counter is there: a request is counted when its answer is sent, which its client may see first. */
static reply scrape_until(const captiond *c, const char *sample, double value)
{
    for (int tries = 0; tries < 30000; tries++) {
        reply r = scrape(c);
        if (counted(&r, sample) >= value)
            return r;
        reply_free(&r);
        usleep(10000);
    }
    fprintf(stderr, "%s never came to %g\n", sample, value);
    fail();
    return (reply){0};
}

#define CAPTIONED "captiond_http_requests_total{method=\"POST\",route=\"/v1/caption\",status=\"200\"}"
#define DAMAGED "captiond_http_requests_total{method=\"POST\",route=\"/v1/caption\",status=\"422\"}"

/* ---- the tests --------------------------------------------------------------------------------------------------- */

static void a_caption_counts_everywhere(void **state)
{
    static const char *const by_one[] = {
        "captiond_captions_total",
        "captiond_images_total",
        "captiond_batch_images_count",
        "captiond_batch_images_sum",
        "captiond_batch_images_bucket{le=\"1\"}",
        "captiond_queue_wait_seconds_count",
        "captiond_queue_wait_seconds_bucket{le=\"+Inf\"}",
        "captiond_stage_duration_seconds_count{stage=\"decode\"}",
        "captiond_stage_duration_seconds_count{stage=\"encode\"}",
        "captiond_stage_duration_seconds_count{stage=\"write\"}",
        "captiond_http_request_duration_seconds_count{method=\"POST\",route=\"/v1/caption\"}",
        CAPTIONED,
    };
    (void)state;
    reply before = scrape(served);
    reply r =
        client_ask(served, &(request){.path = "/v1/caption", .body = served_photo.bytes, .size = served_photo.size});
    client_expect_captions(&r, 1);
    reply after = scrape_until(served, CAPTIONED, counted(&before, CAPTIONED) + 1);
    for (size_t i = 0; i < sizeof by_one / sizeof *by_one; i++)
        expect_moved(&before, &after, by_one[i], 1);
    expect_moved(&before, &after, "captiond_caption_words_total", reply_number(&r, "captions/0/words"));
    expect_moved(&before, &after, "captiond_http_received_bytes_total", (double)served_photo.size);
    assert_true(counted(&after, "captiond_stage_duration_seconds_sum{stage=\"encode\"}") > 0);
    assert_true(counted(&after, "process_cpu_seconds_total") >= counted(&before, "process_cpu_seconds_total"));
    reply_free(&r);
    reply_free(&before);
    reply_free(&after);
}

static void a_problem_counts_by_its_type_and_status(void **state)
{
    (void)state;
    reply before = scrape(served);
    reply r = client_ask(served,
                         &(request){.path = "/v1/caption", .body = served_photo.bytes, .size = served_photo.size / 2});
    client_expect_problem(&r, 422, "damaged-image");
    reply after = scrape_until(served, DAMAGED, counted(&before, DAMAGED) + 1);
    expect_moved(&before, &after, "captiond_problems_total{type=\"damaged-image\"}", 1);
    expect_moved(&before, &after, DAMAGED, 1);
    expect_moved(&before, &after, "captiond_captions_total", 0);
    expect_moved(&before, &after, CAPTIONED, 0);
    reply_free(&r);
    reply_free(&before);
    reply_free(&after);
}

/* Else whoever asks for many paths could fill Prometheus with them. */
static void paths_of_clients_are_no_labels(void **state)
{
    static const char other[] = "captiond_http_requests_total{method=\"other\",route=\"other\",status=\"404\"}";
    static const char models[] =
        "captiond_http_requests_total{method=\"DELETE\",route=\"/v1/models/{name}\",status=\"404\"}";
    (void)state;
    reply r = client_ask(served, &(request){.path = "/made-up-path"});
    client_expect_problem(&r, 404, "not-found");
    reply_free(&r);
    r = client_ask(served, &(request){.path = "/v1/models/made-up-name", .method = "DELETE"});
    client_expect_problem(&r, 404, "unknown-model");
    reply_free(&r);
    reply first = scrape_until(served, other, 1), second = scrape_until(served, models, 1);
    assert_null(strstr(second.body, "made-up"));
    reply_free(&first);
    reply_free(&second);
}

static void the_models_are_told_and_which_is_the_default(void **state)
{
    (void)state;
    reply models = client_ask(served, &(request){.path = "/v1/models"});
    for (int i = 0; i < 2; i++) {
        char path[64], sample[256];
        snprintf(path, sizeof path, "models/%d/sha256", i);
        snprintf(sample, sizeof sample, "captiond_model_info{model=\"%s\",kind=\"%s\",sha256=\"%s\",default=\"%s\"}",
                 i ? "other" : "tiny", i ? "rnn" : "lstm", reply_string(&models, path), i ? "true" : "false");
        assert_true(look(served, sample) == 1);
    }
    reply_free(&models);
    assert_true(look(served, "captiond_ready") == 1);
}

static void the_process_is_told(void **state)
{
    long long resident = 0;
    char path[64];
    (void)state;
    snprintf(path, sizeof path, "/proc/%d/statm", (int)served->pid);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%*d %lld", &resident), 1);
    fclose(file);
    double told = look(served, "process_resident_memory_bytes");
    double really = (double)resident * (double)sysconf(_SC_PAGESIZE);
    assert_true(told > really / 2 && told < really * 2);
    assert_true(look(served, "process_threads") > 2);
    assert_true(look(served, "process_open_fds") > 3);
    assert_true(look(served, "process_start_time_seconds") > 1e9);
}

/* A worker that waits for a batch of two to fill holds the first image. */
static void the_queue_tells_what_waits(void **state)
{
    (void)state;
    captiond *c = captiond_serve(
        (const char *[]){"--batch", "2", "--batch-wait-ms", "3600000", "--queue", "3", "--max-parts", "3", NULL});
    const request ask = {.path = "/v1/caption", .body = served_photo.bytes, .size = served_photo.size};
    assert_true(look(c, "captiond_queue_images") == 0);
    assert_true(look(c, "captiond_queue_capacity_images") == 3);
    asking *first = client_begin(c, &ask);
    captiond_wait_log(c, "event=queued", 1);
    assert_true(look(c, "captiond_queue_images") == 1);
    asking *second = client_begin(c, &ask);
    reply one = client_end(first), two = client_end(second);
    client_expect_captions(&one, 1);
    client_expect_captions(&two, 1);
    assert_true(look(c, "captiond_queue_images") == 0);
    assert_true(look(c, "captiond_batch_images_sum") == 2);
    assert_true(look(c, "captiond_batch_images_count") == 1);
    reply_free(&one);
    reply_free(&two);
    captiond_stop(c);
}

static void jobs_count_when_they_end(void **state)
{
    static const char done[] = "captiond_jobs_ended_total{kind=\"train\",state=\"succeeded\"}";
    static const char cancelled[] = "captiond_jobs_ended_total{kind=\"train\",state=\"cancelled\"}";
    (void)state;
    training_upload(served, "lessons", 4);
    assert_true(look(served, done) == 0);
    training_expect(served, training_submit(served, TRAINING_TINY, "lessons", "mine", 1), "succeeded");
    reply r = scrape_until(served, done, 1);
    reply_free(&r);
    long long id = training_submit(served, TRAINING_ENDLESS, "lessons", "endless");
    training_wait_state(served, id, "running");
    r = scrape_until(served, "captiond_jobs_running", 1);
    reply_free(&r);
    training_cancel(served, id);
    r = scrape_until(served, cancelled, 1);
    assert_true(value_of(&r, cancelled) == 1 && value_of(&r, done) == 1);
    reply_free(&r);
    for (int tries = 0; look(served, "captiond_jobs_running") != 0; tries++) {
        assert_true(tries < 6000);
        usleep(10000);
    }
}

static void a_key_for_captions_is_one_for_metrics(void **state)
{
    static const char *const key[] = {"Authorization: Bearer secret", NULL};
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--caption-key", "secret", NULL});
    reply r = client_ask(c, &(request){.path = "/metrics"});
    client_expect_problem(&r, 401, "unauthorized");
    reply_free(&r);
    r = client_ask(c, &(request){.path = "/metrics", .headers = key});
    assert_int_equal(r.status, 200);
    reply_free(&r);
    captiond_stop(c);
}

/* 1 if the family that a sample's name belongs to is told. */
static int is_told(const reply *r, const char *name)
{
    static const char *const endings[] = {"", "_bucket", "_sum", "_count"};
    char type[160];
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        int length = (int)strlen(name) - (int)strlen(endings[i]);
        snprintf(type, sizeof type, "# TYPE %.*s ", length, name);
        if (length > 0 && strcmp(name + length, endings[i]) == 0 && strstr(r->body, type))
            return 1;
    }
    return 0;
}

static void the_dashboard_asks_only_for_what_is_told(void **state)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz_";
    size_t size;
    int names = 0;
    char name[128];
    (void)state;
    char *text = (char *)scratch_read("docker/grafana/captiond.json", &size);
    reply r = scrape(served);
    for (const char *expression = text; (expression = strstr(expression, "\"expr\": \"")) != NULL; expression += 9) {
        const char *line_end = strchr(expression, '\n');
        for (const char *at = expression; at < line_end; at += strspn(at, letters) + (strspn(at, letters) == 0)) {
            snprintf(name, sizeof name, "%.*s", (int)strspn(at, letters), at);
            if (strncmp(name, "captiond_", 9) != 0 && strncmp(name, "process_", 8) != 0)
                continue;
            if (!is_told(&r, name))
                fprintf(stderr, "the dashboard asks for %s\n", name);
            assert_true(is_told(&r, name));
            names++;
        }
    }
    assert_true(names > 20);
    reply_free(&r);
    free(text);
}

/* After all the others: most samples are told by now. */
static void promtool_finds_no_fault(void **state)
{
    static const char tool[] = "build/tools/promtool";
    char command[512];
    (void)state;
    if (access(tool, X_OK) != 0)
        skip();
    reply r = scrape(served);
    snprintf(command, sizeof command, "%s check metrics <%s >&2", tool, scratch_write("metrics", r.body, r.size));
    int status = system(command);
    reply_free(&r);
    assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -1, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_caption_counts_everywhere),
        cmocka_unit_test(a_problem_counts_by_its_type_and_status),
        cmocka_unit_test(paths_of_clients_are_no_labels),
        cmocka_unit_test(the_models_are_told_and_which_is_the_default),
        cmocka_unit_test(the_process_is_told),
        cmocka_unit_test(the_queue_tells_what_waits),
        cmocka_unit_test(jobs_count_when_they_end),
        cmocka_unit_test(a_key_for_captions_is_one_for_metrics),
        cmocka_unit_test(the_dashboard_asks_only_for_what_is_told),
        cmocka_unit_test(promtool_finds_no_fault),
    };
    return cmocka_run_group_tests_name("metrics", tests, start, served_end);
}
