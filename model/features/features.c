/* features.c: the feature cache, filled ahead of training (train.h). */
#include <stdlib.h>
#include <string.h>

#include <nettle/base16.h>

#include "model/features/feature_picture.h"
#include "model/train.h"

struct caption_features {
    caption_encoder *encoder;
    feature_cache *cache;
    feature_picture *picture;
};

int caption_features_open(caption_features **out, const char *cache, caption_encoder *encoder,
                          const caption_decoder *decoder, caption_error *err)
{
    caption_features *f = calloc(1, sizeof *f);
    *out = NULL;
    if (!f)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for features");
    f->encoder = caption_encoder_retain(encoder);
    int status = feature_cache_open(&f->cache, cache, caption_encoder_sha256(encoder), FEATURE_FLOATS, err);
    if (status == CAPTION_OK)
        status = feature_picture_new(&f->picture, encoder, decoder, f->cache, err);
    if (status == CAPTION_OK)
        *out = f;
    else
        caption_features_close(f);
    return status;
}

void caption_features_close(caption_features *f)
{
    if (!f)
        return;
    feature_picture_free(f->picture);
    feature_cache_close(f->cache);
    caption_encoder_release(f->encoder);
    free(f);
}

int caption_features_known(const caption_features *f, const char *sha256)
{
    feature_key key = {.view = 0};
    struct base16_decode_ctx decoder;
    size_t size = sizeof key.image, length = strlen(sha256);
    base16_decode_init(&decoder);
    if (length != 2 * sizeof key.image || !base16_decode_update(&decoder, &size, key.image, length, sha256))
        return 0;
    if (feature_cache_find(f->cache, &key) == FEATURE_CACHE_ABSENT)
        return 0;
    key.view = 1;
    return feature_cache_find(f->cache, &key) != FEATURE_CACHE_ABSENT;
}

int caption_features_add(caption_features *f, const void *bytes, size_t size, caption_error *err)
{
    feature_key keys[FEATURE_VIEWS];
    return feature_picture_add(f->picture, bytes, size, (feature_choice){.mirror = 1}, keys, err);
}
