/* selftest_json.c: see selftest_json.h. */
#include "server/api/selftest_json.h"

#include <stdio.h>

#include "model/gradcheck.h"
#include "server/base/clock.h"
#include "server/http/json.h"

typedef struct collection {
    cJSON *checks;
    int failed, lost; /* checks that did not pass; 1: there was no memory for one */
    int (*stop)(void *context);
    void *context;
} collection;

static int add_shape(cJSON *item, const caption_gradcheck *check)
{
    int n = 0;
    while (n < CAPTION_GRADCHECK_DIMENSIONS && check->shape[n])
        n++;
    return cJSON_AddItemToObjectCS(item, "shape", cJSON_CreateIntArray(check->shape, n));
}

static int add_check(cJSON *checks, const caption_gradcheck *check)
{
    cJSON *item = cJSON_CreateObject();
    if (cJSON_AddStringToObject(item, "name", check->name) && add_shape(item, check) &&
        cJSON_AddNumberToObject(item, "max_relative_error", check->max_relative_error) &&
        cJSON_AddNumberToObject(item, "threshold", check->threshold) &&
        cJSON_AddBoolToObject(item, "passed", check->passed) && json_add_rounded(item, "seconds", check->seconds, 6) &&
        cJSON_AddItemToArray(checks, item))
        return 1;
    cJSON_Delete(item);
    return 0;
}

static int collect(void *context, const caption_gradcheck *check)
{
    collection *c = context;
    c->failed += !check->passed;
    c->lost = !add_check(c->checks, check);
    return c->lost || (c->stop && c->stop(c->context));
}

/* Takes over c->checks. */
static char *print(const collection *c, uint64_t seed, double seconds)
{
    cJSON *answer = cJSON_CreateObject();
    int good = cJSON_AddBoolToObject(answer, "passed", c->failed == 0) && json_add_integer(answer, "seed", seed) &&
               cJSON_AddStringToObject(answer, "precision", "float64") &&
               json_add_rounded(answer, "seconds", seconds, 6);
    if (!cJSON_AddItemToObjectCS(answer, "checks", c->checks)) {
        cJSON_Delete(c->checks);
        good = 0;
    }
    return json_finish(answer, good);
}

int selftest_json(uint64_t seed, const char *layer, int (*stop)(void *context), void *context, char **text, int *failed,
                  caption_error *err)
{
    double start = clock_ms();
    collection c = {.checks = cJSON_CreateArray(), .stop = stop, .context = context};
    int status = caption_gradcheck_run(seed, layer, collect, &c, err);
    *failed = c.failed;
    *text = NULL;
    if (status == CAPTION_OK)
        *text = print(&c, seed, (clock_ms() - start) / 1e3);
    else
        cJSON_Delete(c.checks);
    if (c.lost || (status == CAPTION_OK && !*text))
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the report");
    return status;
}
