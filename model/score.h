/* score.h: how good are captions? BLEU-1..4, ROUGE-L and CIDEr over a set of images.
 *
 *     BLEU-n    geometric mean of clipped n-gram precisions over the corpus, brevity penalty against the reference
 *               closest in length (Papineni et al. 2002)
 *     ROUGE-L   longest common subsequence F-measure, beta 1.2, best precision and recall over references, mean over
 *               images (Lin 2004)
 *     CIDEr     mean over n = 1..4 of the TF-IDF weighted, clipped cosine to each reference with the Gaussian length
 *               penalty sigma 6, mean over references, times 10, mean over images (CIDEr-D, Vedantam et al. 2015);
 *               document frequencies over the scored references
 *
 * CIDEr is on the scale of coco-caption and of the papers, where a caption of four words or more that equals all its
 * references scores 10 and Flickr8k systems about 0.5. Over one image alone it is 0, as no n-gram tells it from others.
 * Thread-safe: no state. */
#ifndef CAPTION_SCORE_H
#define CAPTION_SCORE_H

#include <stddef.h>

#include "model/dataset.h"
#include "model/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct caption_scores {
    double bleu[4]; /* BLEU-1..BLEU-4 */
    double rouge_l;
    double cider;
    size_t images;
} caption_scores;

/* Scores candidates[i] (any text; tokenised here as the references are) against the references of image i. */
int caption_score(caption_scores *out, const caption_dataset *dataset, const char *const *candidates,
                  caption_error *err);

#ifdef __cplusplus
}
#endif
#endif
