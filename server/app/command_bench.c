/* command_bench.c: `captiond bench WHAT` runs one measurement; tests/bench/ sets them beside other implementations. */
#include <stdio.h>
#include <string.h>

#include "server/app/bench.h"
#include "server/app/commands.h"
#include "server/base/options.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} benches[] = {
    {"caption", bench_caption, "captions written a second, greedily and by a beam: the decoder alone"},
    {"encoder", bench_encoder, "images encoded a second, beside this machine's matrix product"},
    {"gradient", bench_gradient, "the encoder forward and back to the pixels"},
    {"train", bench_train, "captions learnt a second, beside this machine's matrix product"},
};

int command_bench(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    for (size_t i = 0; i < sizeof benches / sizeof *benches; i++)
        if (strcmp(name, benches[i].name) == 0)
            return benches[i].run(argc - 1, argv + 1);
    const int help = strcmp(name, "--help") == 0;
    FILE *out = help ? stdout : stderr;
    if (*name && !help)
        fprintf(stderr, "captiond bench: unknown measurement %s\n", name);
    fputs("usage: captiond bench WHAT [options]\n\n", out);
    for (size_t i = 0; i < sizeof benches / sizeof *benches; i++)
        fprintf(out, "  %-10s %s\n", benches[i].name, benches[i].summary);
    fputs("\ncaptiond bench WHAT --help tells a measurement's options.\n", out);
    return help ? 0 : OPTIONS_WRONG;
}
