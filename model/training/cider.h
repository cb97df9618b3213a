/* cider.h: CIDEr-D of one caption against the references of one image (Vedantam et al. 2015).
 *
 *     g_n(s)    the n-grams of sentence s, each weighing count * log(images / images that have it in a reference)
 *     CIDEr     10 * mean over n = 1..4 and references r of
 *               e^(-(|c| - |r|)^2 / (2 * 6^2)) * sum min(g_n(c), g_n(r)) g_n(r) / (norm g_n(c) * norm g_n(r))
 *
 * All that depends on the references is computed once. Immutable after that: threads may share it, each with a scratch
 * bag of its own. The captions are those of the caller and must outlive it. */
#ifndef CAPTION_CIDER_H
#define CAPTION_CIDER_H

#include <stddef.h>

#include "model/error.h"
#include "model/training/ngrams.h"

typedef struct cider cider;

typedef struct cider_references {
    const char *const *captions; /* tokenised */
    size_t n;                    /* at least 1 */
} cider_references;

/* references [images]. */
int cider_new(cider **out, const cider_references *references, size_t images, caption_error *err);
void cider_free(cider *c); /* NULL is allowed */

/* The score of a tokenised candidate for image i. scratch has room for the candidate's words. */
double cider_score(const cider *c, size_t i, const char *candidate, ngram_bag *scratch);

#endif
