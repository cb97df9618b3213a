/* The commands without HTTP: caption, features, selftest, bench, and the front door. */
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/photo.h"
#include "tests/support/scratch.h"

static char tiny[256], good[256], bad[256]; /* a model, a photo and half of it */
static photo picture;

static int start(void **state)
{
    if (captiond_setup(state))
        return -1;
    picture = photo_make("jpeg", 90, 60, 4);
    snprintf(tiny, sizeof tiny, "%s", scratch_path("tiny.safetensors"));
    snprintf(good, sizeof good, "%s", scratch_write("good.jpg", picture.bytes, picture.size));
    snprintf(bad, sizeof bad, "%s", scratch_write("bad.jpg", picture.bytes, picture.size / 2));
    return 0;
}

static int end(void **state)
{
    photo_free(&picture);
    return captiond_teardown(state);
}

static captiond_output caption(const char *file, const char *another)
{
    return captiond_run(
        (const char *[]){"caption", "--encoder", captiond_encoder, "--model", tiny, file, another, NULL}, NULL, NULL);
}

static void the_command_and_the_daemon_say_the_same(void **state)
{
    (void)state;
    char line[4096];
    captiond *c = captiond_serve((const char *[]){"--models", tiny, NULL});
    reply r = client_ask(c, &(request){.path = "/v1/caption", .body = picture.bytes, .size = picture.size});
    client_expect_captions(&r, 1);
    snprintf(line, sizeof line, "%s\t%s\n", good, reply_string(&r, "captions/0/text"));
    captiond_output o = caption(good, NULL);
    assert_int_equal(o.status, 0);
    assert_string_equal(o.out, line);
    captiond_output_free(&o);
    reply_free(&r);
    captiond_stop(c);
}

/* NAME is NAME.safetensors of the weights directory, else of the current one. */
static void a_model_is_found_by_name(void **state)
{
    (void)state;
    char before[PATH_MAX], encoder[PATH_MAX], directory[256];
    snprintf(directory, sizeof directory, "%s", scratch_path("."));
    assert_non_null(getcwd(before, sizeof before));
    assert_non_null(realpath(captiond_encoder, encoder));
    captiond_output there = captiond_run(
        (const char *[]){"caption", "--encoder", encoder, "--weights", directory, "--model", "tiny", good, NULL}, NULL,
        NULL);
    assert_int_equal(chdir(directory), 0);
    captiond_output here = captiond_run(
        (const char *[]){"caption", "--encoder", encoder, "--weights", "/nowhere", "--model", "tiny", good, NULL}, NULL,
        NULL);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(there.status, 0);
    assert_int_equal(here.status, 0);
    assert_string_equal(here.out, there.out);
    captiond_output_free(&there);
    captiond_output_free(&here);
}

static void a_bad_file_does_not_stop_the_others(void **state)
{
    (void)state;
    captiond_output o = caption(bad, good);
    assert_int_equal(o.status, 3);
    assert_memory_equal(o.out, bad, strlen(bad));
    assert_memory_equal(o.out + strlen(bad), "\t\t", 2); /* and why */
    const char *second = strchr(o.out, '\n') + 1;
    assert_memory_equal(second, good, strlen(good));
    assert_ptr_equal(strchr(second, '\n'), o.out + strlen(o.out) - 1);
    assert_non_null(strstr(o.err, "bad.jpg: "));
    captiond_output_free(&o);
    o = caption("/nowhere/cat.jpg", good);
    assert_int_equal(o.status, 3);
    assert_non_null(strstr(o.err, "/nowhere/cat.jpg: No such file"));
    captiond_output_free(&o);
}

static void standard_input_is_a_file_too(void **state)
{
    (void)state;
    captiond_output o = captiond_run(
        (const char *[]){"caption", "--encoder", captiond_encoder, "--model", tiny, "-", NULL}, NULL, "no image");
    assert_int_equal(o.status, 1);
    assert_non_null(strstr(o.err, "-: "));
    captiond_output_free(&o);
}

static void features_are_1280_numbers(void **state)
{
    (void)state;
    captiond_output o =
        captiond_run((const char *[]){"features", "--encoder", captiond_encoder, good, NULL}, NULL, NULL);
    assert_int_equal(o.status, 0);
    cJSON *json = cJSON_Parse(o.out), *features = cJSON_GetObjectItem(json, "features"), *number;
    int positive = 0;
    assert_int_equal(cJSON_GetArraySize(features), 1280);
    cJSON_ArrayForEach(number, features)
    {
        assert_true(cJSON_IsNumber(number));
        positive += number->valuedouble > 0;
    }
    assert_true(positive > 100);
    cJSON_Delete(json);
    captiond_output_free(&o);
    o = captiond_run((const char *[]){"features", "--encoder", captiond_encoder, bad, NULL}, NULL, NULL);
    assert_int_equal(o.status, 1);
    assert_non_null(strstr(o.err, "bad.jpg: "));
    captiond_output_free(&o);
}

static void the_selftest_passes_and_tells_each_gradient(void **state)
{
    (void)state;
    captiond_output o = captiond_run((const char *[]){"selftest", "--json", "--layer", "affine", NULL}, NULL, NULL);
    assert_int_equal(o.status, 0);
    cJSON *json = cJSON_Parse(o.out), *checks = cJSON_GetObjectItem(json, "checks");
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(json, "passed")));
    assert_true(cJSON_GetArraySize(checks) > 0);
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetArrayItem(checks, 0), "passed")));
    cJSON_Delete(json);
    captiond_output_free(&o);
    o = captiond_run((const char *[]){"selftest", "--layer", "nothing", NULL}, NULL, NULL);
    assert_int_equal(o.status, 2);
    assert_non_null(strstr(o.err, "nothing"));
    captiond_output_free(&o);
}

static void bench_prints_its_measurements(void **state)
{
    (void)state;
    double rate = 0, ms = 0;
    captiond_output o = captiond_run((const char *[]){"bench", "encoder", "--encoder", captiond_encoder, "--threads",
                                                      "2", "--batch", "2", "--seconds", "0.01", NULL},
                                     NULL, NULL);
    assert_int_equal(o.status, 0);
    assert_memory_equal(o.out, "implementation,threads,batch,", 29);
    assert_int_equal(sscanf(strchr(o.out, '\n'), "\ncaptiond,2,2,%*d,%lf,%lf", &rate, &ms), 2);
    assert_true(rate > 0 && ms > 0);
    captiond_output_free(&o);
    o = captiond_run((const char *[]){"bench", "train", "--kind", "rnn", "--batch", "2", "--hidden", "8", "--words",
                                      "8", "--vocabulary", "9", "--seconds", "0.01", NULL},
                     NULL, NULL);
    assert_int_equal(o.status, 0);
    assert_int_equal(sscanf(strchr(o.out, '\n'), "\ncaptiond,rnn,float,%lf,", &rate), 1);
    assert_true(rate > 0);
    captiond_output_free(&o);
    char model[256];
    int beam;
    snprintf(model, sizeof model, "%s", scratch_path("tiny.safetensors"));
    o = captiond_run((const char *[]){"bench", "caption", "--model", model, "--beam", "3", "--seconds", "0.01", NULL},
                     NULL, NULL);
    assert_int_equal(o.status, 0);
    const char *greedy = strchr(o.out, '\n'), *by_beam = strchr(greedy + 1, '\n');
    assert_int_equal(sscanf(greedy, "\ncaptiond,%*[^,],greedy,1,1,%*d,%lf,", &ms), 1);
    assert_true(ms > 0);
    assert_int_equal(sscanf(by_beam, "\ncaptiond,%*[^,],beam,%d,1,%*d,%lf,", &beam, &ms), 2);
    assert_true(beam == 3 && ms > 0);
    captiond_output_free(&o);
    o = captiond_run((const char *[]){"bench", "dance", NULL}, NULL, NULL);
    assert_int_equal(o.status, 2);
    assert_non_null(strstr(o.err, "unknown measurement dance"));
    captiond_output_free(&o);
}

/* "simd,blas" of a captiond with such variables in its environment. */
static void tell_kernels(const char *const *variables, char out[128])
{
    captiond_output o =
        captiond_run((const char *[]){"bench", "train", "--kind", "rnn", "--batch", "2", "--hidden", "8", "--words",
                                      "8", "--vocabulary", "9", "--seconds", "0.01", NULL},
                     variables, NULL);
    assert_int_equal(o.status, 0);
    assert_int_equal(sscanf(strchr(o.out, '\n'), "\ncaptiond,rnn,float,%*f,%*f,%*f,%*f,%127s", out), 1);
    captiond_output_free(&o);
}

/* OpenBLAS takes a CPU that it is too old for, as it may be this one, for a Prescott. */
static void a_blas_that_does_not_know_the_cpu_is_told(void **state)
{
    (void)state;
    char blas[128];
    tell_kernels((const char *[]){"OPENBLAS_CORETYPE=Prescott", NULL}, blas);
    if (!strstr(blas, ",Prescott")) {
        print_message("this BLAS takes no orders\n");
        skip();
    }
    assert_int_equal(unsetenv("OPENBLAS_CORETYPE"), 0);
    tell_kernels(NULL, blas);
    if (strncmp(blas, "avx", 3) == 0)
        assert_null(strstr(blas, ",Prescott"));
}

static void the_front_door_tells_what_there_is(void **state)
{
    (void)state;
    captiond_output o = captiond_run((const char *[]){"--help", NULL}, NULL, NULL);
    assert_int_equal(o.status, 0);
    assert_non_null(strstr(o.out, "serve"));
    captiond_output_free(&o);
    o = captiond_run((const char *[]){"--version", NULL}, NULL, NULL);
    assert_int_equal(o.status, 0);
    assert_memory_equal(o.out, "captiond ", 9);
    captiond_output_free(&o);
    static const char *const versions[][3] = {{"-V"}, {"version"}, {"serve", "--version"}, {"caption", "-V"}};
    for (size_t i = 0; i < sizeof versions / sizeof *versions; i++) {
        o = captiond_run(versions[i], NULL, NULL);
        assert_int_equal(o.status, 0);
        assert_memory_equal(o.out, "captiond ", 9);
        assert_int_equal(strchr(o.out, '\n') + 1 - o.out, strlen(o.out));
        captiond_output_free(&o);
    }
    static const char *const helps[][3] = {{"-h"}, {"help"}, {"serve", "-h"}};
    for (size_t i = 0; i < sizeof helps / sizeof *helps; i++) {
        o = captiond_run(helps[i], NULL, NULL);
        assert_int_equal(o.status, 0);
        assert_non_null(strstr(o.out, "usage: captiond"));
        captiond_output_free(&o);
    }
    o = captiond_run((const char *[]){NULL}, NULL, NULL);
    assert_int_equal(o.status, 2);
    captiond_output_free(&o);
    o = captiond_run((const char *[]){"dance", NULL}, NULL, NULL);
    assert_int_equal(o.status, 2);
    assert_non_null(strstr(o.err, "unknown command dance"));
    captiond_output_free(&o);
    o = captiond_run((const char *[]){"caption", NULL}, NULL, NULL);
    assert_int_equal(o.status, 2);
    captiond_output_free(&o);
}

/* ---- the environment --------------------------------------------------------------------------------------------- */

enum { VARIABLES = 512 };
typedef struct variable {
    char name[64], value[256];
} variable;

/* "  --out FILE    PNG file to write (needed, CAPTIOND_OUT)": what kind of value a variable has. */
static void note_variable(variable all[VARIABLES], const char *line)
{
    variable new;
    const char *name = strstr(line, "CAPTIOND_");
    const size_t length = strcspn(line, "\n");
    if (!name || name > line + length || sscanf(line, "  --%*[^ ] %255[^ \n]", new.value) != 1)
        return;
    assert_int_equal(sscanf(name, "%63[A-Z0-9_]", new.name), 1);
    int i = 0;
    while (i < VARIABLES && *all[i].name && strcmp(all[i].name, new.name) != 0)
        i++;
    assert_true(i < VARIABLES);
    if (!*all[i].name)
        all[i] = new;
    if (strcmp(all[i].value, new.value) != 0)
        fail_msg("%s is %s and %s", new.name, all[i].value, new.value);
}

static void note_options(variable all[VARIABLES], const char *command)
{
    captiond_output o = captiond_run((const char *[]){command, "--help", NULL}, NULL, NULL);
    assert_int_equal(o.status, 0);
    for (const char *line = o.out; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, "  --", 4) == 0)
            note_variable(all, line);
    captiond_output_free(&o);
}

/* A flag has the first word of its help where others have a value. */
static void a_variable_means_one_kind_of_value_in_all_commands(void **state)
{
    static const char *const commands[] = {"serve",     "caption", "features", "train",    "eval",   "saliency", "fool",
                                           "visualize", "invert",  "dream",    "selftest", "repair", "health"};
    (void)state;
    variable *all = calloc(VARIABLES, sizeof *all);
    assert_non_null(all);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        note_options(all, commands[i]);
    assert_true(*all[100].name); /* it has read them */
    free(all);
}

static void what_is_a_number_for_train_is_no_file_for_caption(void **state)
{
    (void)state;
    static const char *const numbers[] = {"CAPTIOND_ATTENTION=64", "CAPTIOND_RESUME=yes", NULL};
    captiond_output o = captiond_run(
        (const char *[]){"caption", "--encoder", captiond_encoder, "--model", tiny, good, NULL}, numbers, NULL);
    assert_int_equal(o.status, 0);
    assert_true(*o.out);
    captiond_output_free(&o);
    o = captiond_run((const char *[]){"caption", "--encoder", captiond_encoder, "--model", tiny, good, NULL},
                     (const char *[]){"CAPTIOND_ATTENTION_FILE=/nowhere/at/all.png", NULL}, NULL);
    assert_int_not_equal(o.status, 0);
    captiond_output_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_command_and_the_daemon_say_the_same),
        cmocka_unit_test(a_model_is_found_by_name),
        cmocka_unit_test(a_bad_file_does_not_stop_the_others),
        cmocka_unit_test(standard_input_is_a_file_too),
        cmocka_unit_test(features_are_1280_numbers),
        cmocka_unit_test(the_selftest_passes_and_tells_each_gradient),
        cmocka_unit_test(bench_prints_its_measurements),
        cmocka_unit_test(a_blas_that_does_not_know_the_cpu_is_told),
        cmocka_unit_test(a_variable_means_one_kind_of_value_in_all_commands),
        cmocka_unit_test(what_is_a_number_for_train_is_no_file_for_caption),
        cmocka_unit_test(the_front_door_tells_what_there_is),
    };
    return cmocka_run_group_tests_name("commands", tests, start, end);
}
