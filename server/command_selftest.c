/* command_selftest.c: `captiond selftest` differentiates every layer numerically, in float64, and prints a line a
 * gradient; exit status 1 if one is off. */
#include <cjson/cJSON.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/gradcheck.h"
#include "server/commands.h"
#include "server/options.h"

typedef struct report {
    cJSON *checks; /* NULL: print a table instead */
    int run, failed;
} report;

static int add_to_table(void *context, const caption_gradcheck *check)
{
    report *r = context;
    if (r->run++ == 0)
        printf("%-32s %12s %10s\n", "gradient", "error", "allowed");
    r->failed += !check->passed;
    printf("%-32s %12.2e %10.0e  %s\n", check->name, check->max_relative_error, check->threshold,
           check->passed ? "ok" : "FAILED");
    return 0;
}

static int add_to_json(void *context, const caption_gradcheck *check)
{
    report *r = context;
    cJSON *item = cJSON_CreateObject();
    if (!cJSON_AddStringToObject(item, "name", check->name) ||
        !cJSON_AddNumberToObject(item, "max_relative_error", check->max_relative_error) ||
        !cJSON_AddNumberToObject(item, "threshold", check->threshold) ||
        !cJSON_AddBoolToObject(item, "passed", check->passed) || !cJSON_AddItemToArray(r->checks, item)) {
        cJSON_Delete(item);
        return 1; /* out of memory: stop */
    }
    r->run++;
    r->failed += !check->passed;
    return 0;
}

/* Prints {"passed":..., "checks":[...]}; takes over r->checks. Returns 0 if there was no memory. */
static int print_json(report *r)
{
    cJSON *answer = cJSON_CreateObject();
    char *text = NULL;
    if (cJSON_AddBoolToObject(answer, "passed", r->failed == 0) && cJSON_AddItemToObject(answer, "checks", r->checks)) {
        r->checks = NULL;
        text = cJSON_PrintUnformatted(answer);
    }
    if (text)
        puts(text);
    free(text);
    cJSON_Delete(answer);
    cJSON_Delete(r->checks);
    return text != NULL;
}

int command_selftest(int argc, char **argv)
{
    const char *layer = NULL;
    uint64_t seed = 0;
    int json = 0;
    const option table[] = {
        {"layer", OPTION_TEXT, &layer, 0, 0, "NAME", "only this layer, else all"},
        {"seed", OPTION_SEED, &seed, 0, 0, "N", "of the random inputs"},
        {"json", OPTION_FLAG, &json, 0, 0, "", "print JSON instead of a table"},
        {0},
    };
    const options_usage usage = {"selftest", "", "Checks every gradient against central differences.", table, 0, 0};
    int status;
    if (!options_parse(&usage, &argc, &argv, &status))
        return status;

    report r = {.checks = json ? cJSON_CreateArray() : NULL};
    caption_error err;
    status = caption_gradcheck_run(seed, layer, json ? add_to_json : add_to_table, &r, &err);
    if (status) {
        cJSON_Delete(r.checks);
        fprintf(stderr, "captiond selftest: %s\n", err.message);
        return status == CAPTION_EINVAL ? OPTIONS_WRONG : 1;
    }
    if (json && !print_json(&r)) {
        fprintf(stderr, "captiond selftest: out of memory\n");
        return 1;
    }
    if (!json)
        printf("%d gradients, %d failed\n", r.run, r.failed);
    return r.failed > 0;
}
