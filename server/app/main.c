/* main.c: `captiond COMMAND ...` finds the command and runs it. */
#include <stdio.h>
#include <string.h>

#include "model/caption.h"
#include "server/app/commands.h"
#include "server/base/options.h"

typedef struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
} command;

static const command commands[] = {
    {"serve", command_serve, "serve captions over HTTP"},
    {"caption", command_caption, "print a caption for each photo"},
    {"features", command_features, "print the feature vector of a photo"},
    {"train", command_train, "learn a captioner from images and captions"},
    {"eval", command_eval, "score a captioner on images with known captions"},
    {"saliency", command_saliency, "show which pixels decide a class or a word"},
    {"fool", command_fool, "change a photo unnoticeably into another class"},
    {"visualize", command_visualize, "draw what a class or a word is to the network"},
    {"invert", command_invert, "draw what a layer still knows of a photo"},
    {"dream", command_dream, "paint more of what a layer sees into a photo"},
    {"selftest", command_selftest, "check every gradient numerically"},
    {"bench", command_bench, "measure speed"},
    {"repair", command_repair, "make a lost or damaged index of datasets anew"},
    {"health", command_health, "ask a running daemon how it is"},
};

static void print_usage(FILE *out)
{
    fputs("captiond " CAPTIOND_VERSION ": a photo becomes a sentence\n\nusage: captiond COMMAND [options] ...\n\n",
          out);
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("\ncaptiond COMMAND --help (-h) tells a command's options, captiond --version (-V) which this is.\n", out);
}

int main(int argc, char **argv)
{
    const char *name = argc > 1 ? argv[1] : "";
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0 || strcmp(name, "help") == 0) {
        print_usage(stdout);
        return 0;
    }
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0 || strcmp(name, "version") == 0) {
        puts("captiond " CAPTIOND_VERSION);
        return 0;
    }
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (strcmp(name, commands[i].name) == 0) {
            caption_init();
            return commands[i].run(argc - 1, argv + 1);
        }
    if (*name)
        fprintf(stderr, "captiond: unknown command %s\n", name);
    print_usage(stderr);
    return OPTIONS_WRONG;
}
