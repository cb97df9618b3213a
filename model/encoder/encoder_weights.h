/* encoder_weights.h: what a caption_encoder is inside: the network with its weights, and what its file says of them.
 *
 * Immutable once opened, but for the reference count. */
#ifndef CAPTION_ENCODER_WEIGHTS_H
#define CAPTION_ENCODER_WEIGHTS_H

#include <stdatomic.h>

#include "model/arena.h"
#include "model/encoder/encoder_network.h"
#include "model/kernels/simd/kernels.h"

enum { ENCODER_CHANNELS = 3, ENCODER_LEVELS = 256 };

struct caption_encoder {
    atomic_int references;
    encoder_network network;                            /* its pointers lead into `memory` */
    arena memory;                                       /* every weight and bias */
    arena packed;                                       /* the same, packed, one layer behind the other */
    const simd_set *kernels;                            /* those that they are packed for */
    float normalised[ENCODER_CHANNELS][ENCODER_LEVELS]; /* (level - mean) / std of each colour */
    char *label_text;
    const char *label[CAPTION_CLASSES]; /* into label_text */
    char sha256[65];
};

#endif
