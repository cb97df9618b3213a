/* command_features.c: `captiond features FILE` prints {"features":[1280 numbers]}, the encoder's view of a photo: the
 * mean of the last feature map. Nine significant digits give back every float exactly. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "model/caption.h"
#include "server/app/commands.h"
#include "server/base/file.h"
#include "server/base/options.h"
#include "server/decode/cage.h"
#include "server/engine/weights.h"

static void print_features(const float *features)
{
    printf("{\"features\":[");
    for (int i = 0; i < CAPTION_FEATURES; i++)
        printf("%s%.9g", i ? "," : "", features[i]);
    printf("]}\n");
}

static int encode_file(caption_session *session, const char *path, const cage_limits *decoding, int max_pixels,
                       caption_error *err)
{
    unsigned char *bytes;
    caption_image image;
    caption_error reason;
    cage *c = NULL;
    cage_work work = {.limits = {.max_pixels = (size_t)max_pixels}, .image = &image};
    int status = file_read(path, (size_t)decoding->file_mb << 20, &bytes, &work.size, &reason);
    if (status)
        return caption_fail(err, status, "%.256s: %.200s", path, reason.message);
    work.file = bytes;
    status = cage_open(&c, decoding, &reason);
    if (!status)
        status = cage_decode(c, &work, &reason);
    cage_close(c);
    free(bytes);
    if (status)
        return caption_fail(err, status, "%.256s: %.200s", path, reason.message);
    return caption_encode(session, 1, &image, err);
}

int command_features(int argc, char **argv)
{
    weights_place place = {0};
    cage_limits decoding = cage_defaults();
    int max_pixels = 64000000;
    const option table[] = {
        WEIGHTS_OPTIONS(&place),
        {"max-pixels", OPTION_INTEGER, &max_pixels, 1, INT_MAX, "N", "images with more pixels are refused"},
        CAGE_OPTIONS(&decoding),
        {0},
    };
    const options_usage usage = {"features", "FILE", "Prints the feature vector of an image as JSON.", table, 1, 1};
    int status;
    if (!options_parse(&usage, &argc, &argv, &status))
        return status;

    caption_encoder *encoder = NULL;
    caption_session *session = NULL;
    caption_error err;
    status = weights_open_encoder(&place, &encoder, &err);
    if (!status)
        status = caption_session_new(&session, encoder, 1, &err);
    if (!status)
        status = encode_file(session, argv[0], &decoding, max_pixels, &err);
    if (!status)
        print_features(caption_session_features(session, 0));
    else
        fprintf(stderr, "captiond features: %s\n", err.message);
    caption_session_free(session);
    caption_encoder_release(encoder);
    return status != CAPTION_OK;
}
