/* target.h: what a gradient is taken of, a class or a word, as a function of the encoder's outputs.
 *
 * The score of a word is its log-probability after the words before it: with L the captioner's loss, one batch of two
 * captions of one picture, with the word and without, weighted 1 and -1, is exactly that difference (decoder.h). */
#ifndef CAPTION_VISUAL_TARGET_H
#define CAPTION_VISUAL_TARGET_H

#include "model/arena.h"
#include "model/encoder/encoder_gradient.h"
#include "model/visualize.h"

typedef struct target {
    int class_index;             /* of a class */
    const caption_model *model;  /* of a word */
    int steps;                   /* T: words, the last of them the wanted one */
    int *captions;               /* [T + 1, 2] */
    float *dfeatures;            /* [1280] */
    float *dmap;                 /* [7, 7, 320] at most, of captioners that look at the map */
    float *dlogits;              /* [1000] */
    float *concepts, *dconcepts; /* [C] probabilities, and their gradient */
    float *through;              /* [1280] of the features, by way of the concepts */
    int *tags;                   /* [K] */
    arena numbers, scratch;
} target;

/* A class; its index may be changed later. */
int target_of_class(target *t, int class_index, caption_error *err);

/* The last of `count` words, given those before it. */
int target_of_word(target *t, const caption_model *model, const int *words, int count, caption_error *err);

/* What `wanted` of caption_visualize names. */
int target_of(target *t, const caption_target *wanted, caption_error *err);

void target_free(target *t);

/* After a forward pass to target_last: the score, and its gradient in *seeds, which points into t. */
double target_score(target *t, const encoder_gradient_f *g, encoder_seeds_f *seeds);
int target_last(const target *t); /* how far a forward pass must go */

/* The last layer whose map is all that the score depends on: what Grad-CAM looks at. */
int target_map(const target *t);

#endif
