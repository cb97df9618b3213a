/* fine_tune.h: the start of a run that goes on from a captioner instead of from random weights.
 *
 * The first step's network writes what the base writes. Three things stand in between:
 *     a base has W_proj for the encoder's features x, a run learns on standardised ones, (x - mean) * scale, so
 *         W = W_base / scale by rows,  b = b_base + mean W_base
 *     k words that the base lacks were <UNK> to it, so each is scored as <UNK> is; the vector that it is read by is the
 *         mean of the words that it stands among
 *     and <UNK>'s probability is shared by these k + 1, so log(k + 1) is taken off the score of each.
 *
 * What the base knows is kept by small steps (caption_train_gently); only the vectors and scores of new words, which it
 * knows nothing of, take large ones. */
#ifndef CAPTION_FINE_TUNE_H
#define CAPTION_FINE_TUNE_H

#include "model/decoder/model.h"
#include "model/training/train_data.h"

/* Opens options->base; refuses one whose kind, sizes or encoder are not the run's. Without a base *out is NULL. */
int fine_tune_open(caption_model **out, const caption_train_options *options, caption_encoder *encoder,
                   caption_error *err);

/* Fills the parameters of `shape`, whose vocabulary is the base's, extended. */
int fine_tune_start(const caption_model *base, const decoder_shape *shape, const train_data *data, float *parameters,
                    caption_error *err);

/* rates [parameters]: what the learning rate of each is multiplied by: `new_words` for the vectors of new words,
 * else 1. Their biases are not hurried: those would have them said of everything. */
void fine_tune_rates(const caption_model *base, const decoder_shape *shape, float new_words, float *rates);

#endif
