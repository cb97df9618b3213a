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
    expect_header(&r, "Vary", "Accept, Accept-Encoding");
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

/* Every file that the page names is served, with its type, without a key. */
static int follow_names(const char *text, const char *before)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, before)); at++, n++) {
        char name[128];
        const char *file = at + strlen(before);
        snprintf(name, sizeof name, "/ui/%.*s", (int)strcspn(file, "\""), file);
        const char *ending = strrchr(name, '.');
        reply r = get(name, NULL);
        if (r.status != 200)
            fail_msg("%s: status %ld", name, r.status);
        expect_header(&r, "Content-Type",
                      strcmp(ending, ".js") == 0    ? "text/javascript; charset=utf-8"
                      : strcmp(ending, ".css") == 0 ? "text/css; charset=utf-8"
                      : strcmp(ending, ".md") == 0  ? "text/markdown; charset=utf-8"
                                                    : "image/svg+xml");
        expect_header(&r, "X-Content-Type-Options", "nosniff");
        reply_free(&r);
    }
    return n;
}

static void every_file_that_is_named_is_served(void **state)
{
    (void)state;
    reply r = get("/", browser), script = get("/ui/page.js", NULL);
    assert_true(follow_names(r.body, "src=\"ui/") > 0);
    assert_true(follow_names(r.body, "href=\"ui/") > 0);
    assert_null(strstr(script.body, "import ")); /* the modules are one script */
    reply_free(&script);
    reply_free(&r);
}

static void files_are_compressed_for_who_takes_that(void **state)
{
    (void)state;
    static const char *const refused[] = {NULL, "Accept-Encoding: br", "Accept-Encoding: gzip;q=0, br",
                                          "Accept-Encoding: xgzip"};
    char etag[64];
    reply small = get("/ui/page.js", "Accept-Encoding: br;q=1.0, GZIP;q=0.8");
    snprintf(etag, sizeof etag, "%s", reply_header(&small, "ETag"));
    expect_header(&small, "Content-Encoding", "gzip");
    assert_memory_equal(small.body, "\x1f\x8b", 2);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        reply large = get("/ui/page.js", refused[i]);
        assert_null(reply_header(&large, "Content-Encoding"));
        assert_true(large.size > 2 * small.size);
        assert_string_not_equal(reply_header(&large, "ETag"), etag);
        reply_free(&large);
    }
    reply_free(&small);
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
    reply r = get("/ui/page.js", NULL);
    expect_header(&r, "Cache-Control", "no-cache");
    snprintf(known, sizeof known, "If-None-Match: W/\"other\", %s", reply_header(&r, "ETag"));
    reply_free(&r);
    r = get("/ui/page.js", known);
    assert_int_equal(r.status, 304);
    assert_int_equal(r.size, 0);
    assert_non_null(reply_header(&r, "ETag"));
    reply_free(&r);
    r = get("/ui/page.css", known);
    assert_int_equal(r.status, 200);
    reply_free(&r);
}

static void other_files_are_not_there(void **state)
{
    (void)state;
    static const char *const paths[] = {"/ui/none.js", "/ui/", "/ui/%2e%2e%2fmain.js", "/ui/page.js/x"};
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
        cmocka_unit_test(files_are_compressed_for_who_takes_that),
        cmocka_unit_test(nothing_but_the_daemon_may_be_asked),
        cmocka_unit_test(what_a_browser_has_is_not_sent_again),
        cmocka_unit_test(other_files_are_not_there),
    };
    return cmocka_run_group_tests_name("page", tests, start, served_end);
}
