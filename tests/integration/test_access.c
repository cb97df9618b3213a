/* Who may ask what: the operator's key, the key for captions, and this machine where there is no key. */
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/dataset.h"

/* Asks with one header more; NULL: none. */
static reply ask(const captiond *c, const char *method, const char *path, const char *header)
{
    return client_ask(c, &(request){.path = path, .method = method, .headers = (const char *const[]){header, NULL}});
}

static void expect(const captiond *c, const char *method, const char *path, const char *header, long status)
{
    reply r = ask(c, method, path, header);
    if (r.status != status)
        fprintf(stderr, "%s %s with %s: %ld instead of %ld\n", method, path, header ? header : "nothing", r.status,
                status);
    assert_int_equal(r.status, status);
    if (status == 401) {
        client_expect_problem(&r, 401, "unauthorized");
        assert_string_equal(reply_header(&r, "WWW-Authenticate"), "Bearer realm=\"captiond\"");
    }
    if (status == 403)
        client_expect_problem(&r, 403, "forbidden");
    reply_free(&r);
}

/* Of each kind that there is. */
static const char *const operators[][2] = {
    {"GET", "/v1/datasets"},
    {"PUT", "/v1/datasets/pets"},
    {"GET", "/v1/datasets/pets"},
    {"DELETE", "/v1/datasets/pets"},
    {"POST", "/v1/datasets/pets/items"},
    {"GET", "/v1/datasets/pets/items"},
    {"GET", "/v1/datasets/pets/items/1"},
    {"DELETE", "/v1/datasets/pets/items/1"},
    {"GET", "/v1/datasets/pets/items/1/image"},
    {"POST", "/v1/dream"},
    {"GET", "/v1/jobs/1/pictures/result.png"},
};

static void without_the_operators_key_its_routes_are_401(void **state)
{
    static const char *const headers[] = {NULL,
                                          "Authorization: Bearer",
                                          "Authorization: Bearer wrong",
                                          "Authorization: Bearer secret-ke",
                                          "Authorization: Bearer secret-keyy",
                                          "Authorization: Bearer SECRET-KEY",
                                          "Authorization: secret-key",
                                          "Authorization: Basic c2VjcmV0LWtleQ==",
                                          "X-Api-Key: secret-key"};
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--admin-key", "secret-key", NULL});
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        expect(c, operators[i][0], operators[i][1], NULL, 401);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        expect(c, "PUT", "/v1/datasets/pets", headers[i], 401);
    captiond_stop(c);
}

/* These post a photo and change nothing. */
static int only_looks_at_a_photo(const char *path)
{
    static const char *const paths[] = {"/v1/caption",          "/v1/saliency",   "/v1/score",
                                        "/models/{name}",       "/model/predict", "/v2/models/{name}/infer",
                                        "/v1/chat/completions", "/v1/responses",  "/api/show",
                                        "/api/generate",        "/api/chat"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
        if (strcmp(path, paths[i]) == 0)
            return 1;
    return 0;
}

/* Whatever routes are added later: those that change something are the operator's. */
static void every_route_that_changes_something_is_the_operators(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--admin-key", "secret-key", NULL});
    reply r = ask(c, "GET", "/", NULL);
    assert_int_equal(r.status, 200);
    const cJSON *route;
    int checked = 0;
    cJSON_ArrayForEach(route, cJSON_GetObjectItem(r.json, "routes"))
    {
        const char *method = cJSON_GetStringValue(cJSON_GetObjectItem(route, "method"));
        const char *path = cJSON_GetStringValue(cJSON_GetObjectItem(route, "path"));
        const char *access = cJSON_GetStringValue(cJSON_GetObjectItem(route, "access"));
        int open = strcmp(access, "operator") != 0;
        if (!open)
            expect(c, method, path, NULL, 401);
        else if (strcmp(method, "GET") != 0)
            assert_true(only_looks_at_a_photo(path));
        checked += !open;
    }
    assert_true(checked >= 9);
    reply_free(&r);
    captiond_stop(c);
}

static void with_it_they_answer(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--admin-key", "secret-key", NULL});
    expect(c, "PUT", "/v1/datasets/pets", "Authorization: Bearer secret-key", 201);
    expect(c, "GET", "/v1/datasets", "Authorization: bearer  secret-key", 200);
    expect(c, "DELETE", "/v1/datasets/pets", "Authorization: Bearer secret-key", 200);
    captiond_stop(c);
}

/* Refused from the headers: a client that asks first need not send its photo. */
static void a_wrong_key_is_told_before_the_body_is_sent(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--admin-key", "secret-key", NULL});
    reply r = client_ask(
        c,
        &(request){
            .path = "/v1/datasets/pets/items", .type = PHOTO_FORM_TYPE, .body = "never sent", .size = 10, .expect = 1});
    client_expect_problem(&r, 401, "unauthorized");
    assert_null(strstr(r.headers, "100 Continue"));
    reply_free(&r);
    captiond_wait_log(c, "path=/v1/datasets/pets/items status=401 received=0", 1);
    captiond_stop(c);
}

/* A chunked body that outgrows the limit is refused while it comes, past libmicrohttpd; the key is asked for there,
 * too. */
static void a_body_that_outgrows_the_limit_is_still_asked_for_a_key(void **state)
{
    (void)state;
    enum { BYTES = 8 << 20 };
    char *large = calloc(1, BYTES);
    assert_non_null(large);
    captiond *c = captiond_serve((const char *[]){"--admin-key", "secret-key", "--max-body-mb", "1", NULL});
    reply r = client_ask(c, &(request){.path = "/v1/train", .body = large, .size = BYTES, .chunked = 1});
    client_expect_problem(&r, 401, "unauthorized");
    assert_non_null(reply_header(&r, "WWW-Authenticate"));
    assert_string_equal(reply_header(&r, "WWW-Authenticate"), "Bearer realm=\"captiond\"");
    reply_free(&r);
    captiond_stop(c);
    free(large);
}

static void paths_and_methods_are_told_without_a_key(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--admin-key", "secret-key", NULL});
    expect(c, "GET", "/v1/nothing", NULL, 404);
    expect(c, "PATCH", "/v1/datasets", NULL, 405);
    expect(c, "GET", "/", NULL, 200);
    captiond_stop(c);
}

static void the_operators_key_does_not_close_captions(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--admin-key", "secret-key", NULL});
    expect(c, "GET", "/v1/models", NULL, 200);
    expect(c, "POST", "/v1/caption", NULL, 400);
    captiond_stop(c);
}

static void captions_can_have_a_key_of_their_own(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--admin-key", "secret-key", "--caption-key", "other-key", NULL});
    expect(c, "POST", "/v1/caption", NULL, 401);
    expect(c, "POST", "/v1/caption", "Authorization: Bearer wrong", 401);
    expect(c, "POST", "/v1/caption", "Authorization: Bearer other-key", 400);
    expect(c, "POST", "/v1/caption", "Authorization: Bearer secret-key", 400);
    expect(c, "GET", "/v1/models", NULL, 401);
    expect(c, "GET", "/v1/models", "Authorization: Bearer other-key", 200);
    expect(c, "GET", "/v1/datasets", "Authorization: Bearer other-key", 401);
    expect(c, "GET", "/healthz", NULL, 200);
    expect(c, "GET", "/readyz", NULL, 200);
    captiond_stop(c);
}

static void keys_come_from_the_environment_too(void **state)
{
    (void)state;
    setenv("CAPTIOND_ADMIN_KEY", "from-outside", 1);
    setenv("CAPTIOND_CAPTION_KEY", "from-inside", 1);
    captiond *c = captiond_serve(NULL);
    unsetenv("CAPTIOND_ADMIN_KEY");
    unsetenv("CAPTIOND_CAPTION_KEY");
    expect(c, "GET", "/v1/datasets", "Authorization: Bearer from-outside", 200);
    expect(c, "GET", "/v1/datasets", "Authorization: Bearer from-inside", 401);
    expect(c, "GET", "/v1/models", "Authorization: Bearer from-inside", 200);
    assert_int_equal(captiond_count_log(c, "from-outside"), 0);
    captiond_stop(c);
}

static void a_key_that_could_not_be_sent_stops_the_start(void **state)
{
    static const char *const keys[] = {"two words", "caf\xC3\xA9", "line\nbreak"};
    (void)state;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        captiond_output o = captiond_run((const char *[]){"serve", "--admin-key", keys[i], NULL}, NULL, NULL);
        assert_int_equal(o.status, 2);
        assert_non_null(strstr(o.err, "--admin-key"));
        assert_null(strstr(o.err, keys[i]));
        captiond_output_free(&o);
    }
}

/* ---- without a key --------------------------------------------------------------------------------------------- */

static void without_a_key_this_machine_may_ask(void **state)
{
    (void)state;
    captiond *c = captiond_serve(NULL);
    expect(c, "PUT", "/v1/datasets/pets", NULL, 201);
    expect(c, "DELETE", "/v1/datasets/pets", "Authorization: Bearer anything", 200);
    captiond_stop(c);
}

static void without_a_key_what_a_proxy_forwards_is_403(void **state)
{
    static const char *const headers[] = {"X-Forwarded-For: 203.0.113.9",  "Forwarded: for=203.0.113.9",
                                          "X-Real-IP: 203.0.113.9",        "X-Forwarded-Proto: https",
                                          "X-Forwarded-Host: example.org", "Via: 1.1 proxy"};
    (void)state;
    captiond *c = captiond_serve(NULL);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        expect(c, "GET", "/v1/datasets", headers[i], 403);
        expect(c, "GET", "/v1/models", headers[i], 200);
    }
    captiond_stop(c);
}

/* A page from elsewhere may make a browser on this machine send a form to any address, with Origin; after rebinding its
 * name to 127.0.0.1 it may even read the answer, but Host still names it. */
static void without_a_key_a_foreign_page_is_403(void **state)
{
    static const char *const headers[] = {"Origin: http://evil.example",
                                          "Origin: null",
                                          "Host: evil.example",
                                          "Host: evil.example:8080",
                                          "Host: 127.0.0.1.evil.example",
                                          "Host: localhost.evil.example",
                                          "Host: 127.100.100.100.evil.example"};
    char own[96];
    (void)state;
    captiond *c = captiond_serve(NULL);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        expect(c, "GET", "/v1/datasets", headers[i], 403);
    snprintf(own, sizeof own, "Origin: %s", c->url);
    expect(c, "GET", "/v1/datasets", own, 200);
    expect(c, "GET", "/v1/datasets", "Host: localhost:1234", 200);
    expect(c, "GET", "/v1/datasets", "Host: [::1]", 200);
    captiond_stop(c);
}

/* An IPv4 address of this machine that is not loopback; 0 if it has none. */
static int find_outer_address(char out[INET_ADDRSTRLEN])
{
    struct ifaddrs *all;
    int found = 0;
    assert_int_equal(getifaddrs(&all), 0);
    for (const struct ifaddrs *a = all; a && !found; a = a->ifa_next)
        if (a->ifa_addr && a->ifa_addr->sa_family == AF_INET && (a->ifa_flags & IFF_UP) &&
            !(a->ifa_flags & IFF_LOOPBACK))
            found = inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a->ifa_addr)->sin_addr, out,
                              INET_ADDRSTRLEN) != NULL;
    freeifaddrs(all);
    return found;
}

static void without_a_key_other_machines_are_403(void **state)
{
    char address[INET_ADDRSTRLEN];
    (void)state;
    if (!find_outer_address(address)) {
        print_message("# this machine has no address but loopback\n");
        skip();
    }
    captiond *c = captiond_serve((const char *[]){"--host", "0.0.0.0", NULL});
    snprintf(c->url, sizeof c->url, "http://%s:%d", address, c->port);
    expect(c, "GET", "/v1/models", NULL, 200);
    expect(c, "GET", "/v1/datasets", NULL, 403);
    expect(c, "PUT", "/v1/datasets/pets", "Host: localhost", 403);
    captiond_stop(c);
}

static void with_a_key_other_machines_and_proxies_may_ask(void **state)
{
    char address[INET_ADDRSTRLEN];
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--host", "0.0.0.0", "--admin-key", "k", NULL});
    if (find_outer_address(address))
        snprintf(c->url, sizeof c->url, "http://%s:%d", address, c->port);
    reply r = client_ask(
        c, &(request){.path = "/v1/datasets",
                      .headers = (const char *const[]){"Authorization: Bearer k", "X-Forwarded-For: 203.0.113.9",
                                                       "Origin: https://example.org", NULL}});
    assert_int_equal(r.status, 200);
    reply_free(&r);
    expect(c, "GET", "/v1/datasets", "X-Forwarded-For: 127.0.0.1", 401);
    captiond_stop(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_the_operators_key_its_routes_are_401),
        cmocka_unit_test(every_route_that_changes_something_is_the_operators),
        cmocka_unit_test(with_it_they_answer),
        cmocka_unit_test(a_wrong_key_is_told_before_the_body_is_sent),
        cmocka_unit_test(a_body_that_outgrows_the_limit_is_still_asked_for_a_key),
        cmocka_unit_test(paths_and_methods_are_told_without_a_key),
        cmocka_unit_test(the_operators_key_does_not_close_captions),
        cmocka_unit_test(captions_can_have_a_key_of_their_own),
        cmocka_unit_test(keys_come_from_the_environment_too),
        cmocka_unit_test(a_key_that_could_not_be_sent_stops_the_start),
        cmocka_unit_test(without_a_key_this_machine_may_ask),
        cmocka_unit_test(without_a_key_what_a_proxy_forwards_is_403),
        cmocka_unit_test(without_a_key_a_foreign_page_is_403),
        cmocka_unit_test(without_a_key_other_machines_are_403),
        cmocka_unit_test(with_a_key_other_machines_and_proxies_may_ask),
    };
    return cmocka_run_group_tests_name("access", tests, captiond_setup, captiond_teardown);
}
