/* encoder_weights.h: what a caption_encoder is inside: the network with its weights, and what its file says of them.
 *
 * Immutable once opened, but for the reference count and for the plain weights, which are made when they are asked for:
 * only a gradient to the pixels reads them. */
#ifndef CAPTION_ENCODER_WEIGHTS_H
#define CAPTION_ENCODER_WEIGHTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "model/arena.h"
#include "model/encoder/encoder_network.h"
#include "model/kernels/simd/kernels.h"

enum { ENCODER_CHANNELS = 3, ENCODER_LEVELS = 256 };

struct caption_encoder {
    atomic_int references;
    encoder_network network;                            /* its pointers lead into `packed` and `plain` */
    arena packed;                                       /* every weight and bias, one layer behind the other */
    const simd_set *kernels;                            /* those that they are packed for */
    arena plain;                                        /* the same as they stand in the file, or nothing yet */
    pthread_mutex_t making;                             /* held while `plain` is made */
    float normalised[ENCODER_CHANNELS][ENCODER_LEVELS]; /* (level - mean) / std of each colour */
    char *label_text;
    const char *label[CAPTION_CLASSES]; /* into label_text */
    char sha256[65];
};

/* Lets layer->weight and layer->bias be read in all layers, from now on. Thread-safe. */
int encoder_plain_weights(caption_encoder *encoder, caption_error *err);

#endif
