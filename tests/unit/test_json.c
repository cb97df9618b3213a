/* Hostile JSON: cJSON makes some 70 bytes of every value and recurses at every level, so both are bounded first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/http/json.h"

enum { DEPTH = 32, VALUES = 4096 }; /* json.c's limits */

static int parses(const char *text)
{
    problem p = {.kind = PROBLEM_NONE};
    cJSON *object = json_parse_object(text, strlen(text), &p);
    assert_true((object != NULL) == (p.kind == PROBLEM_NONE));
    if (!object)
        assert_int_equal(p.kind, PROBLEM_BAD_JSON);
    cJSON_Delete(object);
    return object != NULL;
}

/* {"a":[[...]]} with `depth` levels in all. */
static int nested(int depth)
{
    char text[256] = "{\"a\":";
    for (int i = 1; i < depth; i++)
        strcat(text, "[");
    for (int i = 1; i < depth; i++)
        strcat(text, "]");
    return parses(strcat(text, "}"));
}

static void levels_are_bounded(void **state)
{
    (void)state;
    assert_true(nested(DEPTH));
    assert_false(nested(DEPTH + 1));
    assert_false(nested(100));
}

static void brackets_in_a_string_are_no_levels(void **state)
{
    (void)state;
    assert_true(parses("{\"a\":\"[[[[[[[[[[[[[[[[\\\"[[[[[[[[[[\"}"));
}

/* {"a":[1,1,...]}: the object, the list and what follows a comma count. */
static int listed(int values)
{
    char *text = malloc((size_t)values * 2 + 16), *end = text;
    assert_non_null(text);
    end += strlen(strcpy(end, "{\"a\":[1"));
    for (int i = 2; i < values; i++)
        end += strlen(strcpy(end, ",1"));
    strcpy(end, "]}");
    int good = parses(text);
    free(text);
    return good;
}

static void values_are_bounded(void **state)
{
    (void)state;
    assert_true(listed(VALUES));
    assert_false(listed(VALUES + 1));
    assert_false(listed(10 * VALUES));
}

static void one_object_and_no_more_is_taken(void **state)
{
    (void)state;
    assert_true(parses(" {} \n"));
    assert_false(parses("[]"));
    assert_false(parses("{} {}"));
    assert_false(parses("{\"a\":\"b\\u0000c\"}"));
    assert_false(parses(""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_are_bounded),
        cmocka_unit_test(brackets_in_a_string_are_no_levels),
        cmocka_unit_test(values_are_bounded),
        cmocka_unit_test(one_object_and_no_more_is_taken),
    };
    return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
