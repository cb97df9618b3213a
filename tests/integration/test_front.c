/* What stands between clients and the daemon: pages of other origins (CORS), reverse proxies, a socket in the file
 * system, and how the log tells of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/scratch.h"

static reply ask(const captiond *c, const char *method, const char *path, const char *const *headers)
{
    return client_ask(c, &(request){.path = path, .method = method, .headers = headers});
}

#define HEADERS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void expect_header(const reply *r, const char *name, const char *wanted)
{
    const char *got = reply_header(r, name);
    if (got && wanted ? strcmp(got, wanted) != 0 : got != wanted)
        fail_msg("%s: %s, not %s", name, got ? got : "(none)", wanted ? wanted : "(none)");
}

/* ---- CORS -------------------------------------------------------------------------------------------------------- */

static void without_the_option_no_page_is_told_anything(void **state)
{
    (void)state;
    captiond *c = captiond_serve(NULL);
    reply r = ask(c, NULL, "/healthz", HEADERS("Origin: https://a.example"));
    expect_header(&r, "Access-Control-Allow-Origin", NULL);
    reply_free(&r);
    r = ask(c, "OPTIONS", "/v1/caption", HEADERS("Origin: https://a.example", "Access-Control-Request-Method: POST"));
    assert_int_equal(r.status, 403);
    expect_header(&r, "Access-Control-Allow-Origin", NULL);
    reply_free(&r);
    captiond_stop(c);
}

static void pages_of_the_origins_may_read_every_answer(void **state)
{
    static const char *const origins[] = {"https://a.example", "http://localhost:3000", "https://b.example"};
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--cors-origin", "https://a.example, http://localhost:3000",
                                                  "--cors-origin", "https://B.example", "--caption-key", "k", NULL});
    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++) {
        char origin[64];
        snprintf(origin, sizeof origin, "Origin: %s", origins[i]);
        static const struct {
            const char *path;
            long status;
        } answers[] = {{"/healthz", 200}, {"/v1/models", 401}, {"/v1/nothing", 404}};
        for (size_t k = 0; k < sizeof answers / sizeof *answers; k++) {
            reply r = ask(c, NULL, answers[k].path, HEADERS(origin));
            assert_int_equal(r.status, answers[k].status);
            expect_header(&r, "Access-Control-Allow-Origin", origins[i]);
            expect_header(&r, "Vary", "Origin");
            expect_header(&r, "Access-Control-Allow-Credentials", NULL);
            assert_non_null(strstr(reply_header(&r, "Access-Control-Expose-Headers"), "Retry-After"));
            reply_free(&r);
        }
    }
    captiond_stop(c);
}

static void other_pages_may_not(void **state)
{
    static const char *const origins[] = {"Origin: https://evil.example",
                                          "Origin: http://a.example",
                                          "Origin: https://a.example:444",
                                          "Origin: https://a.example.evil.example",
                                          "Origin: null",
                                          "Origin: https://a.exampl"};
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--cors-origin", "https://a.example", NULL});
    for (size_t i = 0; i < sizeof origins / sizeof *origins; i++) {
        reply r = ask(c, NULL, "/healthz", HEADERS(origins[i]));
        expect_header(&r, "Access-Control-Allow-Origin", NULL);
        expect_header(&r, "Vary", "Origin");
        reply_free(&r);
        r = ask(c, "OPTIONS", "/v1/caption", HEADERS(origins[i], "Access-Control-Request-Method: POST"));
        assert_true(r.status >= 400);
        expect_header(&r, "Access-Control-Allow-Origin", NULL);
        reply_free(&r);
    }
    captiond_stop(c);
}

static void a_preflight_is_answered_without_a_key(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--cors-origin", "https://a.example", "--admin-key", "k", NULL});
    reply r = ask(c, "OPTIONS", "/v1/datasets/pets",
                  HEADERS("Origin: https://a.example", "Access-Control-Request-Method: PUT",
                          "Access-Control-Request-Headers: authorization,content-type,x-stainless-os",
                          "Access-Control-Request-Private-Network: true"));
    assert_int_equal(r.status, 204);
    assert_int_equal(r.size, 0);
    expect_header(&r, "Access-Control-Allow-Origin", "https://a.example");
    expect_header(&r, "Access-Control-Allow-Headers", "authorization,content-type,x-stainless-os");
    expect_header(&r, "Access-Control-Allow-Private-Network", "true");
    assert_non_null(strstr(reply_header(&r, "Access-Control-Allow-Methods"), "PUT"));
    reply_free(&r);

    r = ask(c, "OPTIONS", "/v1/datasets/pets", /* it made nothing */
            HEADERS("Origin: https://a.example", "Access-Control-Request-Method: PUT",
                    "Access-Control-Request-Headers: a\"b"));
    expect_header(&r, "Access-Control-Allow-Headers", "Authorization, Content-Type");
    reply_free(&r);
    r = ask(c, NULL, "/v1/datasets/pets", HEADERS("Authorization: Bearer k"));
    assert_int_equal(r.status, 404);
    reply_free(&r);
    r = ask(c, "OPTIONS", "/v1/nothing", HEADERS("Origin: https://a.example", "Access-Control-Request-Method: GET"));
    assert_int_equal(r.status, 404);
    reply_free(&r);
    captiond_stop(c);
}

/* It tells browsers that pages may read; what operators may do stays this machine's own. */
static void a_star_is_for_all_and_opens_no_operators_route(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--cors-origin", "*", NULL});
    reply r = ask(c, NULL, "/v1/models", HEADERS("Origin: https://anybody.example"));
    expect_header(&r, "Access-Control-Allow-Origin", "*");
    reply_free(&r);
    r = ask(c, NULL, "/v1/datasets", HEADERS("Origin: https://anybody.example"));
    assert_int_equal(r.status, 403);
    reply_free(&r);
    captiond_stop(c);
}

static void options_that_would_not_mean_what_they_say_stop_the_start(void **state)
{
    static const struct {
        const char *arguments[6], *said;
    } cases[] = {
        {{"serve", "--cors-origin", "https://a.example/", NULL}, "--cors-origin"},
        {{"serve", "--cors-origin", "a.example", NULL}, "--cors-origin"},
        {{"serve", "--cors-origin", "https://", NULL}, "--cors-origin"},
        {{"serve", "--cors-origin", "null", NULL}, "--cors-origin"},
        {{"serve", "--cors-origin", "https://*.example", NULL}, "--cors-origin"},
        {{"serve", "--cors-origin", "https://a.example,", NULL}, "--cors-origin"},
        {{"serve", "--cors-origin", "*", "--admin-key", "k", NULL}, "key"},
        {{"serve", "--cors-origin", "https://a.example,*", "--caption-key", "k", NULL}, "key"},
        {{"serve", "--trusted-proxy", "10.0.0.0/33", NULL}, "--trusted-proxy"},
        {{"serve", "--trusted-proxy", "proxy.example", NULL}, "--trusted-proxy"},
        {{"serve", "--trusted-proxy", "::1/129", NULL}, "--trusted-proxy"},
        {{"serve", "--trusted-proxy", "10.0.0.1,,10.0.0.2", NULL}, "--trusted-proxy"},
        {{"serve", "--listen", "127.0.0.1:80", NULL}, "--listen"},
        {{"serve", "--listen", "unix:", NULL}, "--listen"},
        {{"serve", "--log-format", "xml", NULL}, "--log-format"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        captiond_output o = captiond_run(cases[i].arguments, NULL, NULL);
        if (o.status != 2 || !strstr(o.err, cases[i].said))
            fail_msg("%s %s: %d, %s", cases[i].arguments[1], cases[i].arguments[2], o.status, o.err);
        captiond_output_free(&o);
    }
}

/* ---- proxies ----------------------------------------------------------------------------------------------------- */

static void expect_client(captiond *c, const char *const *headers, const char *client)
{
    static int id;
    char mark[64], logged[160];
    const char *all[6] = {mark};
    snprintf(mark, sizeof mark, "X-Request-Id: proxied-%d", ++id);
    for (int i = 0; headers[i]; i++)
        all[i + 1] = headers[i];
    reply r = ask(c, NULL, "/healthz", all);
    assert_int_equal(r.status, 200);
    reply_free(&r);
    snprintf(logged, sizeof logged, "event=request id=proxied-%d client=%s ", id, client);
    captiond_wait_log(c, logged, 1);
}

static void a_trusted_proxy_tells_the_clients_address(void **state)
{
    (void)state;
    captiond *c = captiond_serve(
        (const char *[]){"--trusted-proxy", "127.0.0.0/8,10.1.0.0/16", "--trusted-proxy", "2001:db8::/32", NULL});
    expect_client(c, HEADERS("Accept: */*"), "127.0.0.1");
    expect_client(c, HEADERS("X-Forwarded-For: 203.0.113.9"), "203.0.113.9");
    expect_client(c, HEADERS("X-Forwarded-For: 203.0.113.9:4711"), "203.0.113.9");
    expect_client(c, HEADERS("X-Forwarded-For: [2001:db9::7]:4711"), "2001:db9::7");
    expect_client(c, HEADERS("X-Forwarded-For: 2001:db9::7"), "2001:db9::7");
    expect_client(c, HEADERS("X-Forwarded-For: 198.51.100.1, 203.0.113.9 ,10.1.2.3, 2001:db8::1"), "203.0.113.9");
    expect_client(c, HEADERS("X-Forwarded-For: 10.1.2.3, 10.1.2.4"), "10.1.2.3");
    expect_client(c, HEADERS("X-Forwarded-For: 203.0.113.9, unknown"), "127.0.0.1");
    expect_client(c, HEADERS("X-Forwarded-For: 203.0.113.9, 10.2.0.1"), "10.2.0.1");
    expect_client(c, HEADERS("X-Forwarded-For: ,"), "127.0.0.1");
    captiond_stop(c);
}

static void others_are_not_believed(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--trusted-proxy", "10.0.0.0/8", NULL});
    expect_client(c, HEADERS("X-Forwarded-For: 203.0.113.9"), "127.0.0.1");
    reply r = ask(c, NULL, "/v1/nothing", HEADERS("X-Forwarded-Prefix: /captions"));
    assert_string_equal(reply_string(&r, "instance"), "/v1/nothing");
    reply_free(&r);
    captiond_stop(c);
}

static void a_prefix_stands_before_what_clients_follow(void **state)
{
    static const struct {
        const char *header, *prefix;
    } cases[] = {
        {"X-Forwarded-Prefix: /captions", "/captions"},
        {"X-Forwarded-Prefix: /a/b-c_1/", "/a/b-c_1"},
        {"X-Forwarded-Prefix: /", ""},
        {"X-Forwarded-Prefix: //evil.example", ""},
        {"X-Forwarded-Prefix: https://evil.example", ""},
        {"X-Forwarded-Prefix: /a/../b", ""},
        {"X-Forwarded-Prefix: /a\"b", ""},
    };
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--trusted-proxy", "127.0.0.1", "--admin-key", "k", NULL});
    for (int i = 0; i < 2; i++) {
        reply r = ask(c, "PUT", i ? "/v1/datasets/b" : "/v1/datasets/a", HEADERS("Authorization: Bearer k"));
        assert_int_equal(r.status, 201);
        reply_free(&r);
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char wanted[128];
        reply r = ask(c, NULL, "/v1/datasets?limit=1", HEADERS("Authorization: Bearer k", cases[i].header));
        snprintf(wanted, sizeof wanted, "%s/v1/datasets?limit=1&after=a", cases[i].prefix);
        assert_string_equal(reply_string(&r, "next"), wanted);
        reply_free(&r);
        r = ask(c, NULL, "/v1/nothing", HEADERS(cases[i].header));
        snprintf(wanted, sizeof wanted, "%s/v1/nothing", cases[i].prefix);
        assert_string_equal(reply_string(&r, "instance"), wanted);
        reply_free(&r);
        static const char job[] = "{\"class\":1,\"steps\":1}";
        r = client_ask(c, &(request){.path = "/v1/visualize",
                                     .type = "application/json",
                                     .body = job,
                                     .size = sizeof job - 1,
                                     .headers = HEADERS("Authorization: Bearer k", cases[i].header)});
        assert_int_equal(r.status, 202);
        snprintf(wanted, sizeof wanted, "%s/v1/jobs/%.0f", cases[i].prefix, reply_number(&r, "id"));
        expect_header(&r, "Location", wanted);
        reply_free(&r);
    }
    captiond_stop(c);
}

static void the_page_asks_for_nothing_by_an_absolute_path(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--cors-origin", "https://a.example", NULL});
    reply r = ask(c, NULL, "/", HEADERS("Accept: text/html"));
    assert_int_equal(r.status, 200);
    assert_non_null(strstr(r.headers, "Vary: Origin"));
    assert_non_null(strstr(r.headers, "Vary: Accept"));
    assert_null(strstr(r.body, "href=\"/"));
    assert_null(strstr(r.body, "src=\"/"));
    reply_free(&r);
    captiond_stop(c);
}

/* ---- a socket in the file system --------------------------------------------------------------------------------- */

static int connect_unix(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0 && strlen(path) < sizeof address.sun_path);
    strcpy(address.sun_path, path);
    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void expect_over_unix(const char *path, const char *question, const char *wanted)
{
    char answer[4096] = "";
    size_t used = 0;
    ssize_t n;
    int fd = connect_unix(path);
    client_send(fd, question, 0);
    while (used + 1 < sizeof answer && (n = recv(fd, answer + used, sizeof answer - 1 - used, 0)) > 0)
        used += (size_t)n;
    close(fd);
    if (!strstr(answer, wanted))
        fail_msg("no \"%s\" in %s", wanted, answer);
}

static captiond *serve_unix(const char *name)
{
    char data[512];
    snprintf(data, sizeof data, "%s", scratch_path("unix-data"));
    captiond *c = captiond_start((const char *[]){"serve", "--listen", name, "--encoder", captiond_encoder, "--weights",
                                                  scratch_path("."), "--data", data, "--trusted-proxy", "unix", NULL});
    captiond_wait_log(c, "event=ready", 1);
    return c;
}

static void it_listens_on_a_socket_in_the_file_system(void **state)
{
    char name[512];
    struct stat file;
    (void)state;
    snprintf(name, sizeof name, "unix:%s", scratch_path("s"));
    const char *path = name + strlen("unix:");
    captiond *c = serve_unix(name);
    assert_int_equal(stat(path, &file), 0);
    assert_true(S_ISSOCK(file.st_mode));
    assert_int_equal(file.st_mode & 0777, 0660);
    expect_over_unix(path, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                     "{\"status\":\"alive\"}");
    expect_over_unix(path, "GET /v1/datasets HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
                     "\"datasets\":[]");
    captiond_wait_log(c, "client=unix ", 1);
    expect_over_unix(path,
                     "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 203.0.113.9\r\nConnection: close\r\n\r\n",
                     " 200 OK");
    captiond_wait_log(c, "client=203.0.113.9 ", 1);

    captiond_output o = captiond_run((const char *[]){"health", "--listen", name, NULL}, NULL, NULL);
    assert_int_equal(o.status, 0);
    captiond_output_free(&o);
    o = captiond_run((const char *[]){"serve", "--listen", name, NULL}, NULL, NULL);
    assert_int_equal(o.status, 1);
    assert_non_null(strstr(o.err, "another daemon listens"));
    captiond_output_free(&o);

    captiond_kill(c); /* leaves the socket behind, */
    assert_int_equal(stat(path, &file), 0);
    c = serve_unix(name); /* which does not hinder the next one */
    captiond_stop(c);
    assert_int_not_equal(stat(path, &file), 0);

    const char *other = scratch_write("precious", "x", 1);
    snprintf(name, sizeof name, "unix:%s", other);
    o = captiond_run((const char *[]){"serve", "--listen", name, NULL}, NULL, NULL);
    assert_int_equal(o.status, 1);
    assert_non_null(strstr(o.err, "no socket"));
    captiond_output_free(&o);
    assert_int_equal(stat(name + strlen("unix:"), &file), 0);
}

/* ---- the log ----------------------------------------------------------------------------------------------------- */

#define TRACE "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

static void a_trace_is_logged(void **state)
{
    static const char *const invalid[] = {
        "traceparent: 00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "traceparent: ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "traceparent: 00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "traceparent: \" status=200",
    };
    (void)state;
    captiond *c = captiond_serve(NULL);
    reply r = ask(c, NULL, "/healthz", HEADERS("traceparent: " TRACE));
    reply_free(&r);
    captiond_wait_log(c, "traceparent=" TRACE " client=", 1);
    for (size_t i = 0; i < sizeof invalid / sizeof *invalid; i++) {
        r = ask(c, NULL, "/readyz", HEADERS(invalid[i]));
        reply_free(&r);
    }
    captiond_wait_log(c, "path=/readyz ", (int)(sizeof invalid / sizeof *invalid));
    assert_int_equal(captiond_count_log(c, "traceparent="), 1);
    captiond_stop(c);
}

static void expect_json_object(const char *line, size_t size)
{
    cJSON *object = cJSON_ParseWithLength(line, size);
    if (!cJSON_IsObject(object) || !cJSON_GetStringValue(cJSON_GetObjectItem(object, "time")) ||
        !cJSON_GetStringValue(cJSON_GetObjectItem(object, "event")))
        fail_msg("no JSON: %.*s", (int)size, line);
    if (strcmp(cJSON_GetObjectItem(object, "event")->valuestring, "request") == 0)
        assert_true(cJSON_IsNumber(cJSON_GetObjectItem(object, "status")) &&
                    cJSON_IsNumber(cJSON_GetObjectItem(object, "ms")));
    cJSON_Delete(object);
}

/* Every line is one JSON object, whatever clients send. */
static void the_log_may_be_json(void **state)
{
    char data[512];
    (void)state;
    snprintf(data, sizeof data, "%s", scratch_path("json-data"));
    captiond *c =
        captiond_start((const char *[]){"serve", "--port", "0", "--log-format", "json", "--encoder", captiond_encoder,
                                        "--weights", scratch_path("."), "--data", data, NULL});
    captiond_wait_log(c, "\"event\":\"ready\"", 1);
    c->port = atoi(strstr(captiond_log_text(c), "\"port\":") + strlen("\"port\":"));
    static const char *const paths[] = {"/healthz", "/a%22b%5cc%0ad", "/%ff%c3%a4", "/%f0%9f%90%95%ed%a0%80"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        char head[256];
        int fd = client_connect(c);
        snprintf(head, sizeof head,
                 "GET %s HTTP/1.1\r\nHost: localhost\r\ntraceparent: " TRACE "\r\nConnection: close\r\n\r\n", paths[i]);
        client_send(fd, head, 0);
        close(fd);
    }
    char *path = calloc(1, 8000);
    assert_non_null(path);
    memset(path, '"', 7000);
    memcpy(path, "GET /", 5);
    strcpy(path + 6990, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    int fd = client_connect(c);
    client_send(fd, path, 0);
    captiond_wait_log(c, "\"event\":\"request\"", 5);
    close(fd);
    free(path);
    const char *line = captiond_log_text(c);
    for (const char *end; (end = strchr(line, '\n')) != NULL; line = end + 1)
        expect_json_object(line, (size_t)(end - line));
    captiond_stop(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_option_no_page_is_told_anything),
        cmocka_unit_test(pages_of_the_origins_may_read_every_answer),
        cmocka_unit_test(other_pages_may_not),
        cmocka_unit_test(a_preflight_is_answered_without_a_key),
        cmocka_unit_test(a_star_is_for_all_and_opens_no_operators_route),
        cmocka_unit_test(options_that_would_not_mean_what_they_say_stop_the_start),
        cmocka_unit_test(a_trusted_proxy_tells_the_clients_address),
        cmocka_unit_test(others_are_not_believed),
        cmocka_unit_test(a_prefix_stands_before_what_clients_follow),
        cmocka_unit_test(the_page_asks_for_nothing_by_an_absolute_path),
        cmocka_unit_test(it_listens_on_a_socket_in_the_file_system),
        cmocka_unit_test(a_trace_is_logged),
        cmocka_unit_test(the_log_may_be_json),
    };
    return cmocka_run_group_tests_name("front", tests, captiond_setup, captiond_teardown);
}
