/* train_data.h: what a training run learns from: the words and features of two datasets. */
#ifndef CAPTION_TRAIN_DATA_H
#define CAPTION_TRAIN_DATA_H

#include "model/decoder/decoder.h"
#include "model/decoder/model.h"
#include "model/features/feature_cache.h"
#include "model/random.h"
#include "model/train.h"
#include "model/training/batches.h"
#include "model/training/concept_data.h"
#include "model/training/standardise.h"
#include "model/training/texts.h"

typedef struct train_data {
    const caption_train_options *options;
    vocabulary *words;
    feature_cache *cache;
    size_t views;              /* of each training image */
    long *train_records;       /* [images, views] in the cache */
    long *dev_records;         /* [dev images], NULL without dev */
    standardiser standardiser; /* of the training images as they are */
    float *record;             /* [FEATURE_FLOATS] the one being standardised */
    int fault;                 /* a record could not be read (caption_status): */
    caption_error reason;      /* why */
    float *features;           /* [images of the batch, D], standardised */
    float *map;                /* [images of the batch, P, M], standardised; NULL for kinds that do not look */
    caption_texts texts;       /* captions without images */
    concept_data concepts;
    float *concept_p; /* [images of the batch, C], NULL without concepts */
    int *tags;        /* [images of the batch, K], NULL if none are attended to */
    int n_tags;       /* K */
    char digest[65];  /* SHA-256 over names, captions and the encoder: identifies the data */
} train_data;

/* Builds the vocabulary, which extends that of `base` unless that is NULL, and computes or finds all features. Calls
 * options->progress (CAPTION_TRAIN_FEATURES). */
int train_data_open(train_data *data, const caption_train_options *options, const caption_model *base,
                    caption_encoder *encoder, caption_error *err);
void train_data_close(train_data *data); /* also of a zeroed one */

/* The image inputs of a batch: standardised features with dropout, map and concepts, valid until the next call. A
 * caption without an image gets the mean features and its concepts. The random choices of row k depend on seed + first
 * + k only. A record that cannot be read sets data->fault, and the batch must not be used. */
decoder_images_f train_data_images(train_data *data, const batch_view *view, uint64_t seed);

#endif
