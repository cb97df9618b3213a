/* evaluate.h: captions for a whole dataset from features that are already computed, and their scores. */
#ifndef CAPTION_EVALUATE_H
#define CAPTION_EVALUATE_H

#include "model/caption.h"
#include "model/dataset.h"
#include "model/feature_cache.h"
#include "model/score.h"

/* Writes a caption for each image of `dataset`, whose features are the records [images] of the cache, and scores them.
 * sample [CAPTION_TEXT_BYTES] becomes the caption of the first image. The session takes batches of EVALUATE_BATCH. */
enum { EVALUATE_BATCH = 64 };

int evaluate(caption_session *session, const caption_model *model, int max_words, const caption_dataset *dataset,
             const feature_cache *cache, const long *records, caption_scores *scores, char *sample, caption_error *err);

#endif
