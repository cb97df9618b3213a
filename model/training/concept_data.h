/* concept_data.h: the concepts of a training run: the head that predicts them, and its predictions for the training
 * images.
 *
 * Concepts are the most frequent words of the captions, without function words ("the", "with"). An image has a concept
 * if one of its captions contains the word. The head (decoder/concepts.h) is one logistic regression per concept on
 * standardised features, trained with Adam and feature dropout. It overfits its own training images, and a captioner
 * trained on such predictions would rely on them more than new images justify. So the training images are divided into
 * folds, and the predictions for each fold come from a head trained on the other folds (cross-fitting, as in stacking,
 * Wolpert 1992). A run with a base keeps the base's head.
 *
 * A caption without an image gets synthetic predictions: for each concept that it contains, those of a random image
 * with that concept, for the others those of a random image without them. */
#ifndef CAPTION_CONCEPT_DATA_H
#define CAPTION_CONCEPT_DATA_H

#include <stddef.h>

#include "model/decoder/concepts.h"
#include "model/decoder/vocabulary.h"
#include "model/features/feature_cache.h"
#include "model/random.h"
#include "model/train.h"
#include "model/training/standardise.h"

/* What it is made from. */
typedef struct concept_source {
    const caption_train_options *options;
    const vocabulary *words;
    const concept_head *base; /* NULL: choose and fit */
    const feature_cache *cache;
    const long *records; /* [images, views] */
    size_t views;
    const standardiser *standardiser;
} concept_source;

typedef struct concept_data {
    concept_head head;      /* for plain features; n is 0 if there are no concepts */
    size_t images, views;   /* of the training set */
    float *p;               /* [images, views, C] */
    unsigned char *applies; /* [images, C] */
    int *of_word;           /* [V] the concept that a word is, or -1 */
    size_t *having, *first; /* images that have concept c: having[first[c]] up to having[first[c + 1]] */
} concept_data;

/* Asks options->stop now and then: CAPTION_ECANCELLED. */
int concept_data_open(concept_data *out, const concept_source *source, caption_error *err);
void concept_data_close(concept_data *data); /* also of a zeroed one */

/* p [C] of a caption of `n` words without an image. */
void concept_data_imagine(const concept_data *data, const int *ids, int n, random_stream *r, float *p);

#endif
