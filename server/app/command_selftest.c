/* command_selftest.c: `captiond selftest` differentiates every layer numerically, in float64, and prints a line a
 * gradient; exit status 1 if one is off. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/gradcheck.h"
#include "server/api/selftest_json.h"
#include "server/app/commands.h"
#include "server/base/options.h"

typedef struct tally {
    int run, failed;
} tally;

static int print_row(void *context, const caption_gradcheck *check)
{
    tally *t = context;
    if (t->run++ == 0)
        printf("%-32s %12s %10s\n", "gradient", "error", "allowed");
    t->failed += !check->passed;
    printf("%-32s %12.2e %10.0e  %s\n", check->name, check->max_relative_error, check->threshold,
           check->passed ? "ok" : "FAILED");
    return 0;
}

static int print_table(uint64_t seed, const char *layer, int *failed, caption_error *err)
{
    tally t = {0};
    int status = caption_gradcheck_run(seed, layer, print_row, &t, err);
    if (status == CAPTION_OK)
        printf("%d gradients, %d failed\n", t.run, t.failed);
    *failed = t.failed;
    return status;
}

static int print_json(uint64_t seed, const char *layer, int *failed, caption_error *err)
{
    char *text;
    int status = selftest_json(seed, layer, NULL, NULL, &text, failed, err);
    if (status == CAPTION_OK)
        puts(text);
    free(text);
    return status;
}

int command_selftest(int argc, char **argv)
{
    const char *layer = NULL;
    uint64_t seed = 0;
    int json = 0, failed;
    const option table[] = {
        {"layer", OPTION_TEXT, &layer, 0, 0, "NAME", "check only this layer"},
        {"seed", OPTION_SEED, &seed, 0, 0, "N", "random seed of the inputs"},
        {"json", OPTION_FLAG, &json, 0, 0, "", "print JSON instead of a table"},
        {0},
    };
    const options_usage usage = {"selftest", "", "Checks every gradient against central differences.", table, 0, 0};
    caption_error err;
    int status;
    if (!options_parse(&usage, &argc, &argv, &status))
        return status;
    status = (json ? print_json : print_table)(seed, layer, &failed, &err);
    if (status == CAPTION_EINVAL)
        return options_refuse("selftest", "%s", err.message);
    if (status)
        fprintf(stderr, "captiond selftest: %s\n", err.message);
    return status || failed > 0;
}
