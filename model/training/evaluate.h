/* evaluate.h: captions for a whole dataset from features that are already computed, and their scores. */
#ifndef CAPTION_EVALUATE_H
#define CAPTION_EVALUATE_H

#include "model/caption.h"
#include "model/dataset.h"
#include "model/decoder/confidence.h"
#include "model/features/feature_cache.h"
#include "model/score.h"
#include "model/train.h"

enum { EVALUATE_BATCH = 64 };

typedef struct evaluation {
    caption_scores scores;
    double low, high; /* 95 % interval of the CIDEr (caption_score_interval) */
    size_t images;
    char **captions;       /* [images] */
    confidence confidence; /* fitted to them */
} evaluation;

/* Writes a caption for each image of options->dev, whose features are the records [images] of the cache, and scores
 * them. The session takes batches of EVALUATE_BATCH. Asks options->stop between batches. The caller frees *out, also
 * after a failure. */
int evaluate(evaluation *out, caption_session *session, const caption_model *model,
             const caption_train_options *options, const feature_cache *cache, const long *records, caption_error *err);
void evaluation_free(evaluation *e);

#endif
