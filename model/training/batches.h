/* batches.h: the order in which captions are learnt: mini-batches of captions of similar length.
 *
 * Each epoch shuffles all captions, cuts them into windows of some dozens of batches, sorts each window by length, cuts
 * it into batches and shuffles those: little padding, yet ever new companions. The order follows from the seed and the
 * epoch alone, so that a resumed run needs no generator state. One owner. */
#ifndef CAPTION_BATCHES_H
#define CAPTION_BATCHES_H

#include <stddef.h>
#include <stdint.h>

#include "model/dataset.h"
#include "model/decoder/vocabulary.h"

typedef struct batches batches;

/* Captions without images, of which each epoch takes some at random: that share of its captions, as far as there are so
 * many. The image of the i-th is number (images of the dataset) + i. */
typedef struct batch_texts {
    const char *const *captions;
    size_t n;
    double share; /* below 1 */
} batch_texts;

/* Encodes the captions of `dataset` and of `texts`, cut at max_words, for batches of `size`. Keeps no argument. */
int batches_new(batches **out, const caption_dataset *dataset, const batch_texts *texts, const vocabulary *v,
                int max_words, int size, caption_error *err);
void batches_free(batches *b); /* NULL is allowed */

size_t batches_count(const batches *b);
int batches_longest(const batches *b); /* T of the longest batch: words of the longest caption + 1 */

void batches_shuffle(batches *b, uint64_t seed, int epoch);

/* What one process learns of every batch: the index-th of `count` parts. */
typedef struct batch_share {
    int index, count;
} batch_share;

#define BATCH_WHOLE ((batch_share){0, 1})

/* Where the share begins among n things; the next share's beginning is its end. */
static inline size_t batch_share_start(batch_share share, size_t n)
{
    return n * (size_t)share.index / (size_t)share.count;
}

typedef struct batch_view {
    int first, all;       /* these are captions first..first+n-1 of the batch's `all` */
    int n, t;             /* N captions, T = longest caption + 1 */
    int per_image;        /* captions of one image, side by side: I = N / per_image */
    size_t words;         /* to predict: of all captions, each with its END */
    const int *captions;  /* [T+1, N] as decoder.h wants them */
    const size_t *images; /* [N] index into the dataset */
    const float *weights; /* [N] of each caption's loss, or NULL */
} batch_view;

/* A share, which may be empty, of the i-th batch of the shuffled epoch; valid until the next call. */
batch_view batches_get(batches *b, size_t i, batch_share share);

#endif
