/* concept_data.h: the concepts of a training run: the head that predicts them, and what it says of the training images.
 *
 * Concepts are the words that most images' captions contain, those left out that join sentences ("the", "with"). An
 * image has a concept if one of its captions does. The head (decoder/concepts.h) is a logistic regression a concept on
 * standardised features, fitted with Adam and feature dropout. It knows the images that it was fitted on too well: a
 * captioner that learnt from that would trust it more than it may later. So the training images are cut into folds, and
 * what is said of each comes from a head that was fitted on the other folds (cross-fitting, as in stacking, Wolpert
 * 1992). A run that goes on from a captioner keeps its head.
 *
 * A caption without an image is told of the concepts that it contains, each as probable as of a random image that has
 * it, and for the rest of what the head says of a random image that lacks them. */
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
