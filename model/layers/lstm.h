/* lstm.h: long short-term memory (Hochreiter & Schmidhuber 1997, forget gate of Gers et al. 2000), as in CS231n
 * assignment 3.
 *
 *     a = x_t Wx + h_t-1 Wh + b                                       [N, 4H], column blocks in the order i, f, o, g
 *     i, f, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_o)    g = tanh(a_g)
 *     c_t = f c_t-1 + i g          h_t = o tanh(c_t)                  element-wise, [N, H]
 *
 * Wx [D, 4H], Wh [H, 4H], b [4H]. `gates` keeps i, f, o, g after their non-linearities for the backward pass.
 * Shapes and sequences: recurrent.h. Gradient conventions: affine.h. */
#ifndef CAPTION_LAYERS_LSTM_H
#define CAPTION_LAYERS_LSTM_H

#include "model/layers/recurrent.h"

enum { LSTM_GATES = 4 };

/* x [N, D], h_prev, c_prev [N, H]  ->  gates [N, 4H], h_next, c_next [N, H]; c_next may be c_prev. */
void X(lstm_step_forward)(const X(recurrent_weights) *w, int n, const real *x, const real *h_prev, const real *c_prev,
                          real *gates, real *h_next, real *c_next);

/* dc [N, H]: in, the gradient of c_next; out, that of c_prev. da [N, 4H]: out, that of the pre-activation. */
void X(lstm_step_backward)(const X(recurrent_weights) *w, int n, const real *x, const real *h_prev, const real *c_prev,
                           const real *gates, const real *c_next, const real *dh_next, real *dc, real *da, real *dx,
                           real *dh_prev, const X(recurrent_gradients) *dw);

/* x [R, D]; h, c [N + R, H], h0 and c0 given, the others written; gates [R, 4H] written. */
void X(lstm_forward)(const X(recurrent_weights) *w, const sequence_steps *s, const real *x, real *h, real *c,
                     real *gates);

/* dh [N + R, H]: in, the gradient that reaches each state from outside the cell (h0's usually zero); out, complete,
 * that of h0 first. dc [N, H]: in, that of each sequence's last c (usually zero); out, that of c0. da [R, 4H]: out,
 * those of the pre-activations. before [R, H]: scratch. */
void X(lstm_backward)(const X(recurrent_weights) *w, const sequence_steps *s, const real *x, const real *h,
                      const real *c, const real *gates, real *dh, real *dc, real *da, real *before, real *dx,
                      const X(recurrent_gradients) *dw);

#endif
