/* The web page as HTTP: who is given it, its headers, its files. What it does is tried in a browser, tests/browser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/client.h"
#include "tests/support/served.h"

static const char browser[] = "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";

static int start(void **state)
{
    return served_start(state, (photo){0},
                        (const char *[]){"--models", "tiny", "--model", "tiny", "--caption-key", "secret", NULL});
}

/* header: NULL for none. */
static reply get(const char *path, const char *header)
{
    reply r = client_ask(served, &(request){.path = path, .headers = (const char *[]){header, NULL}});
    assert_int_equal(r.error, CURLE_OK);
    return r;
}

static void expect_header(const reply *r, const char *name, const char *wanted)
{
    const char *value = reply_header(r, name);
    assert_non_null(value);
    assert_string_equal(value, wanted);
}

static void browsers_get_the_page_others_the_routes(void **state)
{
    (void)state;
    reply r = get("/", browser);
    assert_int_equal(r.status, 200);
    expect_header(&r, "Content-Type", "text/html; charset=utf-8");
    expect_header(&r, "Vary", "Accept");
    assert_non_null(strstr(r.body, "<title>captiond</title>"));
    reply_free(&r);
    static const char *const others[] = {NULL, "Accept: */*", "Accept: application/json", "Accept: text/html;q=0"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        r = get("/", others[i]);
        assert_int_equal(r.status, 200);
        expect_header(&r, "Content-Type", "application/json");
        assert_string_equal(reply_string(&r, "name"), "captiond");
        reply_free(&r);
    }
}

/* Every file that a page, sheet or script names is served, with its type, without a key. */
static void follow_names(const char *text, const char *before, const char *path, int *n)
{
    for (const char *at = text; (at = strstr(at, before)); at++) {
        char name[128], type[64];
        const char *file = at + strlen(before);
        snprintf(name, sizeof name, "%s%.*s", path, (int)strcspn(file, "\""), file);
        const char *ending = strrchr(name, '.');
        snprintf(type, sizeof type, "%s",
                 strcmp(ending, ".js") == 0    ? "text/javascript; charset=utf-8"
                 : strcmp(ending, ".css") == 0 ? "text/css; charset=utf-8"
                                               : "image/svg+xml");
        reply r = get(name, NULL);
        if (r.status != 200)
            fail_msg("%s: status %ld", name, r.status);
        expect_header(&r, "Content-Type", type);
        expect_header(&r, "X-Content-Type-Options", "nosniff");
        if (strcmp(ending, ".js") == 0 && *n < 100) {
            ++*n;
            follow_names(r.body, "from \"./", "/ui/", n);
        }
        reply_free(&r);
    }
}

static void every_file_that_is_named_is_served(void **state)
{
    (void)state;
    int scripts = 0;
    reply r = get("/", browser);
    follow_names(r.body, "src=\"ui/", "/ui/", &scripts);
    follow_names(r.body, "href=\"ui/", "/ui/", &scripts);
    assert_true(scripts > 10);
    reply_free(&r);
}

static void nothing_but_the_daemon_may_be_asked(void **state)
{
    (void)state;
    reply r = get("/", browser);
    expect_header(&r, "Content-Security-Policy",
                  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src "
                  "'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    expect_header(&r, "Referrer-Policy", "no-referrer");
    assert_null(strstr(r.body, "http://"));
    assert_null(strstr(r.body, "https://"));
    reply_free(&r);
}

static void what_a_browser_has_is_not_sent_again(void **state)
{
    (void)state;
    char known[128];
    reply r = get("/ui/main.js", NULL);
    expect_header(&r, "Cache-Control", "no-cache");
    snprintf(known, sizeof known, "If-None-Match: W/\"other\", %s", reply_header(&r, "ETag"));
    reply_free(&r);
    r = get("/ui/main.js", known);
    assert_int_equal(r.status, 304);
    assert_int_equal(r.size, 0);
    assert_non_null(reply_header(&r, "ETag"));
    reply_free(&r);
    r = get("/ui/style.css", known);
    assert_int_equal(r.status, 200);
    reply_free(&r);
}

static void other_files_are_not_there(void **state)
{
    (void)state;
    static const char *const paths[] = {"/ui/none.js", "/ui/", "/ui/%2e%2e%2fmain.js", "/ui/main.js/x"};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        reply r = get(paths[i], NULL);
        client_expect_problem(&r, 404, "not-found");
        reply_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(browsers_get_the_page_others_the_routes),
        cmocka_unit_test(every_file_that_is_named_is_served),
        cmocka_unit_test(nothing_but_the_daemon_may_be_asked),
        cmocka_unit_test(what_a_browser_has_is_not_sent_again),
        cmocka_unit_test(other_files_are_not_there),
    };
    return cmocka_run_group_tests_name("page", tests, start, served_end);
}
