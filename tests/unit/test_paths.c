/* Messages for strangers: no absolute path is left, and nothing else is changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "server/base/paths.h"

static void only_the_last_part_of_a_path_is_told(void **state)
{
    static const char *const all[][2] = {
        {"/var/lib/captiond/captiond.db: it is damaged", "captiond.db: it is damaged"},
        {"cannot open /a/b.c", "cannot open b.c"},
        {"cannot open \"/a/b.c\", nor '/d/e'", "cannot open \"b.c\", nor 'e'"},
        {"(/a/b) [/c/d] </e/f> file=/g/h reason:/i/j", "(b) [d] <f> file=h reason:j"},
        {"/a/b/: gone", "b/: gone"},
        {"/a: gone", "a: gone"},
        {"/a/b:c/d: gone", "d: gone"},
        {"/a/b.tsv:12: no tab", "b.tsv:12: no tab"},
        {"model x is broken: /srv/x.safetensors: bad", "model x is broken: x.safetensors: bad"},
        {"/a/b", "b"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char text[200];
        snprintf(text, sizeof text, "%s", all[i][0]);
        paths_hide(text);
        assert_string_equal(text, all[i][1]);
    }
}

static void the_rest_stays(void **state)
{
    static const char *const all[] = {"",
                                      "/",
                                      "3 / 4 of it",
                                      "image/png and */*",
                                      "https://example.org/a/b is not fetched",
                                      "images/dog.png: damaged",
                                      "./a/b and ../c/d",
                                      "and/or",
                                      "4 MB/s"};
    (void)state;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        char text[200];
        snprintf(text, sizeof text, "%s", all[i]);
        paths_hide(text);
        assert_string_equal(text, all[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_last_part_of_a_path_is_told),
        cmocka_unit_test(the_rest_stays),
    };
    return cmocka_run_group_tests_name("paths", tests, NULL, NULL);
}
