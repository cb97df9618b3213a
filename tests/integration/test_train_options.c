/* POST /v1/train: whatever cannot be trained is refused at once, by name. */
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
#include "tests/support/lessons.h"
#include "tests/support/scratch.h"
#include "tests/support/training.h"

static captiond *server;

/* The scratch directory's files/ is the training root; outside/ lies beside it. */
static void make_root(void)
{
    char root[512], link_path[512];
    snprintf(root, sizeof root, "%s", scratch_path("files"));
    assert_int_equal(mkdir(root, 0700), 0);
    assert_int_equal(mkdir(scratch_path("outside"), 0700), 0);
    lessons_write("files/captions.tsv", 4, 1);
    snprintf(link_path, sizeof link_path, "%s", scratch_path("files/escape"));
    assert_int_equal(symlink("../outside", link_path), 0);
    for (int i = 0; i < 4; i++) { /* lessons_write puts pictures at the top */
        char from[512], name[32];
        snprintf(name, sizeof name, "%d.bmp", i);
        snprintf(from, sizeof from, "%s", scratch_path(name));
        snprintf(name, sizeof name, "files/%d.bmp", i);
        assert_int_equal(rename(from, scratch_path(name)), 0);
    }
}

static int start(void **state)
{
    char root[512];
    if (captiond_setup(state))
        return -1;
    make_root();
    snprintf(root, sizeof root, "%s", scratch_path("files"));
    server = captiond_serve((const char *[]){"--training-root", root, "--training-memory-mb", "64", NULL});
    training_upload(server, "lessons", 3);
    dataset_make(server, "empty");
    return 0;
}

static int end(void **state)
{
    captiond_stop(server);
    return captiond_teardown(state);
}

static void expect_refusal(const char *members, long status, const char *name, const char *reason)
{
    reply r = training_post(server, "{%s}", members);
    client_expect_problem(&r, status, name);
    if (!strstr(reply_string(&r, "detail"), reason))
        fail_msg("\"%s\" does not say \"%s\"", reply_string(&r, "detail"), reason);
    reply_free(&r);
}

static void numbers_out_of_range_are_400_by_name(void **state)
{
    static const struct {
        const char *member, *reason;
    } cases[] = {
        {"\"epochs\":0", "epochs: 0 is only for a run"},
        {"\"epochs\":2.5", "epochs: \"2.5\" is not a whole number from 0 to 100000"},
        {"\"epochs\":\"many\"", "epochs must be a number"},
        {"\"epochs\":1e300", "epochs: \"1e+300\" is not a whole number"},
        {"\"batch\":-1", "batch: \"-1\" is not a whole number"},
        {"\"learning_rate\":2", "learning_rate: \"2\" is not a number from"},
        {"\"learning_rate\":0", "learning_rate: \"0\" is not a number from"},
        {"\"hidden\":100000", "hidden: \"100000\" is not a whole number from 1 to 4096"},
        {"\"words\":0", "words: \"0\" is not a whole number"},
        {"\"dropout\":1", "dropout: \"1\" is not a number from 0 to 0.95"},
        {"\"dev_fraction\":0.95", "dev_fraction: \"0.95\" is not a number from 0 to 0.9"},
        {"\"seed\":-1", "seed: \"-1\" is not a whole number from 0 to 9007199254740991"},
        {"\"seed\":0.5", "seed: \"0.5\" is not a whole number"},
        {"\"flip\":1", "flip must be true or false"},
        {"\"kind\":\"transformer\"", "kind: there is no captioner of kind"},
        {"\"kind\":7", "kind must be a string"},
        {"\"epochs\":3,\"epochs\":4", "epochs: given twice"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char members[256];
        snprintf(members, sizeof members, "\"dataset\":\"lessons\",\"model\":\"m\",%s", cases[i].member);
        expect_refusal(members, 400, "bad-option", cases[i].reason);
    }
}

static void unknown_members_are_400_by_name(void **state)
{
    (void)state;
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"epoch\":3", 400, "unknown-option", "\"epoch\"");
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"learning-rate\":1", 400, "unknown-option",
                   "\"learning-rate\"");
    expect_refusal("\"dataset\":{\"images\":\".\",\"captions\":\"captions.tsv\",\"test\":\"x\"},\"model\":\"m\"", 400,
                   "unknown-option", "\"test\"");
    expect_refusal("\"dataset\":{\"images\":\".\",\"captions\":\"a.tsv\",\"captions\":\"b.tsv\"},\"model\":\"m\"", 400,
                   "bad-option", "captions: given twice");
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"seed\":9007199254740993", 400, "bad-option", "seed");
}

static void dataset_and_model_are_needed(void **state)
{
    (void)state;
    expect_refusal("\"model\":\"m\"", 400, "bad-option", "dataset: is needed");
    expect_refusal("\"dataset\":\"lessons\"", 400, "bad-option", "model: is needed");
    expect_refusal("\"dataset\":{\"images\":\".\"},\"model\":\"m\"", 400, "bad-option", "needs images and captions");
    expect_refusal("\"dataset\":\"\",\"model\":\"m\"", 400, "bad-option", "dataset: \"\" must not be empty");
}

static void names_that_are_not_there_are_404(void **state)
{
    (void)state;
    expect_refusal("\"dataset\":\"nowhere\",\"model\":\"m\"", 404, "unknown-dataset", "nowhere");
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"base\":\"nobody\"", 404, "unknown-model", "nobody");
}

static void names_that_are_taken_are_409(void **state)
{
    (void)state;
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"tiny\"", 409, "name-taken", "tiny");
    long long id = training_submit(server, TRAINING_ENDLESS, "lessons", "wanted");
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"wanted\"", 409, "name-taken", "wanted");
    reply r = dataset_ask(server, "DELETE", "/v1/jobs/%lld", id);
    reply_free(&r);
    id = training_submit(server, TRAINING_ENDLESS, "lessons", "wanted"); /* free again */
    r = dataset_ask(server, "DELETE", "/v1/jobs/%lld", id);
    reply_free(&r);
}

static void a_bad_model_name_is_400(void **state)
{
    (void)state;
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"../up\"", 400, "bad-name", "../up");
    expect_refusal("\"dataset\":\"lessons\",\"model\":\".hidden\"", 400, "bad-name", ".hidden");
}

static void a_dataset_that_is_too_small_is_409(void **state)
{
    (void)state;
    expect_refusal("\"dataset\":\"empty\",\"model\":\"m\"", 409, "dataset-too-small", "empty has 0 items");
}

static void what_the_base_decides_cannot_be_asked_for(void **state)
{
    (void)state;
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"base\":\"tiny\",\"hidden\":64", 400, "bad-option",
                   "hidden: with a base");
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"base\":\"tiny\",\"kind\":\"rnn\"", 400, "bad-option",
                   "kind: with a base");
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"base\":\"tiny\",\"attention\":64", 400, "bad-option",
                   "attention: with a base");
}

static void the_objective_decides_defaults(void **state)
{
    (void)state;
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"objective\":\"bleu\"", 400, "bad-option",
                   "objective: \"bleu\" is neither words nor cider");
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"samples\":5", 400, "bad-option", "samples: 5");
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"objective\":\"cider\",\"samples\":0", 400, "bad-option",
                   "samples: 0");
    training_expect(server, training_submit(server, TRAINING_TINY, "lessons", "writer", 1), "succeeded");
    long long id = training_submit(server, "{\"dataset\":\"lessons\",\"model\":\"rewarded\",\"objective\":\"cider\","
                                           "\"base\":\"writer\",\"epochs\":1,\"minimum_count\":1}");
    reply job = training_wait(server, id, "succeeded");
    assert_string_equal(reply_string(&job, "request/objective"), "cider");
    assert_int_equal(reply_number(&job, "request/samples"), 5);
    assert_int_equal(reply_number(&job, "request/batch"), 200);
    reply_free(&job);
}

/* What would be dropped, or cannot work, is not taken. */
static void what_cannot_have_an_effect_is_refused(void **state)
{
    (void)state;
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"objective\":\"cider\",\"from_scratch\":true", 400,
                   "bad-option", "objective: cider needs a base");
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"from_scratch\":true,\"attention\":64", 400, "bad-option",
                   "attention: only captioners of kind attention have it");
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"from_scratch\":true,\"kind\":\"rnn\",\"attention\":64",
                   400, "bad-option", "attention: only captioners of kind attention have it");
}

/* A new request goes on from the default captioner, whose sizes it has. */
static void what_begins_anew_says_so(void **state)
{
    (void)state;
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"hidden\":64", 400, "bad-option",
                   "hidden: that of the captioner it goes on from is meant");
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"base\":\"tiny\",\"from_scratch\":true", 400, "bad-option",
                   "from_scratch: there is a base");
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"from_scratch\":1", 400, "bad-option",
                   "from_scratch must be true or false");
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"kind\":\"attention\"", 400, "bad-option",
                   "kind: there is no captioner \"attention\" to go on from");
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\"", 400, "bad-option",
                   " learnt from the features of another encoder");
}

static void too_few_captions_for_a_new_beginning_are_refused(void **state)
{
    (void)state;
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"from_scratch\":true", 409, "dataset-too-small",
                   "lessons has 3 captions, too few to learn from scratch, which takes 3000");
    long long id = training_submit(server, "{\"dataset\":{\"images\":\".\",\"captions\":\"captions.tsv\"},"
                                           "\"model\":\"m\",\"from_scratch\":true,\"dev_fraction\":0}");
    reply job = training_wait(server, id, "failed");
    assert_non_null(strstr(reply_string(&job, "error"), "4 captions are too few to learn from scratch"));
    reply_free(&job);
}

static void the_default_captioner_is_gone_on_from(void **state)
{
    (void)state;
    training_expect(server, training_submit(server, TRAINING_TINY, "lessons", "first", 1), "succeeded");
    reply r = dataset_ask(server, "POST", "/v1/models/first/activate");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    long long id = training_submit(server, "{\"dataset\":\"lessons\",\"model\":\"second\",\"epochs\":1}");
    reply job = training_wait(server, id, "succeeded");
    assert_string_equal(reply_string(&job, "request/base"), "first");
    assert_int_equal(reply_number(&job, "progress/dev_scores/0/epoch"), 0);
    reply_number(&job, "result/scores/base_cider");
    assert_string_equal(reply_string(&job, "progress/ended"), "its one epoch is done");
    reply_free(&job);
}

static void expect_kept_attention(const char *kind, const char *more, int size)
{
    long long id = training_submit(server,
                                   "{\"dataset\":\"lessons\",\"model\":\"%s\",\"kind\":\"%s\"," TRAINING_SCRATCH
                                   ",\"epochs\":1,\"hidden\":8,"
                                   "\"words\":8,\"minimum_count\":1%s}",
                                   kind, kind, more);
    reply job = training_wait(server, id, "succeeded");
    const cJSON *kept = cJSON_GetObjectItemCaseSensitive(job.json, "request");
    assert_int_equal(cJSON_HasObjectItem(kept, "attention"), size > 0);
    if (size > 0)
        assert_int_equal(reply_number(&job, "request/attention"), size);
    reply_free(&job);
}

static void a_job_keeps_the_size_of_attention_that_it_has(void **state)
{
    (void)state;
    expect_kept_attention("attention", ",\"attention\":6", 6);
    expect_kept_attention("lstm", "", 0);
    expect_kept_attention("rnn", "", 0);
}

static void files_outside_the_training_root_are_refused(void **state)
{
    (void)state;
    expect_refusal("\"dataset\":{\"images\":\"..\",\"captions\":\"captions.tsv\"},\"model\":\"m\"", 403, "forbidden",
                   "outside the training root");
    expect_refusal("\"dataset\":{\"images\":\"escape\",\"captions\":\"captions.tsv\"},\"model\":\"m\"", 403,
                   "forbidden", "outside the training root");
    expect_refusal("\"dataset\":{\"images\":\".\",\"captions\":\"none.tsv\"},\"model\":\"m\"", 404, "unknown-dataset",
                   "none.tsv");
}

static void files_below_the_training_root_are_learnt_from(void **state)
{
    (void)state;
    long long id = training_submit(
        server, "{\"dataset\":{\"images\":\".\",\"captions\":\"captions.tsv\"},\"model\":\"filed\"," TRAINING_SCRATCH
                ",\"epochs\":1,"
                "\"hidden\":8,\"words\":8,\"minimum_count\":1,\"dev_fraction\":0.25}");
    reply job = training_wait(server, id, "succeeded");
    assert_string_equal(reply_string(&job, "request/dataset/captions"), "captions.tsv");
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(
                         cJSON_GetObjectItemCaseSensitive(job.json, "progress"), "samples")),
                     1); /* a quarter of four pictures */
    reply_free(&job);
}

/* In JSON that divides its photos and has them in folders below. */
static void karpathys_files_are_learnt_from_as_they_divide_it(void **state)
{
    (void)state;
    static const char json[] =
        "{\"images\":[{\"filename\":\"0.bmp\",\"split\":\"train\",\"sentences\":[{\"raw\":\"A red board\"}]},"
        "{\"filename\":\"1.bmp\",\"filepath\":\"below\",\"split\":\"restval\",\"sentences\":[{\"raw\":\"Lines\"}]},"
        "{\"filename\":\"2.bmp\",\"split\":\"val\",\"sentences\":[{\"raw\":\"More lines\"}]},"
        "{\"filename\":\"no.bmp\",\"split\":\"test\",\"sentences\":[{\"raw\":\"Nothing\"}]}]}";
    char from[512];
    scratch_write("files/dataset.json", json, sizeof json - 1);
    mkdir(scratch_path("files/below"), 0700);
    snprintf(from, sizeof from, "%s", scratch_path("files/1.bmp"));
    assert_int_equal(rename(from, scratch_path("files/below/1.bmp")), 0);
    long long id = training_submit(server, "{\"dataset\":{\"images\":\".\",\"captions\":\"dataset.json\"},"
                                           "\"model\":\"divided\"," TRAINING_SCRATCH
                                           ",\"epochs\":1,\"hidden\":8,\"words\":8,\"minimum_count\":1}");
    reply job = training_wait(server, id, "succeeded");
    assert_string_equal(reply_string(&job, "progress/samples/0/reference"), "more lines");
    reply_free(&job);
    snprintf(from, sizeof from, "%s", scratch_path("files/below/1.bmp"));
    assert_int_equal(rename(from, scratch_path("files/1.bmp")), 0);
}

static void text_below_the_training_root_is_learnt_from(void **state)
{
    (void)state;
    static const char text[] = "a purple cow\na purple cow\nthe purple cow stands\n";
    scratch_write("files/text.txt", text, sizeof text - 1);
    scratch_write("outside.txt", "a\n", 2);
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"text\":\"../outside.txt\"", 403, "forbidden",
                   "text: ../outside.txt lies outside the training root");
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"text\":\"none.txt\"", 404, "unknown-dataset",
                   "text: none.txt below the training root");
    expect_refusal("\"dataset\":\"lessons\",\"model\":\"m\",\"text\":7", 400, "bad-option", "text must be a string");
    long long id =
        training_submit(server, "{\"dataset\":\"lessons\",\"model\":\"read\",\"text\":\"text.txt\"," TRAINING_SCRATCH
                                ",\"epochs\":1,\"hidden\":8,\"words\":8,\"minimum_count\":1,\"dev_fraction\":0}");
    reply job = training_wait(server, id, "succeeded");
    assert_string_equal(reply_string(&job, "request/text"), "text.txt");
    size_t size, at = 0;
    unsigned char *model = training_model("read", &size);
    while (at + 6 < size && memcmp(model + at, "purple", 6) != 0)
        at++;
    assert_true(at + 6 < size); /* a word of the text alone */
    free(model);
    reply_free(&job);
}

static void the_training_root_may_be_the_whole_disk(void **state)
{
    char root[512];
    (void)state;
    captiond_stop(server);
    server = captiond_serve((const char *[]){"--training-root", "/", NULL});
    snprintf(root, sizeof root, "%s", scratch_path("files"));
    long long id = training_submit(
        server,
        "{\"dataset\":{\"images\":\"%s\",\"captions\":\"%s/captions.tsv\"},\"model\":\"rooted\"," TRAINING_SCRATCH ","
        "\"epochs\":1,\"hidden\":8,\"words\":8,\"minimum_count\":1,\"dev_fraction\":0}",
        root + 1, root + 1);
    training_expect(server, id, "succeeded");
}

static void files_need_a_training_root(void **state)
{
    (void)state;
    captiond_stop(server);
    server = captiond_serve(NULL);
    expect_refusal("\"dataset\":{\"images\":\".\",\"captions\":\"captions.tsv\"},\"model\":\"m\"", 403, "forbidden",
                   "--training-root");
}

static void a_network_that_is_too_large_fails_its_job(void **state)
{
    (void)state;
    long long id =
        training_submit(server, "{\"dataset\":\"lessons\",\"model\":\"huge\"," TRAINING_SCRATCH ",\"hidden\":4096,"
                                "\"words\":4096,\"minimum_count\":1}");
    reply job = training_wait(server, id, "failed");
    assert_non_null(strstr(reply_string(&job, "error"), "the limit is 64 MiB"));
    reply_free(&job);
}

static void a_body_that_is_no_object_is_400(void **state)
{
    (void)state;
    reply r = client_ask(server, &(request){.path = "/v1/train", .body = "[1]", .size = 3});
    client_expect_problem(&r, 400, "bad-json");
    reply_free(&r);
    r = client_ask(server, &(request){.path = "/v1/train", .body = "", .size = 0});
    client_expect_problem(&r, 400, "empty-body");
    reply_free(&r);
}

static reply post_as(const char *type)
{
    static const char json[] = "{\"dataset\":\"nowhere\",\"model\":\"m\"}";
    return client_ask(server, &(request){.path = "/v1/train", .type = type, .body = json, .size = sizeof json - 1});
}

/* curl -d says application/x-www-form-urlencoded unless told otherwise. */
static void json_comes_as_json_or_as_nothing_in_particular(void **state)
{
    static const char *const taken[] = {"application/json", "application/json; charset=utf-8",
                                        "application/x-www-form-urlencoded", NULL};
    static const char *const refused[] = {"text/plain;charset=UTF-8", "multipart/form-data; boundary=x", "image/png",
                                          "application/octet-stream", "application/jsonx"};
    (void)state;
    for (size_t i = 0; i < sizeof taken / sizeof *taken; i++) {
        reply r = post_as(taken[i]);
        client_expect_problem(&r, 404, "unknown-dataset"); /* read, that is */
        reply_free(&r);
    }
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        reply r = post_as(refused[i]);
        client_expect_refused(&r, 415, "unsupported-media-type", "is not application/json");
    }
    reply r = client_ask(server, &(request){.path = "/v1/train", .body = "GIF89a\1\0\1\0", .size = 10});
    client_expect_problem(&r, 415, "unsupported-media-type");
    reply_free(&r);
}

static void other_methods_are_405(void **state)
{
    (void)state;
    reply r = dataset_ask(server, "GET", "/v1/train");
    client_expect_problem(&r, 405, "method-not-allowed");
    assert_string_equal(reply_header(&r, "Allow"), "POST");
    reply_free(&r);
    r = dataset_ask(server, "PUT", "/v1/jobs/1");
    client_expect_problem(&r, 405, "method-not-allowed");
    assert_string_equal(reply_header(&r, "Allow"), "GET, HEAD, DELETE");
    reply_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_out_of_range_are_400_by_name),
        cmocka_unit_test(unknown_members_are_400_by_name),
        cmocka_unit_test(dataset_and_model_are_needed),
        cmocka_unit_test(names_that_are_not_there_are_404),
        cmocka_unit_test(names_that_are_taken_are_409),
        cmocka_unit_test(a_bad_model_name_is_400),
        cmocka_unit_test(a_dataset_that_is_too_small_is_409),
        cmocka_unit_test(what_the_base_decides_cannot_be_asked_for),
        cmocka_unit_test(the_objective_decides_defaults),
        cmocka_unit_test(what_cannot_have_an_effect_is_refused),
        cmocka_unit_test(what_begins_anew_says_so),
        cmocka_unit_test(too_few_captions_for_a_new_beginning_are_refused),
        cmocka_unit_test(the_default_captioner_is_gone_on_from),
        cmocka_unit_test(a_job_keeps_the_size_of_attention_that_it_has),
        cmocka_unit_test(files_outside_the_training_root_are_refused),
        cmocka_unit_test(files_below_the_training_root_are_learnt_from),
        cmocka_unit_test(karpathys_files_are_learnt_from_as_they_divide_it),
        cmocka_unit_test(text_below_the_training_root_is_learnt_from),
        cmocka_unit_test(a_network_that_is_too_large_fails_its_job),
        cmocka_unit_test(the_training_root_may_be_the_whole_disk),
        cmocka_unit_test(files_need_a_training_root),
        cmocka_unit_test(a_body_that_is_no_object_is_400),
        cmocka_unit_test(json_comes_as_json_or_as_nothing_in_particular),
        cmocka_unit_test(other_methods_are_405),
    };
    return cmocka_run_group_tests(tests, start, end);
}
