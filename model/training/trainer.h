/* trainer.h: a training run in memory: trainer_open.c makes it, trainer.c lets it learn. */
#ifndef CAPTION_TRAINER_H
#define CAPTION_TRAINER_H

#include "model/arena.h"
#include "model/decoder/model.h"
#include "model/kernels/mixed.h"
#include "model/train.h"
#include "model/training/checkpoint.h"
#include "model/training/curriculum.h"
#include "model/training/train_data.h"

/* Sums since the last report. */
struct window {
    double loss, reward, started;
    size_t captions, words;
};

typedef struct trainer {
    const caption_train_options *options;
    caption_encoder *encoder;
    caption_model *base; /* NULL: none */
    train_data data;
    curriculum curriculum;
    decoder_shape shape;
    size_t n_parameters;
    float *parameters, *gradients; /* [n_parameters] */
    float *folded;                 /* [n_parameters] the weights to save (fold_standardisation) */
    float *rates;                  /* [n_parameters] fine_tune_rates; NULL: all 1 */
    optimizer optimizer;
    arena scratch;
    mixed *mixed; /* NULL: products in float */
    caption_session *session;
    checkpoint state, kept; /* now, and that of the checkpoint's file */
    char *description;      /* of the options */
    char *run;              /* description and data digest */
    char *checkpoint_path, *candidate_path;
    struct window window;
    double started, checkpointed; /* seconds */
    long first_step;              /* of this process, for the estimate of the time left */
} trainer;

/* Of a zeroed trainer with options and encoder: everything before the first step, or before the next one of a run that
 * is resumed. Every process then has what the first one has. To be closed even if it fails. */
int trainer_open(trainer *t, caption_error *err);
void trainer_close(trainer *t);

#endif
