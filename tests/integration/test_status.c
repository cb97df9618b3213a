/* What the daemon says of itself, and the answers to paths and methods that are not there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/served.h"

static int start(void **state)
{
    return served_start(state, (photo){0}, (const char *[]){"--models", "tiny,other", "--model", "other", NULL});
}

static reply get(const char *path)
{
    reply r = client_ask(served, &(request){.path = path});
    assert_int_equal(r.error, CURLE_OK);
    return r;
}

static void it_is_alive_and_ready(void **state)
{
    (void)state;
    reply r = get("/healthz");
    assert_int_equal(r.status, 200);
    assert_string_equal(reply_string(&r, "status"), "alive");
    reply_free(&r);
    r = get("/readyz");
    assert_int_equal(r.status, 200);
    assert_string_equal(reply_string(&r, "status"), "ready");
    reply_free(&r);
}

/* What is printed on a terminal leaves the prompt where it belongs. */
static void json_ends_in_one_newline(void **state)
{
    static const char *const paths[] = {"/healthz", "/readyz", "/v1/models", "/nowhere", "/v1/nowhere", "/v1/caption"};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        reply r = get(paths[i]);
        assert_non_null(r.json);
        assert_true(r.size > 2);
        assert_memory_equal((const char *)r.body + r.size - 2, "}\n", 2);
        reply_free(&r);
    }
}

static void models_are_told_with_their_facts(void **state)
{
    (void)state;
    reply r = get("/v1/models");
    assert_int_equal(r.status, 200);
    assert_int_equal(cJSON_GetArraySize(cJSON_GetObjectItem(r.json, "models")), 2);
    assert_string_equal(reply_string(&r, "models/0/name"), "tiny");
    assert_string_equal(reply_string(&r, "models/0/kind"), "lstm");
    assert_string_equal(reply_string(&r, "models/1/name"), "other");
    assert_string_equal(reply_string(&r, "models/1/kind"), "rnn");
    assert_true(reply_number(&r, "models/0/vocabulary_size") > 4);
    assert_int_equal(strlen(reply_string(&r, "models/0/sha256")), 64);
    assert_string_not_equal(reply_string(&r, "models/0/sha256"), reply_string(&r, "models/1/sha256"));
    assert_int_equal(strlen(reply_string(&r, "encoder/sha256")), 64);
    assert_true(reply_number(&r, "models/0/scores/cider") == 0.125);
    assert_string_equal(reply_string(&r, "models/0/encoder_sha256"), "of no encoder in particular");
    captiond_wait_log(served, "event=encoder-differs model=tiny", 1);
    const cJSON *models = cJSON_GetObjectItem(r.json, "models");
    assert_true(cJSON_IsFalse(cJSON_GetObjectItem(cJSON_GetArrayItem(models, 0), "default")));
    assert_true(cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetArrayItem(models, 1), "default")));
    reply_free(&r);
}

static void the_index_names_every_route(void **state)
{
    (void)state;
    reply r = get("/");
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.body, "/v1/caption"));
    assert_non_null(strstr(r.body, "/readyz"));
    reply_free(&r);
}

static void head_is_get_without_a_body(void **state)
{
    (void)state;
    reply r = client_ask(served, &(request){.path = "/healthz", .method = "HEAD"});
    assert_int_equal(r.status, 200);
    assert_int_equal(r.size, 0);
    assert_string_equal(reply_header(&r, "Content-Type"), "application/json");
    reply_free(&r);
}

static void an_unknown_path_is_404(void **state)
{
    static const char *const paths[] = {"/nowhere", "/v1", "/v1/", "/v1/caption/", "//", "/healthz/x"};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        reply r = get(paths[i]);
        client_expect_problem(&r, 404, "not-found");
        reply_free(&r);
    }
}

static void a_wrong_method_is_405_and_told_what_is_allowed(void **state)
{
    static const struct {
        const char *path, *method, *allow;
    } cases[] = {{"/v1/caption", "GET", "POST"},        {"/v1/caption", "HEAD", "POST"},
                 {"/v1/caption", "DELETE", "POST"},     {"/healthz", "POST", "GET, HEAD"},
                 {"/v1/models", "DELETE", "GET, HEAD"}, {"/v1/models", "PROPFIND", "GET, HEAD"}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reply r = client_ask(served, &(request){.path = cases[i].path, .method = cases[i].method});
        assert_int_equal(r.status, 405);
        assert_string_equal(reply_header(&r, "Allow"), cases[i].allow);
        if (strcmp(cases[i].method, "HEAD") != 0)
            client_expect_problem(&r, 405, "method-not-allowed");
        reply_free(&r);
    }
}

static void every_request_has_one_line_in_the_log(void **state)
{
    (void)state;
    reply r = client_ask(served, &(request){.path = "/nowhere%20%22x%0a?secret=1",
                                            .headers = (const char *const[]){"X-Request-Id: logged", NULL}});
    reply_free(&r);
    captiond_wait_log(served,
                      "event=request id=logged client=127.0.0.1 method=GET path=\"/nowhere \\\"x\\x0a\" status=404", 1);
    captiond_expect_log(served, "event=request id=logged", 1);
    assert_int_equal(captiond_count_log(served, "secret"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_alive_and_ready),
        cmocka_unit_test(json_ends_in_one_newline),
        cmocka_unit_test(models_are_told_with_their_facts),
        cmocka_unit_test(the_index_names_every_route),
        cmocka_unit_test(head_is_get_without_a_body),
        cmocka_unit_test(an_unknown_path_is_404),
        cmocka_unit_test(a_wrong_method_is_405_and_told_what_is_allowed),
        cmocka_unit_test(every_request_has_one_line_in_the_log),
    };
    return cmocka_run_group_tests_name("status", tests, start, served_end);
}
