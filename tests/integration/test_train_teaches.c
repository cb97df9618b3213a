/* From photos to a better captioner with HTTP alone: upload, train, follow, activate, ask. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/dataset.h"
#include "tests/support/lessons.h"
#include "tests/support/scratch.h"
#include "tests/support/served.h"
#include "tests/support/training.h"

static int start(void **state)
{
    if (served_start(state, (photo){0}, NULL))
        return -1;
    training_upload(served, "lessons", LESSONS);
    return 0;
}

static void check_lessons(const char *model, int n)
{
    for (int i = 0; i < n; i++) {
        char *text = training_caption(served, i, model);
        assert_string_equal(text, lesson_caption(i));
        free(text);
    }
}

/* The entry of a model in GET /v1/models; fails the test if it is not there. */
static cJSON *find_model(const reply *models, const char *name)
{
    cJSON *model;
    cJSON_ArrayForEach(model, cJSON_GetObjectItemCaseSensitive(models->json, "models"))
    {
        if (strcmp(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(model, "name")), name) == 0)
            return model;
    }
    fail_msg("no model %s in %s", name, models->body);
    return NULL;
}

static int is_true(const cJSON *model, const char *member)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(model, member));
}

static void check_events(const char *text)
{
    assert_non_null(strstr(text, "retry: "));
    assert_non_null(strstr(text, "event: state\ndata: {\"state\":\"queued\"}\n\n"));
    assert_non_null(strstr(text, "event: state\ndata: {\"state\":\"running\"}\n\n"));
    assert_non_null(strstr(text, "event: progress\ndata: {\"stage\":\"learning\","));
    const char *last = strstr(text, "event: end\ndata: {\"state\":\"succeeded\",\"result\":{\"model\":\"mine\",");
    assert_non_null(last);
    assert_non_null(strstr(last, "\n\n"));
    assert_string_equal(strstr(last, "\n\n"), "\n\n"); /* nothing follows */
}

static void a_tiny_captioner_learns_twenty_pictures(void **state)
{
    char path[64];
    (void)state;
    long long id = training_submit(served, TRAINING_TINY, "lessons", "mine", 40);
    snprintf(path, sizeof path, "/v1/jobs/%lld/events", id);
    asking *follower = client_begin(served, &(request){.path = path});
    reply job = training_wait(served, id, "succeeded");
    assert_string_equal(reply_string(&job, "result/model"), "mine");
    assert_int_equal(reply_number(&job, "progress/iteration"), 400);
    assert_int_equal(reply_number(&job, "progress/iterations"), 400);
    assert_true(reply_number(&job, "progress/loss_history/0/1") > 1.5);
    assert_true(reply_number(&job, "progress/loss") < 0.1);
    reply_free(&job);

    reply events = client_end(follower);
    assert_int_equal(events.status, 200);
    assert_string_equal(reply_header(&events, "Content-Type"), "text/event-stream");
    check_events(events.body);
    reply_free(&events);
    check_lessons("mine", LESSONS);
}

static void its_model_is_listed_with_what_was_trained(void **state)
{
    (void)state;
    reply r = dataset_ask(served, "GET", "/v1/models");
    const cJSON *model = find_model(&r, "mine");
    assert_true(is_true(model, "trained"));
    assert_false(is_true(model, "default"));
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(model, "kind")), "lstm");
    assert_int_equal(cJSON_GetObjectItemCaseSensitive(model, "hidden_size")->valueint, 128);
    reply_free(&r);
}

static void activated_it_is_the_default_also_after_a_restart(void **state)
{
    (void)state;
    reply r = dataset_ask(served, "POST", "/v1/models/mine/activate");
    assert_int_equal(r.status, 200);
    assert_string_equal(reply_string(&r, "activated"), "mine");
    reply_free(&r);
    check_lessons(NULL, 1);
    captiond_stop(served);
    served = captiond_serve(NULL);
    check_lessons(NULL, LESSONS);
    r = dataset_ask(served, "GET", "/v1/models");
    assert_true(is_true(find_model(&r, "mine"), "default"));
    reply_free(&r);
}

static void dev_scores_and_samples_tell_how_it_gets_on(void **state)
{
    (void)state;
    long long id =
        training_submit(served, "{\"dataset\":\"lessons\",\"model\":\"scored\",\"kind\":\"rnn\"," TRAINING_SCRATCH
                                ",\"epochs\":3,\"hidden\":32,"
                                "\"words\":8,\"minimum_count\":1,\"batch\":5,\"dev_fraction\":0.25,\"patience\":0}");
    reply job = training_wait(served, id, "succeeded");
    for (int epoch = 0; epoch < 3; epoch++) {
        char at[64];
        snprintf(at, sizeof at, "progress/dev_scores/%d/epoch", epoch);
        assert_int_equal(reply_number(&job, at), epoch + 1);
        snprintf(at, sizeof at, "progress/dev_scores/%d/cider", epoch);
        assert_true(reply_number(&job, at) >= 0);
    }
    assert_int_equal(strlen(reply_string(&job, "progress/samples/0/image")), 64);
    assert_true(strlen(reply_string(&job, "progress/samples/3/reference")) > 0);
    double cider = reply_number(&job, "result/scores/cider");
    reply_free(&job);

    reply models = dataset_ask(served, "GET", "/v1/models");
    const cJSON *scores = cJSON_GetObjectItemCaseSensitive(find_model(&models, "scored"), "scores");
    assert_float_equal(cJSON_GetObjectItemCaseSensitive(scores, "cider")->valuedouble, cider, 1e-9);
    reply_free(&models);
}

static void a_base_is_taught_new_words(void **state)
{
    (void)state;
    long long id = training_submit(served, "{\"dataset\":\"lessons\",\"model\":\"tuned\",\"base\":\"mine\","
                                           "\"epochs\":2,\"batch\":5,\"learning_rate\":0.0001,\"dropout\":0,"
                                           "\"average\":0,\"minimum_count\":1,\"dev_fraction\":0}");
    reply job = training_wait(served, id, "succeeded");
    assert_string_equal(reply_string(&job, "request/base"), "mine");
    reply_free(&job);
    check_lessons("tuned", LESSONS); /* what the base knew it still knows */
}

static void captions_are_written_while_it_trains(void **state)
{
    enum { CAPTIONS = 20 };
    (void)state;
    long long id = training_submit(served, TRAINING_ENDLESS, "lessons", "meanwhile");
    training_wait_iteration(served, id, 1);
    check_lessons("mine", CAPTIONS);
    reply job = dataset_ask(served, "GET", "/v1/jobs/%lld", id);
    assert_string_equal(reply_string(&job, "state"), "running");
    int iteration = (int)reply_number(&job, "progress/iteration");
    reply_free(&job);
    training_wait_iteration(served, id, iteration + 1);
    training_cancel(served, id);
}

static void a_trained_model_that_is_not_active_can_be_deleted(void **state)
{
    (void)state;
    reply r = dataset_ask(served, "DELETE", "/v1/models/tuned");
    assert_int_equal(r.status, 200);
    reply_free(&r);
    r = dataset_ask(served, "DELETE", "/v1/models/tuned");
    client_expect_problem(&r, 404, "unknown-model");
    reply_free(&r);
    r = dataset_ask(served, "DELETE", "/v1/models/mine");
    client_expect_problem(&r, 409, "model-in-use");
    reply_free(&r);
    r = dataset_ask(served, "DELETE", "/v1/models/tiny");
    client_expect_problem(&r, 409, "model-in-use");
    reply_free(&r);
    check_lessons("mine", 1);
}

static void jobs_are_listed_newest_first_in_pages(void **state)
{
    (void)state;
    reply first = dataset_ask(served, "GET", "/v1/jobs?limit=2");
    assert_int_equal(first.status, 200);
    int newest = (int)reply_number(&first, "jobs/0/id");
    assert_int_equal(reply_number(&first, "jobs/1/id"), newest - 1);
    reply second = dataset_ask(served, "GET", "%s", reply_string(&first, "next"));
    assert_int_equal(reply_number(&second, "jobs/0/id"), newest - 2);
    assert_null(cJSON_GetObjectItemCaseSensitive(second.json, "next"));
    reply_free(&first);
    reply_free(&second);
    first = dataset_ask(served, "GET", "/v1/jobs?after=x");
    client_expect_problem(&first, 400, "bad-option");
    reply_free(&first);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tiny_captioner_learns_twenty_pictures),
        cmocka_unit_test(its_model_is_listed_with_what_was_trained),
        cmocka_unit_test(activated_it_is_the_default_also_after_a_restart),
        cmocka_unit_test(dev_scores_and_samples_tell_how_it_gets_on),
        cmocka_unit_test(a_base_is_taught_new_words),
        cmocka_unit_test(captions_are_written_while_it_trains),
        cmocka_unit_test(a_trained_model_that_is_not_active_can_be_deleted),
        cmocka_unit_test(jobs_are_listed_newest_first_in_pages),
    };
    return cmocka_run_group_tests(tests, start, served_end);
}
