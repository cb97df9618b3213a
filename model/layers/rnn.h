/* rnn.h: the vanilla recurrent cell (Elman 1990), as in CS231n assignment 3.
 *
 *     h_t = tanh(x_t Wx + h_t-1 Wh + b)          x_t [N, D], h_t [N, H], Wx [D, H], Wh [H, H], b [H]
 *
 * Shapes and sequences: recurrent.h. Gradient conventions: affine.h. */
#ifndef CAPTION_LAYERS_RNN_H
#define CAPTION_LAYERS_RNN_H

#include "model/layers/recurrent.h"

void X(rnn_step_forward)(const X(recurrent_weights) *w, int n, const real *x, const real *h_prev, real *h_next);

/* dh_next [N, H]: in, the gradient of h_next; out, that of the pre-activation. */
void X(rnn_step_backward)(const X(recurrent_weights) *w, int n, const real *x, const real *h_prev, const real *h_next,
                          real *dh_next, real *dx, real *dh_prev, const X(recurrent_gradients) *dw);

/* x [R, D]; h [N + R, H], h0 given, the others written. */
void X(rnn_forward)(const X(recurrent_weights) *w, const sequence_steps *s, const real *x, real *h);

/* dh [N + R, H]: in, the gradient that reaches each state from outside the cell (h0's usually zero); out, that of h0
 * and behind it those of the pre-activations. before [R, H]: scratch. */
void X(rnn_backward)(const X(recurrent_weights) *w, const sequence_steps *s, const real *x, const real *h, real *dh,
                     real *before, real *dx, const X(recurrent_gradients) *dw);

#endif
