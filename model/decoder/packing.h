/* packing.h: the captions of a batch without their padding, as sequence_steps wants them (layers/steps.h): longest
 * first.
 *
 * Position j of the packed order holds caption order[j] of the batch. A caption is as long as its last target that is
 * not NULL; a NULL before that is masked by the loss, as CS231n's is. */
#ifndef CAPTION_PACKING_H
#define CAPTION_PACKING_H

#include "model/arena.h"
#include "model/layers/steps.h"

typedef struct packing {
    sequence_steps steps;
    int n, rows;  /* N; R */
    int *order;   /* [N] */
    int *inputs;  /* [R] word fed */
    int *targets; /* [R] word to be predicted */
    int *caption; /* [R] order[j] of each row */
} packing;

/* Bytes of scratch that packing_make takes. */
size_t packing_scratch(int n, int t);

/* captions [T+1, N]: row s holds the inputs of step s, row s + 1 its targets. Rows that are padding from the start take
 * part in step 0, so that every caption has a state. */
packing packing_make(int n, int t, const int *captions, arena *scratch);

#endif
