/* What stops the start: one clear line that names the option, or the file and the reason; and what does not, but keeps
 * it from being ready: a captioner whose file is broken. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/photo.h"
#include "tests/support/scratch.h"

enum { ARGUMENTS = 24 };

/* `captiond serve` with these options, which must end with `status` and say all of `said` in the last line. */
static void expect_end(const char *const *options, const char *const *variables, int status, const char *const *said)
{
    const char *arguments[ARGUMENTS] = {"serve", "--port", "0"};
    for (int n = 3, i = 0; options[i]; i++) {
        assert_true(n < ARGUMENTS - 1);
        arguments[n++] = options[i];
    }
    captiond_output o = captiond_run(arguments, variables, NULL);
    size_t length = strlen(o.err);
    assert_int_equal(o.status, status);
    assert_true(length > 0 && o.err[length - 1] == '\n');
    o.err[length - 1] = '\0';
    const char *line = strrchr(o.err, '\n') ? strrchr(o.err, '\n') + 1 : o.err;
    if (strncmp(line, "captiond serve: ", 16) != 0)
        fprintf(stderr, "said: %s\n", line);
    assert_memory_equal(line, "captiond serve: ", 16);
    for (int i = 0; said[i]; i++) {
        if (!strstr(line, said[i]))
            fprintf(stderr, "no \"%s\" in: %s\n", said[i], line);
        assert_non_null(strstr(line, said[i]));
    }
    captiond_output_free(&o);
}

/* ---- configuration --------------------------------------------------------------------------------------------- */

static void refuse_option(const char *name, const char *value, const char *said)
{
    expect_end((const char *[]){name, value, NULL}, NULL, 2, (const char *[]){name, said, NULL});
}

static void a_wrong_option_stops_the_start(void **state)
{
    (void)state;
    refuse_option("--port", "65536", "not a whole number from 0 to 65535");
    refuse_option("--port", "-1", "not a whole number from");
    refuse_option("--port", "80a", "not a whole number");
    refuse_option("--port", "99999999999999999999", "not a whole number from");
    refuse_option("--workers", "0", "not a whole number from");
    refuse_option("--queue", "many", "not a whole number");
    refuse_option("--max-body-mb", "1.5", "not a whole number");
    refuse_option("--log-level", "loud", "not one of debug|info|warning|error");
    refuse_option("--host", "", "must not be empty");
    refuse_option("--bogus", "1", "unknown option");
    refuse_option("--drain-ms", NULL, "needs a value");
    refuse_option("-p", "80", "unknown option");
    expect_end((const char *[]){"operand", NULL}, NULL, 2, (const char *[]){"usage", NULL});
    expect_end((const char *[]){"--max-parts", "65", NULL}, NULL, 2,
               (const char *[]){"--max-parts 65", "--queue 64", NULL});
    expect_end((const char *[]){"--queue=4", "--max-parts=4", "--batch=5", NULL}, NULL, 2,
               (const char *[]){"--batch 5", "--queue 4", NULL});
    expect_end((const char *[]){"--max-buffered-mb", "2", NULL}, NULL, 2, (const char *[]){"--max-body-mb", NULL});
    expect_end((const char *[]){"--connections", "1", NULL}, NULL, 2, (const char *[]){"--http-threads", NULL});
}

static void the_environment_is_checked_the_same_way(void **state)
{
    (void)state;
    expect_end((const char *[]){NULL}, (const char *[]){"CAPTIOND_MAX_BODY_MB=none", NULL}, 2,
               (const char *[]){"CAPTIOND_MAX_BODY_MB", "\"none\"", "not a whole number", NULL});
    expect_end((const char *[]){NULL}, (const char *[]){"CAPTIOND_LOG_LEVEL=loud", NULL}, 2,
               (const char *[]){"CAPTIOND_LOG_LEVEL", NULL});
}

/* In the release after its name changed, an option still has both. */
static void an_old_name_works_with_a_warning(void **state)
{
    (void)state;
    static const char warning[] = "captiond serve: warning: --job-memory is now called --max-ended-jobs";
    captiond_output o = captiond_run((const char *[]){"serve", "--job-memory", "0", NULL}, NULL, NULL);
    assert_int_equal(o.status, 2);
    assert_memory_equal(o.err, warning, sizeof warning - 1);
    assert_non_null(strstr(o.err, "--max-ended-jobs: \"0\" is not a whole number from 1 to 1000000"));
    captiond_output_free(&o);
    o = captiond_run((const char *[]){"serve", NULL}, (const char *[]){"CAPTIOND_JOB_MEMORY=none", NULL}, NULL);
    assert_int_equal(o.status, 2);
    assert_memory_equal(o.err, warning, sizeof warning - 1);
    assert_non_null(strstr(o.err, "CAPTIOND_JOB_MEMORY: \"none\" is not a whole number"));
    captiond_output_free(&o);
}

static void the_environment_sets_what_the_command_line_does_not(void **state)
{
    (void)state;
    setenv("CAPTIOND_MAX_PARTS", "2", 1);
    setenv("CAPTIOND_DEADLINE_MS", "", 1);
    captiond *by_environment = captiond_serve(NULL);
    captiond *by_option = captiond_serve((const char *[]){"--max-parts", "3", NULL});
    unsetenv("CAPTIOND_MAX_PARTS");
    unsetenv("CAPTIOND_DEADLINE_MS");
    static const char three[] = "{\"images\":[\"aGVsbG8=\",\"aGVsbG8=\",\"aGVsbG8=\"]}";
    request what = {.path = "/v1/caption", .type = "application/json", .body = three, .size = sizeof three - 1};
    reply r = client_ask(by_environment, &what);
    client_expect_problem(&r, 413, "too-many-images");
    reply_free(&r);
    r = client_ask(by_option, &what);
    client_expect_problem(&r, 415, "unsupported-image");
    reply_free(&r);
    captiond_stop(by_environment);
    captiond_stop(by_option);
}

static void every_option_is_printed_with_its_default_and_twin(void **state)
{
    (void)state;
    captiond_output o = captiond_run((const char *[]){"serve", "--help", NULL}, NULL, NULL);
    assert_int_equal(o.status, 0);
    assert_non_null(strstr(o.out, "--max-body-mb N"));
    assert_non_null(strstr(o.out, "(default 16, CAPTIOND_MAX_BODY_MB)"));
    assert_non_null(strstr(o.out, "(default 127.0.0.1, CAPTIOND_HOST)"));
    captiond_output_free(&o);
}

static void a_port_in_use_is_told(void **state)
{
    (void)state;
    char port[16];
    captiond *c = captiond_serve(NULL);
    snprintf(port, sizeof port, "%d", c->port);
    expect_end((const char *[]){"--port", port, NULL}, NULL, 1,
               (const char *[]){"127.0.0.1", port, "Address already in use", "--port N", "CAPTIOND_PORT=N", NULL});
    captiond_stop(c);
}

static void a_host_that_is_none_is_told(void **state)
{
    (void)state;
    expect_end((const char *[]){"--host", "256.1.1.1.1", NULL}, NULL, 1, (const char *[]){"--host 256.1.1.1.1", NULL});
}

/* ---- weights --------------------------------------------------------------------------------------------------- */

/* Serves the model file at `path` alone: the daemon lives, is not ready, and says why by the file's name and all of
 * `said`. */
static void refuse_model(const char *path, const char *const *said)
{
    char file[256];
    snprintf(file, sizeof file, "%s", path);
    captiond *c = captiond_serve((const char *[]){"--models", file, NULL});
    reply r = client_ask(c, &(request){.path = "/readyz"});
    client_expect_problem(&r, 503, "broken-model");
    const char *detail = reply_string(&r, "detail");
    for (int i = 0; said[i]; i++)
        if (!strstr(detail, said[i]))
            fail_msg("no \"%s\" in: %s", said[i], detail);
    assert_non_null(strstr(detail, strrchr(file, '/') + 1));
    assert_null(strstr(detail, file)); /* where it lies is for the log */
    reply_free(&r);
    captiond_stop(c);
}

/* A copy of tiny.safetensors called `name`, malloc'd, to be changed. */
static char *copy_model(size_t *size)
{
    return (char *)scratch_read(scratch_path("tiny.safetensors"), size);
}

/* Replaces the first `old` in the header by `new` of the same length. */
static void swap(char *file, size_t size, const char *old, const char *new)
{
    char *at = memmem(file, size, old, strlen(old));
    assert_non_null(at);
    assert_int_equal(strlen(old), strlen(new));
    memcpy(at, new, strlen(new));
}

static void missing_weights_are_named(void **state)
{
    (void)state;
    char directory[256];
    snprintf(directory, sizeof directory, "%s", scratch_path("."));
    char absent[256];
    snprintf(absent, sizeof absent, "%s", scratch_path("absent.safetensors"));
    expect_end((const char *[]){"--encoder", captiond_encoder, "--models", absent, NULL}, NULL, 1,
               (const char *[]){"absent.safetensors", "No such file", NULL});
    expect_end((const char *[]){"--encoder", "/nowhere/encoder.safetensors", NULL}, NULL, 1,
               (const char *[]){"/nowhere/encoder.safetensors", "No such file", NULL});
    expect_end((const char *[]){"--weights", directory, NULL}, NULL, 1,
               (const char *[]){"efficientnet-b0.safetensors", "No such file", NULL});
    expect_end((const char *[]){"--weights", directory, "--encoder", captiond_encoder, "--models", "nobody", NULL},
               NULL, 1, (const char *[]){"nobody.safetensors", "No such file", NULL});
    expect_end((const char *[]){"--weights", directory, "--encoder", captiond_encoder, "--model", "nobody", NULL}, NULL,
               1, (const char *[]){"--model nobody", NULL});
    expect_end((const char *[]){"--weights", directory, "--encoder", captiond_encoder, "--models", "tiny,tiny", NULL},
               NULL, 1, (const char *[]){"two models are called tiny", NULL});
}

static void an_encoder_is_no_captioner_and_the_other_way_round(void **state)
{
    (void)state;
    char tiny[256];
    snprintf(tiny, sizeof tiny, "%s", scratch_path("tiny.safetensors"));
    refuse_model(captiond_encoder, (const char *[]){"captiond-encoder-1", NULL});
    expect_end((const char *[]){"--encoder", tiny, "--models", tiny, NULL}, NULL, 1,
               (const char *[]){"tiny.safetensors", NULL});
}

static void truncated_weights_are_refused(void **state)
{
    (void)state;
    size_t size, cuts[] = {0, 4, 8, 100, 0, 0};
    char *file = copy_model(&size);
    cuts[4] = size / 2;
    cuts[5] = size - 1;
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        refuse_model(scratch_write("short.safetensors", file, cuts[i]), (const char *[]){"", NULL});
    free(file);
}

static void damaged_weights_are_refused_by_tensor(void **state)
{
    static const struct {
        const char *old, *new, *said[3];
    } cases[] = {
        {"\"shape\":[16]", "\"shape\":[17]", {"tensor", NULL}},       /* more than its bytes */
        {"\"dtype\":\"F32\"", "\"dtype\":\"I32\"", {"I32", NULL}},    /* a type that no tensor has */
        {"\"w_proj\"", "\"w_prog\"", {"w_proj", NULL}},               /* one is not there */
        {"\"kind\":\"lstm\"", "\"kind\":\"lstn\"", {"lstn", NULL}},   /* a kind we do not know */
        {"\"hidden\":\"16\"", "\"hidden\":\"61\"", {"shape", NULL}},  /* mis-shaped */
        {"\"hidden\":\"16\"", "\"hidden\":\"-6\"", {"hidden", NULL}}, /* nonsense */
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t size;
        char *file = copy_model(&size);
        swap(file, size, cases[i].old, cases[i].new);
        swap(file, size, "checksums", "checkless"); /* as a writer would that has none */
        refuse_model(scratch_write("damaged.safetensors", file, size), cases[i].said);
        free(file);
    }
}

/* Every bit of them, if the file carries checksums. */
static void flipped_bytes_are_noticed(void **state)
{
    (void)state;
    size_t size;
    char *file = copy_model(&size);
    for (size_t i = 0; i < 3; i++) {
        size_t at = size - 1 - i * (size / 5);
        file[at] ^= 4;
        refuse_model(scratch_write("flipped.safetensors", file, size), (const char *[]){"wrong checksum", NULL});
        file[at] ^= 4;
    }
    free(file);
}

static void expect_status(const captiond *c, const char *path, long status, const char *name)
{
    photo image = photo_make("png", 40, 40, 3);
    reply r = client_ask(c, &(request){.path = path, .body = image.bytes, .size = image.size});
    if (name)
        client_expect_problem(&r, status, name);
    assert_int_equal(r.status, status);
    reply_free(&r);
    photo_free(&image);
}

/* One broken file among several: the others serve. */
static void a_broken_model_does_not_keep_others_from_serving(void **state)
{
    static const char *const defaults[] = {"other", "bad"};
    (void)state;
    size_t size;
    char *file = copy_model(&size), models[600];
    file[size - 9] ^= 1;
    snprintf(models, sizeof models, "%s", scratch_write("bad.safetensors", file, size));
    snprintf(models + strlen(models), sizeof models - strlen(models), ",%s", scratch_path("other.safetensors"));
    free(file);
    for (int broken = 0; broken < 2; broken++) {
        captiond *c = captiond_serve((const char *[]){"--models", models, "--model", defaults[broken], NULL});
        assert_int_equal(captiond_count_log(c, "event=model-broken"), 1);
        reply r = client_ask(c, &(request){.path = "/v1/models"});
        assert_int_equal(r.status, 200);
        assert_string_equal(reply_string(&r, "broken/0/name"), "bad");
        assert_non_null(strstr(reply_string(&r, "broken/0/reason"), "wrong checksum"));
        assert_string_equal(reply_string(&r, "models/0/name"), "other");
        reply_free(&r);
        expect_status(c, "/v1/caption?model=other", 200, NULL);
        expect_status(c, "/v1/caption?model=bad", 503, "broken-model");
        expect_status(c, "/v1/caption", broken ? 503 : 200, broken ? "broken-model" : NULL);
        r = client_ask(c, &(request){.path = "/readyz"});
        assert_int_equal(r.status, broken ? 503 : 200);
        reply_free(&r);
        r = client_ask(c, &(request){.path = "/v1/models/bad"});
        client_expect_problem(&r, 503, "broken-model");
        reply_free(&r);
        captiond_stop(c);
    }
}

static void a_number_that_is_not_finite_is_refused(void **state)
{
    (void)state;
    size_t size;
    const float nan = __builtin_nanf("");
    char *file = copy_model(&size);
    memcpy(file + size - 4, &nan, 4);
    swap(file, size, "checksums", "checkless");
    refuse_model(scratch_write("nan.safetensors", file, size), (const char *[]){"tensor", NULL});
    free(file);
}

/* A header of our own over as much data as it may claim. */
static void refuse_header(const char *json, const char *said)
{
    char file[1024] = {0};
    uint64_t length = strlen(json);
    memcpy(file, &length, 8);
    memcpy(file + 8, json, length);
    refuse_model(scratch_write("header.safetensors", file, 8 + length + 64), (const char *[]){said, NULL});
}

static void headers_that_lie_are_refused(void **state)
{
    (void)state;
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[8],\"data_offsets\":[0,32]},"
                  "\"b\":{\"dtype\":\"F32\",\"shape\":[8],\"data_offsets\":[16,48]}}",
                  "overlap");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[1152921504606846976],\"data_offsets\":[0,64]}}", "tensor a");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", "tensor a");
    refuse_header("{\"a\":{\"dtype\":\"F32\",\"shape\":[16],\"data_offsets\":[64,128]}}", "tensor a");
    refuse_header("not json", "");
}

/* While a file is slow to open (a pipe that nobody has written to yet), the daemon lives but is not ready. */
static void until_the_weights_are_loaded_it_is_not_ready(void **state)
{
    (void)state;
    char pipe[256];
    snprintf(pipe, sizeof pipe, "%s", scratch_path("slow.safetensors"));
    assert_int_equal(mkfifo(pipe, 0600), 0);
    captiond *c = captiond_serve_loading((const char *[]){"--models", pipe, NULL});
    reply r = client_ask(c, &(request){.path = "/healthz"});
    assert_int_equal(r.status, 200);
    reply_free(&r);
    r = client_ask(c, &(request){.path = "/readyz"});
    client_expect_problem(&r, 503, "loading");
    reply_free(&r);
    r = client_ask(c, &(request){.path = "/v1/caption", .body = "x", .size = 1});
    client_expect_problem(&r, 503, "loading");
    reply_free(&r);
    FILE *writer = fopen(pipe, "w");
    assert_non_null(writer);
    fclose(writer);
    assert_int_equal(captiond_wait(c), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_wrong_option_stops_the_start),
        cmocka_unit_test(the_environment_is_checked_the_same_way),
        cmocka_unit_test(an_old_name_works_with_a_warning),
        cmocka_unit_test(the_environment_sets_what_the_command_line_does_not),
        cmocka_unit_test(every_option_is_printed_with_its_default_and_twin),
        cmocka_unit_test(a_port_in_use_is_told),
        cmocka_unit_test(a_host_that_is_none_is_told),
        cmocka_unit_test(missing_weights_are_named),
        cmocka_unit_test(an_encoder_is_no_captioner_and_the_other_way_round),
        cmocka_unit_test(truncated_weights_are_refused),
        cmocka_unit_test(damaged_weights_are_refused_by_tensor),
        cmocka_unit_test(flipped_bytes_are_noticed),
        cmocka_unit_test(a_broken_model_does_not_keep_others_from_serving),
        cmocka_unit_test(a_number_that_is_not_finite_is_refused),
        cmocka_unit_test(headers_that_lie_are_refused),
        cmocka_unit_test(until_the_weights_are_loaded_it_is_not_ready),
    };
    return cmocka_run_group_tests_name("startup", tests, captiond_setup, captiond_teardown);
}
