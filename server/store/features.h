/* features.h: computes the features of stored images in the background, so that training starts at once.
 *
 * One background thread (background.h) with an encoder session of its own walks over all images in order of
 * arrival and computes what is not in the cache. It sleeps when it has seen the last one, and is woken by uploads. */
#ifndef SERVER_FEATURES_H
#define SERVER_FEATURES_H

#include "model/caption.h"
#include "server/base/background.h"
#include "server/decode/cage.h"
#include "server/store/store.h"

typedef struct features features;

/* The cage decodes the images, at that level, too. */
int features_start(features **out, store *s, caption_encoder *encoder, cage *c, background_level level,
                   caption_error *err);

/* An image was stored. NULL is allowed. */
void features_wake(features *f);

/* Ends it after the image at hand. NULL is allowed. */
void features_stop(features *f);

#endif
