/* Pages of other sites, names that are not the daemon's, and proxies: none of them is taken for this machine's user. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/photo.h"

enum { MOST = 6 };

static photo form;

static int start(void **state)
{
    photo image = photo_make("png", 50, 40, 1);
    photo_form_add(&form, "image", image.bytes, image.size);
    photo_form_end(&form);
    photo_free(&image);
    return captiond_setup(state);
}

static int end(void **state)
{
    photo_free(&form);
    return captiond_teardown(state);
}

static void expect(const captiond *c, const char *method, const char *path, const char *const *headers, long status)
{
    request what = {.path = path, .method = method, .headers = headers};
    if (strcmp(path, "/v1/caption") == 0)
        what =
            (request){.path = path, .type = PHOTO_FORM_TYPE, .body = form.bytes, .size = form.size, .headers = headers};
    reply r = client_ask(c, &what);
    if (r.status != status)
        fprintf(stderr, "%s %s with %s: %ld\n", method, path, headers[0], r.status);
    assert_int_equal(r.status, status);
    if (status >= 400)
        client_expect_problem(&r, status, status == 403 ? "forbidden" : "not-found");
    reply_free(&r);
}

static void expect_everywhere(const captiond *c, const char *const *headers, int is_allowed)
{
    static const struct {
        const char *method, *path;
    } routes[] = {{"POST", "/v1/caption"}, {"GET", "/healthz"},     {"GET", "/v1/models"}, {"GET", "/"},
                  {"GET", "/metrics"},     {"GET", "/v1/datasets"}, {"GET", "/nowhere"}};
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        expect(c, routes[i].method, routes[i].path, headers,
               is_allowed ? (strcmp(routes[i].path, "/nowhere") == 0 ? 404 : 200) : 403);
}

static void what_other_sites_ask_is_refused_everywhere(void **state)
{
    static const char *const headers[][MOST] = {
        {"Origin: http://evil.example", NULL},
        {"Origin: null", NULL},
        {"Origin: http://localhost:1", NULL},
        {"Host: evil.example", NULL},
        {"Host: EVIL.example:8080", NULL},
        {"Host: 127.0.0.1.evil.example", NULL},
        {"Host: localhost.evil.example", NULL},
        {"Host: 127.0.0.1.", NULL},
        {"Sec-Fetch-Site: cross-site", NULL},
        {"Sec-Fetch-Site: same-site", NULL},
        {"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors", "Sec-Fetch-Dest: image", NULL},
        {"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: iframe", NULL},
    };
    (void)state;
    captiond *c = captiond_serve(NULL);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++)
        expect_everywhere(c, headers[i], 0);
    captiond_stop(c);
}

static void its_own_page_and_programs_are_let_through(void **state)
{
    char own[96];
    (void)state;
    captiond *c = captiond_serve(NULL);
    snprintf(own, sizeof own, "Origin: %s", c->url);
    expect_everywhere(c, (const char *const[]){own, "Sec-Fetch-Site: same-origin", NULL}, 1);
    expect_everywhere(c, (const char *const[]){"Sec-Fetch-Site: none", NULL}, 1);
    expect_everywhere(c, (const char *const[]){"Host: localhost:1", NULL}, 1);
    expect_everywhere(c, (const char *const[]){"Host: [::1]", NULL}, 1);
    expect(c, "GET", "/healthz", (const char *const[]){"Host: captiond:8080", NULL}, 200);
    expect(c, "GET", "/healthz", (const char *const[]){"Host: 192.0.2.1:8080", NULL}, 200);
    expect(c, "GET", "/",
           (const char *const[]){"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document",
                                 NULL},
           200); /* a link */
    captiond_stop(c);
}

static void what_is_allowed_is_let_through(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--cors-origin", "http://good.example", "--public-host",
                                                  "captions.example.org,*.example.net", NULL});
    expect(c, "POST", "/v1/caption", (const char *const[]){"Origin: http://good.example", NULL}, 200);
    expect(c, "POST", "/v1/caption",
           (const char *const[]){"Origin: http://good.example", "Sec-Fetch-Site: cross-site", NULL}, 200);
    expect(c, "POST", "/v1/caption", (const char *const[]){"Origin: http://evil.example", NULL}, 403);
    expect(c, "POST", "/v1/caption", (const char *const[]){"Host: captions.example.org", NULL}, 200);
    expect(c, "POST", "/v1/caption",
           (const char *const[]){"Host: captions.example.org", "Origin: https://captions.example.org", NULL}, 200);
    expect(c, "POST", "/v1/caption", (const char *const[]){"Host: a.b.example.net:80", NULL}, 200);
    expect(c, "POST", "/v1/caption", (const char *const[]){"Host: example.net.evil.example", NULL}, 403);
    expect(c, "POST", "/v1/caption", (const char *const[]){"Host: evilexample.net", NULL}, 403);
    captiond_stop(c);
}

static void a_key_is_enough(void **state)
{
    (void)state;
    captiond *c = captiond_serve((const char *[]){"--admin-key", "k", NULL});
    expect(c, "GET", "/v1/datasets", (const char *const[]){"Authorization: Bearer k", "Origin: http://a.example", NULL},
           200);
    expect(c, "GET", "/v1/models",
           (const char *const[]){"Authorization: Bearer wrong", "Origin: http://a.example", NULL}, 403);
    captiond_stop(c);
}

static void what_a_proxy_passes_on_is_not_local(void **state)
{
    static const char *const headers[] = {"X-Forwarded-For: 203.0.113.9",
                                          "x-forwarded: anything",
                                          "X-Forwarded-Server: a",
                                          "X-Forwarded-Prefix: /a",
                                          "X-Original-Forwarded-For: a",
                                          "X-Client-IP: a",
                                          "True-Client-IP: a",
                                          "CF-Connecting-IP: a",
                                          "X-Cluster-Client-Ip: a",
                                          "Fastly-Client-IP: a",
                                          "X-Envoy-External-Address: a",
                                          "X-ProxyUser-Ip: a",
                                          "Via: 1.1 a",
                                          "X-Remote-Addr: a",
                                          "X-Original-URL: /",
                                          "CDN-Loop: a",
                                          "X-Whatever: 203.0.113.9",
                                          "X-Whatever: [2001:db8::1]:4711",
                                          "X-Peer: \"203.0.113.9:80\"",
                                          "X-Seen-By: 10.0.0.1, 10.0.0.2",
                                          "X-Amzn-Trace-Id: a"};
    (void)state;
    captiond *c = captiond_serve(NULL);
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        expect(c, "GET", "/v1/datasets", (const char *const[]){headers[i], NULL}, 403);
        expect(c, "GET", "/v1/models", (const char *const[]){headers[i], NULL}, 200);
    }
    expect(c, "GET", "/v1/datasets", (const char *const[]){"X-Whatever: 1.2", "X-Time: 12:30", NULL}, 200);
    captiond_stop(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_other_sites_ask_is_refused_everywhere),
        cmocka_unit_test(its_own_page_and_programs_are_let_through),
        cmocka_unit_test(what_is_allowed_is_let_through),
        cmocka_unit_test(a_key_is_enough),
        cmocka_unit_test(what_a_proxy_passes_on_is_not_local),
    };
    return cmocka_run_group_tests_name("sites", tests, start, end);
}
