/* command_caption.c: `captiond caption FILE...` prints FILE<TAB>caption, one line a caption; with --logprobs also its
 * log-probability and those of its words. --attention writes where it looked for each word.
 *
 * A photo that cannot be read or decoded is said on stderr and the others go on; the exit status is then 1. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/caption.h"
#include "server/app/commands.h"
#include "server/app/decode_options.h"
#include "server/base/file.h"
#include "server/base/options.h"
#include "server/decode/cage.h"
#include "server/engine/attention_picture.h"
#include "server/engine/weights.h"

typedef struct captioner {
    caption_encoder *encoder;
    caption_model *model;
    caption_session *session;
    caption_options options;
    caption_image_limits limits;
    cage_limits decoding;
    cage *cage;
    int logprobs;
    const char *attention; /* a PNG to write; NULL: none */
} captioner;

static int open_captioner(captioner *c, const weights_place *place, const char *model, caption_error *err)
{
    int status = weights_open_encoder(place, &c->encoder, err);
    if (!status)
        status = weights_open_model(place, model, &c->model, err);
    if (!status && c->attention && !caption_model_positions(c->model))
        status = caption_fail(err, CAPTION_EINVAL, "--attention: %s does not look at places of the photo", model);
    if (!status)
        status = caption_session_new(&c->session, c->encoder, 1, err);
    if (!status)
        status = cage_open(&c->cage, &c->decoding, err);
    return status;
}

static void close_captioner(captioner *c)
{
    cage_close(c->cage);
    caption_session_free(c->session);
    caption_model_release(c->model);
    caption_encoder_release(c->encoder);
}

static int write_png(const char *path, const caption_picture *picture, caption_error *err)
{
    unsigned char *png = NULL;
    size_t size;
    int status = caption_picture_png(picture, &png, &size, err);
    FILE *file = status ? NULL : fopen(path, "wb");
    if (!status && (!file || fwrite(png, 1, size, file) != size || fflush(file)))
        status = caption_fail(err, CAPTION_EIO, "%s cannot be written", path);
    if (file)
        fclose(file);
    free(png);
    return status;
}

static int write_attention(const captioner *c, const caption_picture *photo, const caption_result *result,
                           caption_error *err)
{
    caption_picture strip = {0};
    int status = attention_strip(&strip, result, photo, err);
    if (!status)
        status = write_png(c->attention, &strip, err);
    caption_picture_free(&strip);
    return status;
}

/* results [options.n] */
static int caption_file(const captioner *c, const char *path, caption_result *results, caption_error *err)
{
    unsigned char *bytes;
    caption_image image;
    caption_picture photo = {0};
    cage_work work = {.limits = c->limits, .image = &image, .max_side = ATTENTION_SIDE};
    work.picture = c->attention ? &photo : NULL;
    int status = file_read(path, (size_t)c->decoding.file_mb << 20, &bytes, &work.size, err);
    if (status)
        return status;
    work.file = bytes;
    status = cage_decode(c->cage, &work, err);
    free(bytes);
    if (!status)
        status = caption_encode(c->session, 1, &image, err);
    if (!status)
        status = caption_generate(c->session, c->model, &c->options, results, err);
    if (!status && c->attention)
        status = write_attention(c, &photo, results, err);
    caption_picture_free(&photo);
    return status;
}

static void print_caption(const captioner *c, const char *path, const caption_result *r)
{
    printf("%s\t%s", path, r->text);
    if (c->logprobs)
        printf("\t%.4f\t", (double)r->logprob);
    for (int t = 0; c->logprobs && t < r->words + r->finished; t++)
        printf("%s%s %.4f", t ? " " : "", r->tokens[t].word, (double)r->tokens[t].logprob);
    putchar('\n');
}

/* Every file gets its lines; returns how many failed. */
static int caption_files(const captioner *c, char **paths, int n)
{
    int failed = 0;
    for (int i = 0; i < n; i++) {
        caption_result results[CAPTION_MAX_BEAM];
        caption_error err;
        if (caption_file(c, paths[i], results, &err) != CAPTION_OK) {
            fprintf(stderr, "captiond caption: %s: %s\n", paths[i], err.message);
            failed++;
            continue;
        }
        for (int k = 0; k < c->options.n; k++)
            if (!isinf(results[k].logprob))
                print_caption(c, paths[i], &results[k]);
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
    const char *model = WEIGHTS_DEFAULT_MODEL;
    int max_pixels = 64000000, status;
    captioner c = {.decoding = cage_defaults()};
    decode_options decode;
    const option named[] = {
        WEIGHTS_OPTIONS(&place),
        {"model", OPTION_TEXT, &model, 0, 0, "MODEL", "captioner: a name in the weights directory, or a file"},
        {"logprobs", OPTION_FLAG, &c.logprobs, 0, 1, NULL, "add the log-probabilities of the caption and its words"},
        {"attention", OPTION_TEXT, &c.attention, 0, 0, "FILE", "PNG of where one photo was looked at for each word"},
        {"max-pixels", OPTION_INTEGER, &max_pixels, 1, INT_MAX, "N", "photos with more pixels are refused"},
        CAGE_OPTIONS(&c.decoding),
    };
    option table[sizeof named / sizeof *named + DECODE_OPTIONS];
    memcpy(table, named, sizeof named);
    decode_options_list(&decode, table + sizeof named / sizeof *named);
    const options_usage usage = {
        "caption", "FILE...", "Prints FILE<TAB>caption for each photo (JPEG, PNG, BMP, GIF; - is standard input).",
        table,     1,         INT_MAX};
    if (!options_parse(&usage, &argc, &argv, &status) || decode_options_apply("caption", &decode, &status))
        return status;
    if (c.attention && argc > 1)
        return options_refuse("caption", "--attention is for one photo, not %d", argc);

    c.options = decode.values;
    c.limits.max_pixels = (size_t)max_pixels;
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
