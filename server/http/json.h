/* json.h: the little that requests and answers need beyond cJSON. */
#ifndef SERVER_JSON_H
#define SERVER_JSON_H

#include <cjson/cJSON.h>
#include <stdint.h>

#include "server/http/problem.h"

/* Adds a number with a fixed count of decimals: durations need no nanoseconds. Returns 0 when out of memory. */
int json_add_rounded(cJSON *object, const char *name, double value, int decimals);

/* Adds all digits of an integer: cJSON writes large ones as doubles, rounded. Returns 0 when out of memory. */
int json_add_integer(cJSON *object, const char *name, uint64_t value);

/* Adds seconds since 1970 as "2024-05-01T12:00:00Z". Returns 0 when out of memory. */
int json_add_time(cJSON *object, const char *name, long long seconds);

/* `object`, or if it is not complete NULL, and it is deleted. */
cJSON *json_checked(cJSON *object, int complete);

/* Prints and frees `object`; malloc'd. If `complete` is 0, something is missing in it: NULL instead. */
char *json_finish(cJSON *object, int complete);

/* 2^53 - 1: larger integers are not all JSON numbers (doubles), so one that is asked for may come as another. */
extern const double json_most_integer;

/* Parses hostile text that must be one JSON object and no more. Refuses deep nesting, very many values and strings with
 * a zero character. The caller deletes it; NULL with *p set. */
cJSON *json_parse_object(const char *text, size_t size, problem *p);

/* A member whose name stands before it in the object, too, is refused by name. 0, or 1 with *p set. */
int json_check_once(const cJSON *object, const cJSON *member, problem *p);

/* A member that may be absent or null: then *out is NULL. `is` is a cJSON_Is...; `what` names its type for the message,
 * as "an object". 0, or 1 with *p set to bad-option. */
int json_optional(const cJSON *object, const char *name, int (*is)(const cJSON *item), const char *what,
                  const cJSON **out, problem *p);

#endif
