/* Accept headers: the most specific range decides (RFC 9110, 12.5.1, with its own example). */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/http/accept.h"

static void expect(const char *accept, const char *type, double wanted)
{
    double got = accept_quality(accept, type);
    if (fabs(got - wanted) > 1e-9)
        fail_msg("%s of \"%s\" is %g, not %g", type, accept ? accept : "(none)", got, wanted);
}

static void nothing_said_accepts_everything(void **state)
{
    (void)state;
    expect(NULL, "text/html", 1);
    expect("", "text/html", 1);
    expect("  ", "text/html", 1);
    expect("*/*", "text/html", 1);
}

static void the_most_specific_range_decides(void **state)
{
    (void)state;
    static const char example[] =
        "text/*;q=0.3, text/plain;q=0.7, text/plain;format=flowed, text/plain;format=fixed;q=0.4, "
        "*/*;q=0.5";
    expect(example, "text/html", 0.3);
    expect(example, "image/jpeg", 0.5);
    expect("text/*;q=0.3, text/html;q=0.7, */*;q=0.5", "text/html", 0.7);
    expect("*/*;q=0.5, text/html;q=0", "text/html", 0);
    expect("TEXT/HTML ; Q=0.25", "text/html", 0.25);
}

static void what_is_not_named_is_not_wanted(void **state)
{
    (void)state;
    expect("application/json", "text/html", 0);
    expect("text/htm", "text/html", 0);
    expect("text/htmlx", "text/html", 0);
    expect("text", "text/html", 0);
    expect("image/*", "text/html", 0);
}

static void broken_headers_are_survived(void **state)
{
    (void)state;
    expect(",,;q,", "text/html", 0);
    expect("text/html;", "text/html", 1);
    expect("text/html;q", "text/html", 1);
    expect("text/html;q=", "text/html", 0);
    expect("text/html;q=nonsense", "text/html", 0);
    expect("text/html;q=7", "text/html", 0);
    expect("text/html;q=-1", "text/html", 0);
    expect("text/html;level=1;q=0.5", "text/html", 0.5);
}

static void browsers_want_the_page(void **state)
{
    (void)state;
    static const char chromium[] = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8";
    expect(chromium, "text/html", 1);
    expect(chromium, "application/json", 0.8);
}

static void json_is_preferred_in_doubt(void **state)
{
    (void)state;
    assert_int_equal(accept_prefers(NULL, "image/png"), 0);
    assert_int_equal(accept_prefers("*/*", "image/png"), 0);
    assert_int_equal(accept_prefers("image/png, application/json", "image/png"), 0);
    assert_int_equal(accept_prefers("application/json, image/png;q=0", "image/png"), 0);
    assert_int_equal(accept_prefers("image/png;q=0.5, application/json;q=0.4", "image/png"), 1);
    assert_int_equal(accept_prefers("image/avif,image/webp,image/*,*/*;q=0.8", "image/png"), 1); /* <img> */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_said_accepts_everything), cmocka_unit_test(the_most_specific_range_decides),
        cmocka_unit_test(what_is_not_named_is_not_wanted), cmocka_unit_test(broken_headers_are_survived),
        cmocka_unit_test(browsers_want_the_page),          cmocka_unit_test(json_is_preferred_in_doubt),
    };
    return cmocka_run_group_tests_name("accept", tests, NULL, NULL);
}
