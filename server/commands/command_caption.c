/* command_caption.c: `captiond caption FILE...` prints FILE<TAB>caption, one line a photo.
 *
 * A photo that cannot be read or decoded is said on stderr and the others go on; the exit status is then 1. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/caption.h"
#include "server/captions/weights.h"
#include "server/commands/commands.h"
#include "server/commands/file.h"
#include "server/commands/options.h"

typedef struct captioner {
    caption_encoder *encoder;
    caption_model *model;
    caption_session *session;
    caption_options options;
    caption_image_limits limits;
    size_t max_bytes;
} captioner;

static int open_captioner(captioner *c, const weights_place *place, const char *model, caption_error *err)
{
    int status = weights_open_encoder(place, &c->encoder, err);
    if (!status)
        status = weights_open_model(place, model, &c->model, err);
    if (!status)
        status = caption_session_new(&c->session, c->encoder, 1, err);
    return status;
}

static void close_captioner(captioner *c)
{
    caption_session_free(c->session);
    caption_model_release(c->model);
    caption_encoder_release(c->encoder);
}

static int caption_file(const captioner *c, const char *path, caption_result *result, caption_error *err)
{
    unsigned char *bytes;
    size_t size;
    caption_image image;
    int status = file_read(path, c->max_bytes, &bytes, &size, err);
    if (status)
        return status;
    status = caption_image_decode(&image, bytes, size, &c->limits, err);
    free(bytes);
    if (!status)
        status = caption_encode(c->session, 1, &image, err);
    if (!status)
        status = caption_generate(c->session, c->model, &c->options, result, err);
    return status;
}

/* Every file gets its line; returns how many failed. */
static int caption_files(const captioner *c, char **paths, int n)
{
    int failed = 0;
    for (int i = 0; i < n; i++) {
        caption_result result;
        caption_error err;
        if (caption_file(c, paths[i], &result, &err) == CAPTION_OK) {
            printf("%s\t%s\n", paths[i], result.text);
        } else {
            fprintf(stderr, "captiond caption: %s: %s\n", paths[i], err.message);
            failed++;
        }
    }
    if (fflush(stdout) || ferror(stdout)) {
        perror("captiond caption: standard output");
        failed++;
    }
    return failed;
}

int command_caption(int argc, char **argv)
{
    weights_place place = {0};
    const char *model = "lstm";
    int max_words = 20, max_file_mb = 256, max_pixels = 64000000;
    const option table[] = {
        WEIGHTS_OPTIONS(&place),
        {"model", OPTION_TEXT, &model, 0, 0, "NAME", "captioner: a name in the weights directory, or a file"},
        {"max-words", OPTION_INTEGER, &max_words, 1, CAPTION_MAX_WORDS, "N", "longest caption"},
        {"max-file-mb", OPTION_INTEGER, &max_file_mb, 1, 4096, "N", "larger files are refused"},
        {"max-pixels", OPTION_INTEGER, &max_pixels, 1, INT_MAX, "N", "photos with more pixels are refused"},
        {0},
    };
    const options_usage usage = {
        "caption", "FILE...", "Prints FILE<TAB>caption for each photo (JPEG, PNG, BMP, GIF; - is standard input).",
        table,     1,         INT_MAX};
    int status;
    if (!options_parse(&usage, &argc, &argv, &status))
        return status;

    captioner c = {.options = {.max_words = max_words}, .limits = {(size_t)max_pixels}, .max_bytes = (size_t)max_file_mb << 20};
    caption_error err;
    if (open_captioner(&c, &place, model, &err) != CAPTION_OK) {
        fprintf(stderr, "captiond caption: %s\n", err.message);
        status = 1;
    } else {
        status = caption_files(&c, argv, argc) > 0;
    }
    close_captioner(&c);
    return status;
}
