/* reinforce.h: learning from rewards instead of examples: batches of captions that the captioner tries out itself.
 *
 * For each image, k captions are sampled from the captioner's own distribution and rewarded (rewards.h). Each then
 * weighs its reward less the mean reward of the image's other samples: better ones become more probable, worse ones
 * less. This is self-critical sequence training (Rennie et al. 2017) with the leave-one-out baseline of Luo 2020; the
 * loss with these weights has the gradient of REINFORCE (softmax_loss.h).
 *
 * Rewards alone forget what captions are like: the captioner ends up saying little, in few words. So each image may
 * have one more row, one of its own captions with a fixed weight: the mixed objective of Paulus, Xiong, Socher 2017.
 *
 * As with batches.h, order and samples follow from the seed alone. One owner. */
#ifndef CAPTION_REINFORCE_H
#define CAPTION_REINFORCE_H

#include <stdint.h>

#include "model/decoder/decoder.h"
#include "model/random.h"
#include "model/training/batches.h"

typedef struct reinforce reinforce;

typedef struct reinforce_plan {
    int size;      /* captions of a batch, at most; room for one image's at least */
    int samples;   /* of an image, at least 2 */
    float example; /* weight of a caption of the dataset beside them; 0: there is none */
    int max_words; /* longer captions are cut */
} reinforce_plan;

/* The arguments but for the plan must outlive it. */
int reinforce_new(reinforce **out, const caption_dataset *dataset, const vocabulary *v, const decoder_shape *shape,
                  const reinforce_plan *plan, caption_error *err);
void reinforce_free(reinforce *r); /* NULL is allowed */

size_t reinforce_count(const reinforce *r); /* batches an epoch: each image comes once */
void reinforce_shuffle(reinforce *r, uint64_t seed, int epoch);

/* A share of the images of the i-th batch, each for all of its rows: first, all, n, per_image and images alone are set.
 * Valid until the next call. */
batch_view reinforce_images(reinforce *r, size_t i, batch_share share);

/* Fills the rows of `view`, whose images are `of`, with captions, an image's example behind its samples, and completes
 * the view with them and their weights. What row k draws follows from seed + first + k alone. Returns the mean reward
 * of the samples. */
double reinforce_sample(reinforce *r, const float *parameters, const decoder_images_f *of, uint64_t seed,
                        batch_view *view);

#endif
