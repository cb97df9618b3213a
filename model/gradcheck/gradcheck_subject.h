/* gradcheck_subject.h: what the gradient check is run on: a layer with small sizes, its inputs, and the error allowed.
 *
 * Compiled in double (real.h). gradcheck.c runs the subjects; gradcheck_layers.c, gradcheck_captioners.c and
 * gradcheck_encoder.c define them: to check another operation, write the two functions that run it forward and backward
 * and add its row to a table there. */
#ifndef CAPTION_GRADCHECK_SUBJECT_H
#define CAPTION_GRADCHECK_SUBJECT_H

#include <stddef.h>

#include "model/arena.h"
#include "model/gradcheck.h"

enum {
    GRADCHECK_INPUTS = 32, /* most inputs of a subject */
    GRADCHECK_N = 3,
    GRADCHECK_T = 4,
    GRADCHECK_V = 7,
    GRADCHECK_IDS = (GRADCHECK_T + 1) * GRADCHECK_N,
    GRADCHECK_SCRATCH = 1 << 17, /* bytes; ample at these sizes */
};

/* The numbers of one subject. Inputs lie one after the other, as the parameters of a decoder do, and so do gradients.
 */
typedef struct gradcheck_bench {
    double *in[GRADCHECK_INPUTS], *gradient[GRADCHECK_INPUTS];
    double *out, *dout;
    int ids[GRADCHECK_IDS]; /* words 1..V-1, and every fifth NULL, so that masks are met */
    arena scratch;          /* what a pass needs besides; reset before each */
} gradcheck_bench;

/* Does a backward pass overwrite what a gradient held before, or add to it? */
typedef enum gradcheck_manner { SETS, ADDS } gradcheck_manner;

typedef struct gradcheck_input {
    const char *name; /* of the gradient; NULL ends a list */
    double threshold;
    gradcheck_manner manner;
    int shape[CAPTION_GRADCHECK_DIMENSIONS]; /* as in caption_gradcheck */
} gradcheck_input;

typedef struct gradcheck_subject {
    const char *layer;
    double step; /* h of numeric_gradient */
    gradcheck_input input[GRADCHECK_INPUTS + 1];
    size_t outputs;                       /* 1: a loss, whose dout is 1 */
    void (*forward)(gradcheck_bench *b);  /* in, ids -> out */
    void (*backward)(gradcheck_bench *b); /* in, ids, dout -> gradient */
} gradcheck_subject;

/* The i-th subject of a table, or NULL past the last. */
const gradcheck_subject *gradcheck_layer(size_t i);
const gradcheck_subject *gradcheck_captioner(size_t i);
const gradcheck_subject *gradcheck_encoder(size_t i);

#endif
