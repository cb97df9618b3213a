/* attention.h: soft attention: each row looks at the positions of a map with weights of its own (Bahdanau et al. 2015),
 * by scaled dot products (Luong et al. 2015, Vaswani et al. 2017).
 *
 *     a_rp = softmax_p(q_r . k_p / sqrt(A))                    how much row r looks at position p
 *     y_r  = sum_p a_rp v_p
 *
 * rows of q, a and y lie `stride` rows apart, because the rows of one caption do so in a time-major sequence
 * (recurrent.h). Keys and values are those of one image. Gradient conventions: affine.h, but keys and values get theirs
 * added, since all captions of an image look at them. */
#ifndef CAPTION_LAYERS_ATTENTION_H
#define CAPTION_LAYERS_ATTENTION_H

#include "model/real.h"

typedef struct attention_shape {
    int rows, stride; /* R */
    int positions;    /* P */
    int keys, values; /* A, the length of a key and a query; B, that of a value */
} attention_shape;

/* query [R, A], keys [P, A], values [P, B]  ->  looks [R, P] (a), out [R, B], which is added to. */
void X(attention_forward)(const attention_shape *s, const real *query, const real *keys, const real *values,
                          real *looks, real *out);

/* dout [R, B]  ->  dlooks [R, P] (of q . k), dquery [R, A]; dkeys [P, A] and dvalues [P, B] are added to. */
void X(attention_backward)(const attention_shape *s, const real *query, const real *keys, const real *values,
                           const real *looks, const real *dout, real *dlooks, real *dquery, real *dkeys, real *dvalues);

#endif
