/* json.h: the little that answers need beyond cJSON. */
#ifndef SERVER_JSON_H
#define SERVER_JSON_H

#include <cjson/cJSON.h>

/* Adds a number with a fixed count of decimals: durations need no nanoseconds. Returns 0 when out of memory. */
int json_add_rounded(cJSON *object, const char *name, double value, int decimals);

/* Prints and frees `object`; malloc'd. If `complete` is 0, something is missing in it: NULL instead. */
char *json_finish(cJSON *object, int complete);

#endif
