/* attention.h: soft attention: each row looks at the positions of a map with weights of its own (Bahdanau et al. 2015),
 * by scaled dot products (Luong et al. 2015, Vaswani et al. 2017).
 *
 *     a_rp = softmax_p(q_r . k_p / sqrt(A))                    how much row r looks at position p
 *     y_r  = sum_p a_rp v_p
 *
 * Keys and values are those of one image, and all rows look at it. Gradient conventions: affine.h. */
#ifndef CAPTION_LAYERS_ATTENTION_H
#define CAPTION_LAYERS_ATTENTION_H

#include "model/real.h"

typedef struct attention_shape {
    int rows, positions; /* R, P */
    int keys, values;    /* A, the length of a key and a query; B, that of a value */
} attention_shape;

/* query [R, A], keys [P, A], values [P, B]  ->  looks [R, P] (a), y [R, B] */
void X(attention_forward)(const attention_shape *s, const real *query, const real *keys, const real *values,
                          real *looks, real *y);

/* dy [R, B]  ->  dquery [R, A], dkeys [P, A], dvalues [P, B]; dlooks [R, P], that of q . k / sqrt(A), in passing. */
void X(attention_backward)(const attention_shape *s, const real *query, const real *keys, const real *values,
                           const real *looks, const real *dy, real *dlooks, real *dquery, real *dkeys, real *dvalues);

#endif
