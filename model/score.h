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

#pragma GCC visibility push(default) /* all else in the library is hidden */

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

/* The same, and each image's own CIDEr: each [images], whose mean is out->cider. May be NULL. */
int caption_score_each(caption_scores *out, double *each, const caption_dataset *dataset, const char *const *candidates,
                       caption_error *err);

/* How sure the mean of each [n] is: 95 of 100 means over n of them drawn again, with repetition, lie between *low and
 * *high (percentile bootstrap, Efron 1979). The same scores give the same interval. */
void caption_score_interval(const double *each, size_t n, double *low, double *high);

/* What makes a caption read badly, as bits. Words are told by the English lists of model/decoder/fluency.c. */
enum caption_fault {
    CAPTION_FAULT_WORD = 1,       /* a word twice in a row; or again, though no article, preposition or the like */
    CAPTION_FAULT_PHRASE = 2,     /* two words that stood there in that order before */
    CAPTION_FAULT_UNFINISHED = 4, /* no words, or the last one ends no sentence ("a", "with", "is") */
    CAPTION_FAULT_UNKNOWN = 8,    /* the unknown-word token */
};
unsigned caption_faults(const char *text);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop
#endif
