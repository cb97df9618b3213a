/* standardise.h: networks learn from standardised inputs, (x - mean) * scale, but are used on x itself: so the means
 * and scales are folded into the first layer of what is saved, and out of it when learning goes on from a saved one.
 *
 * Each of the D features has its own mean and scale = 1 / standard deviation, and so has each of the M map channels,
 * over all positions. */
#ifndef CAPTION_STANDARDISE_H
#define CAPTION_STANDARDISE_H

#include "model/caption.h"
#include "model/decoder/decoder.h"
#include "model/features/feature_cache.h"
#include "model/train.h"

typedef struct standardiser {
    float mean[CAPTION_FEATURES], scale[CAPTION_FEATURES];
    float map_mean[CAPTION_MAP_CHANNELS], map_scale[CAPTION_MAP_CHANNELS];
} standardiser;

/* Over the records [n] of the cache that stand `stride` apart. Asks options->stop at each: CAPTION_ECANCELLED. */
int standardise_measure(standardiser *s, const feature_cache *cache, const long *records, size_t n, size_t stride,
                        const caption_train_options *options, caption_error *err);

/* Writes the standardised features [D] of a record, and unless map is NULL its map [7, 7, M]. */
void standardise_record(const standardiser *s, const float *record, float *features, float *map);

/* The same of one affine layer: w [inputs, outputs], then b [outputs]. */
void standardise_fold_layer(int inputs, int outputs, const float *mean, const float *scale, float *weights);
void standardise_unfold_layer(int inputs, int outputs, const float *mean, const float *scale, float *weights);

/* Parameters (decoder_layout) for standardised inputs become those for plain ones, and back. */
void standardise_fold(const standardiser *s, const decoder_shape *shape, float *parameters);
void standardise_unfold(const standardiser *s, const decoder_shape *shape, float *parameters);

#endif
