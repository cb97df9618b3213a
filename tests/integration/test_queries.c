/* What a query may say: a parameter that a route does not know, or one that comes twice, is refused by name. */
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
    return served_start(state, (photo){0}, NULL);
}

static void expect_refused(const char *method, const char *path, const char *name, const char *named)
{
    reply r = client_ask(served, &(request){.path = path, .method = method});
    if (r.status != 400)
        fprintf(stderr, "%s %s: %ld\n", method, path, r.status);
    client_expect_refused(&r, 400, name, named);
}

/* "/v1/jobs/{id}" -> "/v1/jobs/1" */
static void fill(const char *pattern, char *path, size_t size)
{
    size_t n = 0;
    while (*pattern && n + 1 < size) {
        path[n++] = *pattern == '{' ? '1' : *pattern;
        pattern = *pattern == '{' ? strchr(pattern, '}') + 1 : pattern + 1;
    }
    path[n] = '\0';
}

/* Monitors, browsers and the clients of other protocols may add parameters of their own. */
static int is_ours(const char *path)
{
    return strncmp(path, "/v1/", 4) == 0 && strcmp(path, "/v1/chat/completions") != 0 &&
           strcmp(path, "/v1/responses") != 0;
}

static void every_route_refuses_a_parameter_that_it_does_not_know(void **state)
{
    const cJSON *route;
    int checked = 0;
    (void)state;
    reply r = client_ask(served, &(request){.path = "/"});
    cJSON_ArrayForEach(route, cJSON_GetObjectItem(r.json, "routes"))
    {
        char filled[128], path[160];
        const char *pattern = cJSON_GetStringValue(cJSON_GetObjectItem(route, "path"));
        const char *method = cJSON_GetStringValue(cJSON_GetObjectItem(route, "method"));
        if (!is_ours(pattern))
            continue;
        fill(pattern, filled, sizeof filled);
        snprintf(path, sizeof path, "%s?colour=red", filled);
        expect_refused(method, path, "unknown-option", "there is no option \"colour\"");
        checked++;
    }
    assert_true(checked >= 27);
    reply_free(&r);
}

static void a_parameter_given_twice_is_refused(void **state)
{
    static const struct {
        const char *method, *path, *named;
    } cases[] = {
        {"GET", "/v1/datasets?limit=2&limit=3", "limit: given twice"},
        {"GET", "/v1/datasets?limit=2&limit=2", "limit: given twice"},
        {"GET", "/v1/datasets?limit=2&after=a&limit=3", "limit: given twice"},
        {"GET", "/v1/datasets?after=a&after=b", "after: given twice"},
        {"GET", "/v1/datasets?after&after", "after: given twice"},
        {"GET", "/v1/datasets?after&%61fter=b", "after: given twice"},
        {"GET", "/v1/datasets/1/items?limit=2&limit=3", "limit: given twice"},
        {"GET", "/v1/datasets/1/items?after=1&after=2", "after: given twice"},
        {"GET", "/v1/jobs?limit=2&limit=3", "limit: given twice"},
        {"GET", "/v1/jobs?after=1&after=2", "after: given twice"},
        {"GET", "/v1/selftest/gradients?seed=1&seed=2", "seed: given twice"},
        {"GET", "/v1/selftest/gradients?layer=affine&seed=1&layer=lstm", "layer: given twice"},
        {"POST", "/v1/caption?beam=2&beam=3", "beam: given twice"},
        {"POST", "/v1/score?model=tiny&model=other", "model: given twice"},
        {"POST", "/v1/saliency?size=7&size=8", "size: given twice"},
        {"POST", "/v1/visualize?class=1&class=2", "class: given twice"},
        {"POST", "/models/tiny?beam=2&beam=3", "beam: given twice"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_refused(cases[i].method, cases[i].path, "bad-option", cases[i].named);
}

static void what_others_may_add_parameters_to_takes_any(void **state)
{
    static const char *const paths[] = {"/?from=here", "/ui/page.css?v=2", "/healthz?probe=1", "/metrics?name=a&name=b",
                                        "/v2/health/live?x=1"};
    (void)state;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        reply r = client_ask(served, &(request){.path = paths[i]});
        assert_int_equal(r.status, 200);
        reply_free(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_refuses_a_parameter_that_it_does_not_know),
        cmocka_unit_test(a_parameter_given_twice_is_refused),
        cmocka_unit_test(what_others_may_add_parameters_to_takes_any),
    };
    return cmocka_run_group_tests_name("queries", tests, start, served_end);
}
