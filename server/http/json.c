/* json.c: see json.h. */
#include "server/http/json.h"

#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MAX_DEPTH = 32, MAX_VALUES = 4096 };

/* ---- answers --------------------------------------------------------------------------------------------------- */

int json_add_rounded(cJSON *object, const char *name, double value, int decimals)
{
    char text[48];
    if (!isfinite(value))
        return cJSON_AddNullToObject(object, name) != NULL;
    snprintf(text, sizeof text, "%.*f", decimals, value);
    return cJSON_AddRawToObject(object, name, text) != NULL;
}

int json_add_integer(cJSON *object, const char *name, uint64_t value)
{
    char digits[24];
    snprintf(digits, sizeof digits, "%" PRIu64, value);
    return cJSON_AddRawToObject(object, name, digits) != NULL;
}

int json_add_time(cJSON *object, const char *name, long long seconds)
{
    char text[32];
    struct tm utc;
    time_t t = (time_t)seconds;
    if (!gmtime_r(&t, &utc) || strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0)
        return cJSON_AddNullToObject(object, name) != NULL;
    return cJSON_AddStringToObject(object, name, text) != NULL;
}

cJSON *json_checked(cJSON *object, int complete)
{
    if (complete)
        return object;
    cJSON_Delete(object);
    return NULL;
}

char *json_finish(cJSON *object, int complete)
{
    char *text = complete ? cJSON_PrintUnformatted(object) : NULL;
    cJSON_Delete(object);
    return text;
}

const double json_most_integer = 9007199254740991;

/* ---- requests ---------------------------------------------------------------------------------------------------
 *
 * cJSON makes a node of some 70 bytes of every value, so a body of "[[[[" or "1,1,1,1" would cost many times its size:
 * the shape is bounded by a scan before cJSON sees it. */

/* The length of the string that begins with the quote at text[0], quotes included; 0 if it does not end or holds a zero
 * character, as it is or as \u0000, which would end it early as a C string. */
static size_t scan_string(const char *text, size_t size)
{
    for (size_t i = 1; i < size; i++) {
        if (text[i] == '"')
            return i + 1;
        if (text[i] == '\0')
            return 0;
        if (text[i] == '\\' && size - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0)
            return 0;
        i += text[i] == '\\';
    }
    return 0;
}

static int check_shape(const char *text, size_t size, problem *p)
{
    int depth = 0, values = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"') {
            size_t length = scan_string(text + i, size - i);
            if (length == 0)
                return problem_set(p, PROBLEM_BAD_JSON, "a string does not end, or holds a zero character");
            i += length - 1;
        } else if (text[i] == '[' || text[i] == '{') {
            depth++;
            values++;
        } else if (text[i] == ']' || text[i] == '}') {
            depth--;
        } else if (text[i] == ',') {
            values++;
        }
        if (depth > MAX_DEPTH || values > MAX_VALUES)
            return problem_set(p, PROBLEM_BAD_JSON, "deeper than %d levels or more than %d values", MAX_DEPTH,
                               MAX_VALUES);
    }
    return 0;
}

/* cJSON does not tell a text that is no JSON from one for which there was no memory; its allocator does. */
static _Thread_local int starved;

static void *take(size_t size)
{
    void *memory = malloc(size);
    starved |= memory == NULL;
    return memory;
}

static void use_own_allocator(void)
{
    cJSON_InitHooks(&(cJSON_Hooks){.malloc_fn = take, .free_fn = free});
}

static cJSON *parse(const char *text, size_t size, const char **end)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, use_own_allocator);
    starved = 0;
    return cJSON_ParseWithLengthOpts(text, size, end, 0);
}

cJSON *json_parse_object(const char *text, size_t size, problem *p)
{
    static const char mark[] = "\xef\xbb\xbf"; /* UTF-8's byte order mark: Windows programs write it */
    const char *end = NULL;
    if (size >= sizeof mark - 1 && memcmp(text, mark, sizeof mark - 1) == 0) {
        text += sizeof mark - 1;
        size -= sizeof mark - 1;
    }
    if (check_shape(text, size, p))
        return NULL;
    cJSON *object = parse(text, size, &end);
    if (!object && starved) {
        problem_set(p, PROBLEM_MEMORY_FULL, "out of memory for the JSON body");
        return NULL;
    }
    if (!object) {
        problem_set(p, PROBLEM_BAD_JSON, "not JSON, from byte %zu on", end ? (size_t)(end - text) : 0);
        return NULL;
    }
    while (end < text + size && isspace((unsigned char)*end))
        end++;
    if (end == text + size && cJSON_IsObject(object))
        return object;
    problem_set(p, PROBLEM_BAD_JSON, cJSON_IsObject(object) ? "something follows the object" : "not an object");
    cJSON_Delete(object);
    return NULL;
}

int json_check_once(const cJSON *object, const cJSON *member, problem *p)
{
    return cJSON_GetObjectItemCaseSensitive(object, member->string) == member
               ? 0
               : problem_set(p, PROBLEM_BAD_OPTION, "%.64s: given twice", member->string);
}

int json_optional(const cJSON *object, const char *name, int (*is)(const cJSON *item), const char *what,
                  const cJSON **out, problem *p)
{
    const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, name);
    *out = cJSON_IsNull(member) ? NULL : member;
    return *out && !is(*out) ? problem_set(p, PROBLEM_BAD_OPTION, "%s must be %s", name, what) : 0;
}
