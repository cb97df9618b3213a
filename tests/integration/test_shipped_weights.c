/* From end to end with the weights that ship: a generated picture gives exactly the caption written down in
 * tests/golden/shipped_captions.tsv (model<TAB>caption), from the command and from the daemon.
 * New weights say something new: the failing test prints the line that belongs there. */
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

static const char golden[] = "tests/golden/shipped_captions.tsv";
static photo picture;

static int start(void **state)
{
    if (captiond_setup(state))
        return -1;
    picture = photo_make("png", 320, 240, 11);
    return 0;
}

static int end(void **state)
{
    photo_free(&picture);
    return captiond_teardown(state);
}

static void skip_if_not_shipped(const char *model)
{
    char path[256];
    snprintf(path, sizeof path, "weights/%s.safetensors", model);
    if (access(path, R_OK))
        skip();
}

/* The caption written down for `model`, "" if there is none. */
static void expected_caption(const char *model, char *out, size_t size)
{
    char line[4096];
    size_t length = strlen(model);
    FILE *file = fopen(golden, "r");
    *out = '\0';
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, model, length) == 0 && line[length] == '\t')
            snprintf(out, size, "%.*s", (int)strcspn(line + length + 1, "\n"), line + length + 1);
    if (file)
        fclose(file);
}

static void expect_caption(const char *model, const char *said)
{
    char expected[4096];
    expected_caption(model, expected, sizeof expected);
    if (strcmp(said, expected) != 0)
        fprintf(stderr, "%s should have the line\n%s\t%s\n", golden, model, said);
    assert_string_equal(said, expected);
}

/* The command finds the weights by itself. */
static void the_command_says(const char *model)
{
    char path[256], line[4096];
    skip_if_not_shipped(model);
    snprintf(path, sizeof path, "%s", scratch_write("scene.png", picture.bytes, picture.size));
    captiond_output o = captiond_run((const char *[]){"caption", "--model", model, path, NULL}, NULL, NULL);
    assert_int_equal(o.status, 0);
    assert_memory_equal(o.out, path, strlen(path));
    snprintf(line, sizeof line, "%.*s", (int)strcspn(strchr(o.out, '\t') + 1, "\n"), strchr(o.out, '\t') + 1);
    expect_caption(model, line);
    captiond_output_free(&o);
}

static void the_lstm_says_what_is_written_down(void **state)
{
    (void)state;
    the_command_says("lstm");
}

static void the_rnn_says_what_is_written_down(void **state)
{
    (void)state;
    the_command_says("rnn");
}

static void the_attention_captioner_says_what_is_written_down(void **state)
{
    (void)state;
    the_command_says("attention");
}

static void the_daemon_serves_the_attention_captioner_by_default(void **state)
{
    (void)state;
    skip_if_not_shipped("attention");
    captiond *c = captiond_serve((const char *[]){"--weights", "weights", NULL});
    reply r = client_ask(c, &(request){.path = "/v1/caption", .body = picture.bytes, .size = picture.size});
    client_expect_captions(&r, 1);
    assert_string_equal(reply_string(&r, "model"), "attention");
    expect_caption("attention", reply_string(&r, "captions/0/text"));
    reply_free(&r);
    r = client_ask(c, &(request){.path = "/v1/models"});
    assert_true(reply_number(&r, "models/0/scores/cider") > 0);
    assert_int_equal(captiond_count_log(c, "event=encoder-differs"), 0);
    reply_free(&r);
    captiond_stop(c);
}

/* [["word", probability], ...], falling. */
static void concepts_are_told_by_daemon_and_command_alike(void **state)
{
    (void)state;
    enum { K = 5 };
    char path[256], line[512] = "";
    double before = 1;
    skip_if_not_shipped("attention");
    captiond *c = captiond_serve((const char *[]){"--weights", "weights", NULL});
    reply r = client_ask(c, &(request){.path = "/v1/caption?concepts=5", .body = picture.bytes, .size = picture.size});
    client_expect_captions(&r, 1);
    const cJSON *one = cJSON_GetArrayItem(cJSON_GetObjectItem(r.json, "captions"), 0), *pair;
    const cJSON *concepts = cJSON_GetObjectItem(one, "concepts");
    assert_int_equal(cJSON_GetArraySize(concepts), K);
    cJSON_ArrayForEach(pair, concepts)
    {
        const double p = cJSON_GetNumberValue(cJSON_GetArrayItem(pair, 1));
        assert_true(p > 0 && p <= before);
        before = p;
        sprintf(line + strlen(line), "%s%s %.4f", *line ? " " : "\t", cJSON_GetStringValue(cJSON_GetArrayItem(pair, 0)),
                p);
    }
    strcat(line, "\n");
    snprintf(path, sizeof path, "%s", scratch_write("scene.png", picture.bytes, picture.size));
    captiond_output o = captiond_run((const char *[]){"caption", "--concepts", "5", path, NULL}, NULL, NULL);
    if (!strstr(o.out, line))
        fail_msg("%s lacks %s", o.out, line);
    captiond_output_free(&o);
    reply_free(&r);
    r = client_ask(c, &(request){.path = "/v1/caption", .body = picture.bytes, .size = picture.size});
    assert_null(cJSON_GetObjectItem(cJSON_GetArrayItem(cJSON_GetObjectItem(r.json, "captions"), 0), "concepts"));
    reply_free(&r);
    r = client_ask(c, &(request){.path = "/v1/caption?concepts=33", .body = picture.bytes, .size = picture.size});
    client_expect_refused(&r, 400, "bad-option", "concepts");
    captiond_stop(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_lstm_says_what_is_written_down),
        cmocka_unit_test(the_rnn_says_what_is_written_down),
        cmocka_unit_test(the_attention_captioner_says_what_is_written_down),
        cmocka_unit_test(concepts_are_told_by_daemon_and_command_alike),
        cmocka_unit_test(the_daemon_serves_the_attention_captioner_by_default),
    };
    return cmocka_run_group_tests_name("shipped_weights", tests, start, end);
}
