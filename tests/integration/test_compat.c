/* What clients of other protocols rely on, without those clients (tests/clients has them): where they look for the
 * reason of an error, and what they send unasked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/served.h"

static int start(void **state)
{
    return served_start(state, photo_make("png", 50, 40, 1), NULL);
}

static void every_404_below_v1_has_openais_error(void **state)
{
    static const struct {
        const char *method, *path;
    } cases[] = {
        {NULL, "/v1/nothing"},     {"POST", "/v1/embeddings"},     {NULL, "/v1/files/a/b"},
        {NULL, "/v1/models/none"}, {NULL, "/v1/jobs/99"},          {NULL, "/v1/datasets/no"},
        {"DELETE", "/v1/jobs/99"}, {NULL, "/v1/responses/resp_1"}, {NULL, "/v1/jobs/99/events"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reply r = client_ask(served, &(request){.path = cases[i].path, .method = cases[i].method});
        assert_int_equal(r.status, 404);
        assert_string_equal(reply_string(&r, "error/message"), reply_string(&r, "detail"));
        assert_string_equal(reply_string(&r, "error/type"), "not_found_error");
        assert_non_null(strstr(reply_string(&r, "type"), reply_string(&r, "error/code")));
        reply_free(&r);
    }
}

static reply send_photo(const char *path, const char *format)
{
    char *base64 = photo_base64(&served_photo);
    size_t room = strlen(format) + strlen(base64) + 1;
    char *json = malloc(room);
    assert_non_null(json);
    snprintf(json, room, format, base64);
    reply r =
        client_ask(served, &(request){.path = path, .type = "application/json", .body = json, .size = strlen(json)});
    free(json);
    free(base64);
    return r;
}

#define CHAT(members)                                                                                                  \
    "{" members                                                                                                        \
    "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"%s\"}}]}]}"
#define RESPONSE(members)                                                                                              \
    "{" members "\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"image_url\":\"%s\"}]}]}"
#define GENERATE(members) "{" members "\"model\":\"tiny\",\"prompt\":\"x\",\"stream\":false,\"images\":[\"%s\"]}"

/* Schemas of tools are deep. */
#define TOOLS                                                                                                          \
    "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{\"type\":\"object\","              \
    "\"properties\":"                                                                                                  \
    "{\"a\":{\"type\":\"array\",\"items\":{\"type\":\"object\",\"properties\":{\"b\":{\"type\":\"array\",\"items\":"   \
    "{\"type\":\"string\",\"enum\":[\"x\"]}}}}}}}}}],"

static void what_has_no_meaning_is_ignored(void **state)
{
    static const struct {
        const char *path, *json;
    } cases[] = {
        {"/v1/chat/completions", CHAT(TOOLS "\"tool_choice\":\"auto\",\"temperature\":0.2,\"user\":\"me\",\"n\":1,")},
        {"/v1/chat/completions",
         CHAT("\"modalities\":[\"text\"],\"logprobs\":false,\"top_logprobs\":0,\"stop\":null,")},
        {"/v1/responses", RESPONSE(TOOLS "\"store\":true,\"truncation\":\"auto\",\"reasoning\":{\"effort\":\"low\"},")},
        {"/v1/responses", RESPONSE("\"previous_response_id\":null,\"background\":false,\"include\":[],")},
        {"/api/generate",
         GENERATE("\"options\":{\"num_ctx\":4096,\"seed\":1},\"keep_alive\":-1,\"think\":false,\"format\":\"\",")},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reply r = send_photo(cases[i].path, cases[i].json);
        if (r.status != 200)
            fail_msg("%s: %ld %s", cases[i].path, r.status, r.body);
        reply_free(&r);
    }
}

static void what_would_change_the_answer_is_refused_by_name(void **state)
{
    static const struct {
        const char *path, *json, *named;
    } cases[] = {
        {"/v1/chat/completions", CHAT("\"tool_choice\":\"required\","), "tool_choice"},
        {"/v1/chat/completions", CHAT("\"tool_choice\":{\"type\":\"allowed_tools\",\"mode\":\"required\"},"),
         "tool_choice"},
        {"/v1/chat/completions", CHAT("\"function_call\":{\"name\":\"f\"},"), "function_call"},
        {"/v1/chat/completions", CHAT("\"modalities\":[\"text\",\"audio\"],"), "modalities"},
        {"/v1/chat/completions", CHAT("\"logprobs\":1,"), "logprobs"},
        {"/v1/chat/completions", CHAT("\"n\":0,"), "n must"},
        {"/v1/chat/completions", CHAT("\"response_format\":{\"type\":\"xml\"},"), "response_format"},
        {"/v1/chat/completions?decode=greedy", CHAT("\"n\":2,"), "n"},
        {"/v1/chat/completions?attention=true", CHAT(""), "attention"},
        {"/v1/responses", RESPONSE("\"conversation\":\"c\","), "conversation"},
        {"/v1/responses", RESPONSE("\"text\":{\"format\":{\"type\":\"json_schema\",\"schema\":{\"type\":\"array\"}}},"),
         "text.format"},
        {"/api/generate", GENERATE("\"think\":\"high\","), "think"},
        {"/api/generate",
         GENERATE(
             "\"format\":{\"type\":\"object\",\"properties\":{\"x\":{\"type\":\"boolean\"}},\"required\":[\"x\"]},"),
         "\"x\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        reply r = send_photo(cases[i].path, cases[i].json);
        client_expect_refused(&r, 400, "bad-option", cases[i].named);
    }
}

static void ollamas_errors_are_told_in_its_way(void **state)
{
    (void)state;
    reply r = send_photo("/api/generate", "{\"model\":\"none\",\"prompt\":\"x\",\"images\":[\"%s\"]}");
    assert_int_equal(r.status, 404);
    assert_string_equal(reply_string(&r, "error"), reply_string(&r, "detail"));
    reply_free(&r);
    r = client_ask(served, &(request){.path = "/api/pull", .method = "POST"});
    assert_int_equal(r.status, 404);
    assert_string_equal(reply_string(&r, "error"), reply_string(&r, "detail"));
    reply_free(&r);
}

static void ollama_streams_lines_unless_told_otherwise(void **state)
{
    (void)state;
    reply r =
        send_photo("/api/chat", "{\"model\":\"tiny:latest\",\"messages\":[{\"role\":\"user\",\"images\":[\"%s\"]}]}");
    assert_int_equal(r.status, 200);
    assert_string_equal(reply_header(&r, "Content-Type"), "application/x-ndjson");
    int lines = 0;
    for (const char *line = r.body, *end; (end = strchr(line, '\n')) != NULL; line = end + 1, lines++) {
        cJSON *object = cJSON_ParseWithLength(line, (size_t)(end - line));
        assert_true(cJSON_IsObject(object));
        assert_int_equal(cJSON_IsTrue(cJSON_GetObjectItem(object, "done")), !end[1]);
        cJSON_Delete(object);
    }
    assert_true(lines > 1);
    reply_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_404_below_v1_has_openais_error),
        cmocka_unit_test(what_has_no_meaning_is_ignored),
        cmocka_unit_test(what_would_change_the_answer_is_refused_by_name),
        cmocka_unit_test(ollamas_errors_are_told_in_its_way),
        cmocka_unit_test(ollama_streams_lines_unless_told_otherwise),
    };
    return cmocka_run_group_tests_name("compat", tests, start, served_end);
}
