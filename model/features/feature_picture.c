/* feature_picture.c: look a picture up by its file's hash, and only if it is new decode, encode and append it. */
#include "model/features/feature_picture.h"

#include <stdlib.h>
#include <string.h>

#include "model/encoder/encoder.h"

enum { SIDE = CAPTION_IMAGE_SIDE, PIXELS = SIDE * SIDE * 3 };

struct feature_picture {
    const caption_encoder *encoder;
    feature_cache *cache;
    encoder_scratch *scratch;
    caption_image image;
    unsigned char pixels[FEATURE_VIEWS * PIXELS];
    float features[FEATURE_VIEWS * CAPTION_FEATURES], maps[FEATURE_VIEWS * CAPTION_MAP];
    float record[FEATURE_FLOATS];
};

int feature_picture_new(feature_picture **out, const caption_encoder *encoder, feature_cache *cache, caption_error *err)
{
    feature_picture *p = calloc(1, sizeof *p);
    *out = p;
    if (!p)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for features");
    p->encoder = encoder;
    p->cache = cache;
    int status = encoder_scratch_new(&p->scratch, encoder, SIDE, SIDE, err);
    if (status != CAPTION_OK) {
        free(p);
        *out = NULL;
    }
    return status;
}

void feature_picture_free(feature_picture *p)
{
    if (!p)
        return;
    encoder_scratch_free(p->scratch);
    free(p);
}

static void mirror(unsigned char *out, const unsigned char *rgb)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            memcpy(out + (y * SIDE + x) * 3, rgb + (y * SIDE + SIDE - 1 - x) * 3, 3);
}

static const float *make_record(feature_picture *p, int view)
{
    memcpy(p->record, p->features + view * CAPTION_FEATURES, CAPTION_FEATURES * sizeof *p->record);
    memcpy(p->record + CAPTION_FEATURES, p->maps + view * CAPTION_MAP, CAPTION_MAP * sizeof *p->record);
    return p->record;
}

/* Encodes the views of p->image that are missing and appends them. */
static int compute(feature_picture *p, const feature_key *keys, const int *missing, caption_error *err)
{
    int first = missing[0] ? 0 : 1, n = missing[0] + missing[1];
    memcpy(p->pixels, p->image.rgb, PIXELS);
    mirror(p->pixels + PIXELS, p->image.rgb);
    encoder_forward(p->encoder, p->scratch, n, p->pixels + first * PIXELS,
                    &(encoder_outputs){.features = p->features, .local = p->maps});
    for (int i = 0; i < n; i++) {
        int status = feature_cache_append(p->cache, &keys[first + i], make_record(p, i), err);
        if (status != CAPTION_OK)
            return status;
    }
    return CAPTION_OK;
}

int feature_picture_add(feature_picture *p, const void *bytes, size_t size, int views, feature_key keys[FEATURE_VIEWS],
                        caption_error *err)
{
    int missing[FEATURE_VIEWS] = {0, 0};
    for (int view = 0; view < views; view++) {
        keys[view] = view ? keys[0] : feature_cache_key(bytes, size, 0);
        keys[view].mirrored = (uint32_t)view;
        missing[view] = feature_cache_find(p->cache, &keys[view]) == FEATURE_CACHE_ABSENT;
    }
    if (!missing[0] && !missing[1])
        return CAPTION_OK;
    int status = caption_image_decode(&p->image, bytes, size, NULL, err);
    return status == CAPTION_OK ? compute(p, keys, missing, err) : status;
}
