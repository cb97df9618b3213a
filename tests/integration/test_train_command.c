/* `captiond train` and `captiond eval`: a few pictures are learnt and scored, an interrupted run goes on, and whatever
 * is wrong is one line and the right exit status. */
#include <cjson/cJSON.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/captiond.h"
#include "tests/support/lessons.h"
#include "tests/support/scratch.h"
#include "tests/support/training.h"

enum { PICTURES = 5, MOST = 48 };

static char directory[256], captions[256];

static int start(void **state)
{
    if (captiond_setup(state))
        return -1;
    lessons_write("captions.tsv", PICTURES, 3);
    snprintf(directory, sizeof directory, "%s", scratch_path("."));
    snprintf(captions, sizeof captions, "%s", scratch_path("captions.tsv"));
    return 0;
}

/* The arguments of a small run that writes scratch file `out`, then `more` (NULL-terminated). */
static const char *const *train_arguments(const char *out, const char *const *more)
{
    static char path[256];
    static const char *arguments[MOST];
    const char *const common[] = {
        "train",
        "--from-scratch",
        "--minimum-captions",
        "1",
        "--encoder",
        captiond_encoder,
        "--images",
        directory,
        "--captions",
        captions,
        "--dev",
        captions,
        "--out",
        path,
        "--minimum-count",
        "1",
        "--hidden",
        "48",
        "--words",
        "16",
        "--batch",
        "5",
        "--epochs",
        "40",
        "--patience",
        "0",
        "--learning-rate",
        "0.01",
        "--dropout",
        "0.1",
        "--average",
        "0.9",
        "--threads",
        "2",
        "--label-smoothing",
        "0",
    };
    size_t n = sizeof common / sizeof *common;
    snprintf(path, sizeof path, "%s", scratch_path(out));
    memcpy(arguments, common, sizeof common);
    for (size_t i = 0; more && more[i]; i++)
        arguments[n++] = more[i];
    arguments[n] = NULL;
    return arguments;
}

static double number(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItem(object, key);
    assert_true(cJSON_IsNumber(item));
    return item->valuedouble;
}

static void what_train_learns_eval_scores(void **state)
{
    (void)state;
    char model[256];
    captiond_output o = captiond_run(train_arguments("learnt.safetensors", NULL), NULL, NULL);
    if (o.status != 0)
        fail_msg("%s", o.err);
    assert_non_null(strstr(o.err, "epoch 40/40: dev CIDEr "));
    assert_string_equal(o.out, "");
    captiond_output_free(&o);

    snprintf(model, sizeof model, "%s", scratch_path("learnt.safetensors"));
    o = captiond_run((const char *[]){"eval", "--encoder", captiond_encoder, "--images", directory, "--captions",
                                      captions, "--model", model, NULL},
                     NULL, NULL);
    assert_int_equal(o.status, 0);
    cJSON *scores = cJSON_Parse(o.out);
    assert_non_null(scores);
    assert_int_equal(cJSON_GetArraySize(scores), 10);
    assert_int_equal(number(scores, "images"), PICTURES);
    assert_true(number(scores, "CIDEr") > 5);
    assert_true(number(scores, "ROUGE_L") > 0.9);
    for (int n = 1; n <= 4; n++) {
        char key[32];
        snprintf(key, sizeof key, "BLEU_%d", n);
        assert_true(number(scores, key) > 0.8 && number(scores, key) <= 1);
    }
    cJSON_Delete(scores);
    captiond_output_free(&o);
}

static void check_same_weights(const char *a, const char *b)
{
    size_t size_a, size_b;
    unsigned char *bytes_a = scratch_read(scratch_path(a), &size_a), *bytes_b = scratch_read(scratch_path(b), &size_b);
    assert_int_equal(size_a, size_b);
    assert_memory_equal(bytes_a, bytes_b, size_a);
    free(bytes_a);
    free(bytes_b);
}

static void interrupted_run_resumes_to_the_same_weights(void **state)
{
    (void)state;
    captiond_output whole = captiond_run(train_arguments("whole.safetensors", NULL), NULL, NULL);
    assert_int_equal(whole.status, 0);
    captiond_output_free(&whole);

    captiond *c = captiond_start(train_arguments("parts.safetensors", NULL));
    captiond_wait_log(c, "epoch 2/40: dev CIDEr", 1);
    captiond_signal(c, SIGINT);
    captiond_wait_log(c, "--resume goes on from there", 1);
    assert_int_equal(captiond_wait(c), 1);
    assert_int_equal(access(scratch_path("parts.safetensors.checkpoint"), F_OK), 0);

    c = captiond_start(train_arguments("parts.safetensors", (const char *[]){"--resume", NULL}));
    captiond_wait_log(c, "dev CIDEr", 3);
    captiond_kill(c); /* no time to write a checkpoint: the one of the last epoch serves */

    captiond_output rest =
        captiond_run(train_arguments("parts.safetensors", (const char *[]){"--resume", NULL}), NULL, NULL);
    assert_int_equal(rest.status, 0);
    assert_null(strstr(rest.err, "epoch 2/40"));
    captiond_output_free(&rest);
    check_same_weights("whole.safetensors", "parts.safetensors");
    assert_int_not_equal(access(scratch_path("parts.safetensors.checkpoint"), F_OK), 0);
}

static void a_job_writes_the_same_file_as_the_command(void **state)
{
    (void)state;
    captiond_output o = captiond_run(train_arguments("commanded.safetensors", NULL), NULL, NULL);
    assert_int_equal(o.status, 0);
    captiond_output_free(&o);
    captiond *c = captiond_serve((const char *[]){"--training-root", directory, NULL});
    long long id =
        training_submit(c, "%s",
                        "{\"dataset\":{\"images\":\".\",\"captions\":\"captions.tsv\",\"dev\":\"captions.tsv\"},"
                        "\"model\":\"asked\"," TRAINING_SCRATCH
                        ",\"minimum_count\":1,\"hidden\":48,\"words\":16,\"batch\":5,\"epochs\":40,"
                        "\"patience\":0,\"learning_rate\":0.01,\"dropout\":0.1,\"average\":0.9,\"label_smoothing\":0}");
    training_expect(c, id, "succeeded");
    captiond_stop(c);
    check_same_weights("commanded.safetensors", "data/models/asked.safetensors");
}

static void check_fails(const char *const *arguments, int status, const char *reason)
{
    captiond_output o = captiond_run(arguments, NULL, NULL);
    assert_int_equal(o.status, status);
    if (!strstr(o.err, reason) || strchr(o.err, '\n') != o.err + strlen(o.err) - 1)
        fail_msg("not one line with \"%s\": %s", reason, o.err);
    assert_string_equal(o.out, "");
    captiond_output_free(&o);
}

static void wrong_options_are_one_line_and_status_2(void **state)
{
    (void)state;
    static const struct {
        const char *option, *value, *reason;
    } cases[] = {
        {"--hidden", "0", "--hidden: \"0\" is not a whole number from 1 to 4096"},
        {"--dropout", "1", "--dropout: \"1\" is not a number from 0 to 0.95"},
        {"--learning-rate", "fast", "--learning-rate: \"fast\" is not a number from 1e-08 to 1"},
        {"--kind", "gru", "--kind: \"gru\" is not one of rnn|lstm|attention"},
        {"--samples", "1", "samples: 1 is neither 0 nor between 2 and the batch of 5"},
        {"--base", "/nowhere/model.safetensors", "/nowhere/model.safetensors"},
        {"--objective", "cider", "--objective: cider needs a --base"},
        {"--layers", "2", "unknown option --layers"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_fails(train_arguments("never.safetensors", (const char *[]){cases[i].option, cases[i].value, NULL}), 2,
                    cases[i].reason);
    check_fails((const char *[]){"train", "--images", directory, "--captions", captions, NULL}, 2, "--out is needed");
    check_fails((const char *[]){"train", "--images", directory, "--captions", captions, "--out", directory, NULL}, 2,
                "that is no regular file");
    check_fails((const char *[]){"train", "--images", directory, "--captions", captions, "--out", "/nowhere/x", NULL},
                2, "there is no directory /nowhere");
    check_fails((const char *[]){"eval", "--images", directory, NULL}, 2, "--captions is needed");
    assert_int_not_equal(access(scratch_path("never.safetensors"), F_OK), 0);
}

static void write_text(const char *name, const char *text, char path[256])
{
    snprintf(path, 256, "%s", scratch_write(name, text, strlen(text)));
}

static void bad_data_is_one_line_and_status_1(void **state)
{
    (void)state;
    char bad[256], broken[256];
    write_text("bad.tsv", "0.bmp\ta board\n7.bmp\tno such picture\n", bad);
    check_fails(train_arguments("never.safetensors", (const char *[]){"--captions", bad, NULL}), 1,
                "bad.tsv: line 2: image ");
    check_fails(train_arguments("never.safetensors", (const char *[]){"--dev", "/nowhere.tsv", NULL}), 1,
                "/nowhere.tsv: No such file");
    check_fails((const char *[]){"eval", "--encoder", captiond_encoder, "--images", directory, "--captions", bad, NULL},
                1, "bad.tsv: line 2: image ");
    write_text("broken.bmp", "BM", broken);
    write_text("broken.tsv", "broken.bmp\tnothing\n", broken);
    check_fails(train_arguments("never.safetensors", (const char *[]){"--captions", broken, NULL}), 1, "broken.bmp: ");
    check_fails(train_arguments("nowhere/never.safetensors", (const char *[]){"--cache", directory, NULL}), 2,
                "nowhere/never.safetensors: there is no directory "); /* before anything is learnt */
}

/* Without a base some captions teach no language; with one they do, and never a worse captioner. */
static void a_run_goes_on_from_the_default_captioner_or_says_what_to_do(void **state)
{
    (void)state;
    char out[256], made[256], coco[256];
    snprintf(out, sizeof out, "%s", scratch_path("onward.safetensors"));
    check_fails((const char *[]){"train", "--encoder", captiond_encoder, "--from-scratch", "--images", directory,
                                 "--captions", captions, "--out", out, NULL},
                2, "are too few to learn from scratch, 3000 are needed (minimum-captions): go on from a base");
    check_fails((const char *[]){"train", "--weights", directory, "--images", directory, "--captions", captions,
                                 "--out", out, NULL},
                2, "attention.safetensors");
    snprintf(made, sizeof made, "%s", scratch_path("attention.safetensors"));
    assert_int_equal(rename(scratch_path("whole.safetensors"), made), 0);
    write_text("coco.json",
               "{\"images\":[{\"id\":1,\"file_name\":\"0.bmp\"},{\"id\":2,\"file_name\":\"1.bmp\"}],"
               "\"annotations\":[{\"image_id\":2,\"caption\":\"rex on a chess board\"},"
               "{\"image_id\":1,\"caption\":\"rex sleeps\"}]}",
               coco);
    captiond_output o = captiond_run((const char *[]){"train", "--weights", directory, "--encoder", captiond_encoder,
                                                      "--images", directory, "--captions", coco, "--dev", captions,
                                                      "--epochs", "2", "--patience", "1", "--out", out, NULL},
                                     NULL, NULL);
    if (o.status != 0)
        fail_msg("%s", o.err);
    assert_non_null(strstr(o.err, "epoch 0/2 (the base): dev CIDEr "));
    assert_non_null(strstr(o.err, "onward.safetensors: epoch 0, dev CIDEr "));
    assert_non_null(strstr(o.err, " (95 % interval "));
    assert_non_null(
        strstr(o.err, ": no epoch was better, the base is kept; ended: no better dev CIDEr in 1 epoch (patience)"));
    captiond_output_free(&o);
}

static void help_lists_every_option_with_its_default(void **state)
{
    (void)state;
    captiond_output o = captiond_run((const char *[]){"train", "--help", NULL}, NULL, NULL);
    assert_int_equal(o.status, 0);
    static const char *const wanted[] = {"--images DIR", "--kind rnn|lstm", "--hidden N", "--learning-rate X",
                                         "--flip",       "--seed N",        "--resume",   "CAPTIOND_LABEL_SMOOTHING"};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        assert_non_null(strstr(o.out, wanted[i]));
    assert_non_null(strstr(o.out, "default 512"));
    captiond_output_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_train_learns_eval_scores),
        cmocka_unit_test(interrupted_run_resumes_to_the_same_weights),
        cmocka_unit_test(a_job_writes_the_same_file_as_the_command),
        cmocka_unit_test(wrong_options_are_one_line_and_status_2),
        cmocka_unit_test(bad_data_is_one_line_and_status_1),
        cmocka_unit_test(a_run_goes_on_from_the_default_captioner_or_says_what_to_do),
        cmocka_unit_test(help_lists_every_option_with_its_default),
    };
    return cmocka_run_group_tests(tests, start, captiond_teardown);
}
