/* feature_picture.h: the features of one picture after the other, through the cache.
 *
 * A picture is seen in views: as a whole and as some crops, each as it is and mirrored left to right. View 2 c + m is
 * crop c (0: the whole), mirrored if m is 1. */
#ifndef CAPTION_FEATURE_PICTURE_H
#define CAPTION_FEATURE_PICTURE_H

#include "model/caption.h"
#include "model/features/feature_cache.h"

enum {
    FEATURE_CROPS = 5, /* the four corners and the centre, 6/7 of either side */
    FEATURE_VIEWS = 2 * (1 + FEATURE_CROPS),
    FEATURE_FLOATS = CAPTION_FEATURES + CAPTION_MAP, /* of a view: features, then the local map */
};

/* One thread's scratch memory. */
typedef struct feature_picture feature_picture;

int feature_picture_new(feature_picture **out, const caption_encoder *encoder, const caption_decoder *decoder,
                        feature_cache *cache, caption_error *err);
void feature_picture_free(feature_picture *picture); /* NULL is allowed */

/* Views of the whole and the first `crops` crops, with their mirror images or without. */
typedef struct feature_choice {
    int crops, mirror;
} feature_choice;

static inline int feature_views(feature_choice choice)
{
    return (1 + choice.crops) * (1 + choice.mirror);
}

/* Fills keys[feature_views] of the image file and adds to the cache those views that it lacks. */
int feature_picture_add(feature_picture *picture, const void *bytes, size_t size, feature_choice choice,
                        feature_key keys[FEATURE_VIEWS], caption_error *err);

#endif
