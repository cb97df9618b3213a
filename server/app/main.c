/* main.c: `captiond COMMAND ...` finds the command and runs it. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/caption.h"
#include "server/app/commands.h"
#include "server/base/options.h"
#include "server/decode/helper.h"

typedef struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} command;

static const command commands[] = {
    {"serve", command_serve, "serve captions over HTTP"},
    {"caption", command_caption, "print a caption for each image"},
    {"features", command_features, "print the feature vector of an image"},
    {"train", command_train, "train a captioner on images and captions"},
    {"eval", command_eval, "score a captioner on images with known captions"},
    {"saliency", command_saliency, "saliency map of a class or a word"},
    {"fool", command_fool, "fooling image"},
    {"visualize", command_visualize, "class or word visualisation"},
    {"invert", command_invert, "feature inversion"},
    {"dream", command_dream, "DeepDream"},
    {"selftest", command_selftest, "numeric gradient check"},
    {"bench", command_bench, "measure speed"},
    {"repair", command_repair, "rebuild a lost or damaged dataset index"},
    {"health", command_health, "check a running daemon"},
};

static void print_usage(FILE *out)
{
    fputs("captiond " CAPTIOND_VERSION ": a photo becomes a sentence\n\nusage: captiond COMMAND [options] ...\n\n",
          out);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("\ncaptiond COMMAND --help (-h) lists the options of a command, captiond --version (-V) the version.\n", out);
}

/* OpenBLAS decides before main begins, by its environment alone, so what it shall decide is said there and the program
 * starts over, once. It would make a thread for each core and take memory for it, for ever if there is none: captiond
 * has threads of its own and wants none of those. And an old one does not know new CPUs: what it is to take this one
 * for is said for it, unless the caller did. Where that fails the program goes on: slower, and right. */
static void begin_with_blas(char **argv)
{
    const char *threads = getenv("OPENBLAS_NUM_THREADS");
    const char *core = getenv("OPENBLAS_CORETYPE") ? NULL : caption_blas_advice();
    char self[PATH_MAX]; /* not /proc/self/exe, or the process would be called exe */
    if ((!core && threads && strcmp(threads, "1") == 0) || setenv("OPENBLAS_NUM_THREADS", "1", 1) != 0 ||
        (core && setenv("OPENBLAS_CORETYPE", core, 1) != 0))
        return;
    ssize_t length = readlink("/proc/self/exe", self, sizeof self - 1);
    if (length > 0) {
        self[length] = '\0';
        execv(self, argv);
    }
}

/* One thread multiplies in every command; those that have more ask for more. */
static int run(const command *c, int argc, char **argv)
{
    caption_error err;
    begin_with_blas(argv);
    caption_init();
    if (caption_reserve(1, &err) == CAPTION_OK)
        return c->run(argc - 1, argv + 1);
    fprintf(stderr, "captiond %s: %s\n", c->name, err.message);
    return 1;
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, HELPER_COMMAND) == 0) /* started by the cage alone: it needs none of what follows */
        return helper_main();
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_usage(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0 || strcmp(name, "version") == 0) {
        puts("captiond " CAPTIOND_VERSION);
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(name, commands[i].name) == 0)
            return run(&commands[i], argc, argv);
    if (*name)
        fprintf(stderr, "captiond: unknown command %s\n", name);
    print_usage(stderr);
    return OPTIONS_WRONG;
}
