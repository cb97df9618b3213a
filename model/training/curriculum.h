/* curriculum.h: what a run learns, batch by batch: the captions of the dataset (batches.h) or, with options->samples,
 * the rewards of captions that it tries out itself (reinforce.h).
 *
 * Of several processes each gets its share of every batch, with weights that make the sum of their losses and gradients
 * those of the whole batch.
 *
 * Rewards need neither dropout of words and states nor label smoothing: their gradient is only right for the very
 * network that tried the captions out. */
#ifndef CAPTION_CURRICULUM_H
#define CAPTION_CURRICULUM_H

#include "model/training/batches.h"
#include "model/training/reinforce.h"
#include "model/training/train_data.h"

typedef struct curriculum {
    const caption_train_options *options;
    train_data *data;
    batch_share share;
    batches *batches;     /* one of these two, */
    reinforce *reinforce; /* the other is NULL */
    float *weights;       /* [batch] of the current batch's captions */
} curriculum;

/* data must outlive it. */
int curriculum_open(curriculum *c, train_data *data, const decoder_shape *shape, caption_error *err);
void curriculum_close(curriculum *c); /* also of a zeroed one */

size_t curriculum_count(const curriculum *c); /* batches an epoch */
int curriculum_longest(const curriculum *c);  /* T of the longest batch */
void curriculum_shuffle(curriculum *c, int epoch);

/* This process's share, which may be empty, of the i-th batch of the epoch, all but its seed; valid until the next
 * call. `words` to predict; `reward`: the mean of the samples', 0 without them. Everything random is drawn from r. */
decoder_batch_f curriculum_batch(curriculum *c, size_t i, const float *parameters, random_stream *r, size_t *words,
                                 double *reward);

#endif
