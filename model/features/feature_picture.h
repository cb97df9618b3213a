/* feature_picture.h: the features of one picture after the other, through the cache. */
#ifndef CAPTION_FEATURE_PICTURE_H
#define CAPTION_FEATURE_PICTURE_H

#include "model/caption.h"
#include "model/features/feature_cache.h"

enum {
    FEATURE_VIEWS = 2,                               /* of a picture: as it is, mirrored */
    FEATURE_FLOATS = CAPTION_FEATURES + CAPTION_MAP, /* of a view: features, then the local map */
};

/* One thread's scratch memory. */
typedef struct feature_picture feature_picture;

int feature_picture_new(feature_picture **out, const caption_encoder *encoder, feature_cache *cache,
                        caption_error *err);
void feature_picture_free(feature_picture *picture); /* NULL is allowed */

/* Fills keys[views] of the image file and adds to the cache those views that it lacks. */
int feature_picture_add(feature_picture *picture, const void *bytes, size_t size, int views,
                        feature_key keys[FEATURE_VIEWS], caption_error *err);

#endif
