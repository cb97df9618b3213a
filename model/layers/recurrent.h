/* recurrent.h: what the recurrent layers (rnn.h, lstm.h) share: their weights, and the products that span all steps.
 *
 * A cell's pre-activation is a_t = x_t Wx + h_t-1 Wh + b. Only h_t-1 Wh depends on the step before, so a sequence is
 * one large product over all R inputs, then T small ones; backwards, T small ones leave da for every step, and dx, dWx,
 * dWh, db are again single products over R rows. G: gates (1 rnn, 4 lstm). Sequences are packed (steps.h): x [R, D];
 * states [N + R, H] begin with h0. */
#ifndef CAPTION_LAYERS_RECURRENT_H
#define CAPTION_LAYERS_RECURRENT_H

#include "model/layers/steps.h"
#include "model/real.h"

typedef struct X(recurrent_weights) {
    int inputs, hidden; /* D, H */
    const real *wx;     /* [D, G H] */
    const real *wh;     /* [H, G H] */
    const real *b;      /* [G H] */
} X(recurrent_weights);

/* Gradients of the same shapes, added to; a NULL member is not wanted. */
typedef struct X(recurrent_gradients) {
    real *wx, *wh, *b;
} X(recurrent_gradients);

/* From the pre-activation gradients da [rows, gates H] of any number of steps to the inputs and weights:
 *     dx = da Wx^T,  dWx += x^T da,  dWh += h_prev^T da,  db += sum of da          x, dx [rows, D], h_prev [rows, H] */
void X(recurrent_backward)(const X(recurrent_weights) *w, int gates, int rows, const real *x, const real *h_prev,
                           const real *da, real *dx, const X(recurrent_gradients) *dw);

/* The states before each step, [R, H], of states [N + R, H]: those that go on. Copied into `before` [R, H], unless all
 * sequences are of one length: then they stand in `states` already. */
const real *X(recurrent_states_before)(const sequence_steps *s, int hidden, const real *states, real *before);

#endif
