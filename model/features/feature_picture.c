/* feature_picture.c: look a picture up by its file's hash, and only if it is new decode, encode and append it. */
#include "model/features/feature_picture.h"

#include <stdlib.h>
#include <string.h>

#include "model/encoder/encoder.h"
#include "model/image/resample.h"

enum { SIDE = CAPTION_IMAGE_SIDE, PIXELS = SIDE * SIDE * 3, CROP = SIDE * 6 / 7 };

struct feature_picture {
    const caption_encoder *encoder;
    caption_decoder decoder;
    feature_cache *cache;
    encoder_scratch *scratch;
    caption_image image;
    unsigned char crop[CROP * CROP * 3], view[PIXELS], mirrored[PIXELS];
    float record[FEATURE_FLOATS];
};

int feature_picture_new(feature_picture **out, const caption_encoder *encoder, const caption_decoder *decoder,
                        feature_cache *cache, caption_error *err)
{
    feature_picture *p = calloc(1, sizeof *p);
    *out = p;
    if (!p)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for features");
    p->encoder = encoder;
    p->decoder = *decoder;
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

/* Crop c of the picture in p->view. 0 when out of memory. */
static int cut(feature_picture *p, int c)
{
    static const struct {
        int top, left;
    } at[1 + FEATURE_CROPS] = {
        {0, 0},
        {0, 0},
        {0, SIDE - CROP},
        {SIDE - CROP, 0},
        {SIDE - CROP, SIDE - CROP},
        {(SIDE - CROP) / 2, (SIDE - CROP) / 2},
    };
    if (c == 0) {
        memcpy(p->view, p->image.rgb, PIXELS);
        return 1;
    }
    for (int y = 0; y < CROP; y++)
        memcpy(p->crop + y * CROP * 3, p->image.rgb + ((at[c].top + y) * SIDE + at[c].left) * 3, CROP * 3);
    return image_resize(p->view, SIDE, SIDE, p->crop, CROP, CROP, 3);
}

static int compute(feature_picture *p, const feature_key *key, caption_error *err)
{
    if (!cut(p, (int)key->view / 2))
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for features");
    if (key->view % 2)
        mirror(p->mirrored, p->view);
    encoder_forward(p->encoder, p->scratch, 1, key->view % 2 ? p->mirrored : p->view,
                    &(encoder_outputs){.features = p->record, .local = p->record + CAPTION_FEATURES});
    return feature_cache_append(p->cache, key, p->record, err);
}

static int decode(feature_picture *p, const void *bytes, size_t size, caption_error *err)
{
    return p->decoder.decode ? p->decoder.decode(p->decoder.context, &p->image, bytes, size, err)
                             : caption_image_decode(&p->image, bytes, size, NULL, err);
}

int feature_picture_add(feature_picture *p, const void *bytes, size_t size, feature_choice choice,
                        feature_key keys[FEATURE_VIEWS], caption_error *err)
{
    const feature_key whole = feature_cache_key(bytes, size, 0);
    int decoded = 0, status = CAPTION_OK;
    for (int i = 0; i < feature_views(choice) && status == CAPTION_OK; i++) {
        keys[i] = whole;
        keys[i].view = (uint32_t)(choice.mirror ? i : 2 * i);
        if (feature_cache_find(p->cache, &keys[i]) != FEATURE_CACHE_ABSENT)
            continue;
        if (!decoded)
            status = decode(p, bytes, size, err);
        decoded = 1;
        if (status == CAPTION_OK)
            status = compute(p, &keys[i], err);
    }
    return status;
}
