/* What a training job tells of its run. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "server/jobs/job_report.h"

static const caption_train_progress learnt = {.stage = CAPTION_TRAIN_LEARNING,
                                              .done = 10,
                                              .total = 20,
                                              .epoch = 1,
                                              .epochs = 2,
                                              .loss = -0.25,
                                              .reward = 0.5,
                                              .captions_per_second = 50};

static train_report *report;

static int start(void **state)
{
    (void)state;
    report = train_report_new(NULL, 1, NULL);
    return report == NULL;
}

static int end(void **state)
{
    (void)state;
    train_report_free(report);
    return 0;
}

/* The caller frees it. */
static cJSON *progress(void)
{
    char *text = train_report_progress(report);
    cJSON *json = cJSON_Parse(text);
    assert_non_null(json);
    free(text);
    return json;
}

static double number(const cJSON *json, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(json, name)->valuedouble;
}

static void a_loss_below_0_is_one_too(void **state)
{
    (void)state;
    train_report_add(report, &learnt);
    cJSON *json = progress();
    const cJSON *point = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(json, "loss_history"), 0);
    assert_float_equal(number(json, "loss"), -0.25, 0);
    assert_float_equal(number(json, "reward"), 0.5, 0);
    assert_float_equal(number(json, "captions_per_second"), 50, 0);
    assert_float_equal(cJSON_GetArrayItem(point, 0)->valuedouble, 10, 0);
    assert_float_equal(cJSON_GetArrayItem(point, 1)->valuedouble, -0.25, 0);
    cJSON_Delete(json);
}

static void a_report_behind_which_nothing_was_learnt_keeps_the_loss(void **state)
{
    caption_train_progress nothing = learnt;
    (void)state;
    nothing.loss = nothing.reward = nothing.captions_per_second = 0;
    nothing.last = 1;
    train_report_add(report, &learnt);
    train_report_add(report, &nothing);
    cJSON *json = progress();
    assert_float_equal(number(json, "loss"), -0.25, 0);
    assert_float_equal(number(json, "reward"), 0.5, 0);
    assert_float_equal(number(json, "captions_per_second"), 50, 0);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(json, "loss_history")), 1);
    cJSON_Delete(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_loss_below_0_is_one_too, start, end),
        cmocka_unit_test_setup_teardown(a_report_behind_which_nothing_was_learnt_keeps_the_loss, start, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
