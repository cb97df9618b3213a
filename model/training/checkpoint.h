/* checkpoint.h: a training run on disk: a safetensors file that a killed run goes on from.
 *
 * All randomness of a run follows from its seed and its counters, so parameters, optimizer and counters are the whole
 * state. `run` identifies options and data: a checkpoint of another run is refused. */
#ifndef CAPTION_CHECKPOINT_H
#define CAPTION_CHECKPOINT_H

#include "model/training/optimizer.h"
#include "model/training/ranks.h"

typedef struct checkpoint {
    long epoch, batch; /* done: whole epochs, and batches of the one after */
    long best_epoch;   /* 1-based, 0: none yet */
    double best_score; /* its dev CIDEr, and the 95 % interval of that: */
    double best_low, best_high;
    double base_score; /* dev CIDEr of the base; -1: none */
} checkpoint;

/* Replaces the file at `path`. parameters [optimizer->n]. */
int checkpoint_write(const char *path, const char *run, const checkpoint *state, const optimizer *o,
                     const float *parameters, caption_error *err);

/* Fills state, the optimizer (made for as many parameters) and parameters. */
int checkpoint_read(const char *path, const char *run, checkpoint *state, optimizer *o, float *parameters,
                    caption_error *err);

/* All of that becomes, in every process, what it is in the first. */
int checkpoint_follow(caption_ranks *ranks, checkpoint *state, optimizer *o, float *parameters, caption_error *err);

#endif
