/* rewards.h: what a caption that was tried out is worth: CIDEr-D against the references of its image.
 *
 * The end of a caption counts as a word, in references and captions alike: else captions learn to stop in the middle
 * of a phrase ("a man on a"), because the plain score knows nothing of ends. */
#ifndef CAPTION_REWARDS_H
#define CAPTION_REWARDS_H

#include "model/dataset.h"
#include "model/decoder/vocabulary.h"

typedef struct rewards rewards;

/* For captions of up to max_words. The dataset and vocabulary must outlive it. One owner. */
int rewards_new(rewards **out, const caption_dataset *dataset, const vocabulary *v, int max_words, caption_error *err);
void rewards_free(rewards *r); /* NULL is allowed */

/* The worth of ids [n], words without START and END, as a caption of image i. finished: it ended by itself. */
double rewards_of(rewards *r, size_t i, const int *ids, int n, int finished);

#endif
