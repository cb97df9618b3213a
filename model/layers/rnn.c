/* rnn.c: the vanilla RNN, h_t = tanh(x_t Wx + h_t-1 Wh + b), one step and whole sequences, forward and backward
 * (rnn.h). Compiled twice (real.h): X(rnn_forward) is rnn_forward_f and rnn_forward_d. */
#include "model/layers/rnn.h"

#include "model/kernels/activation.h"
#include "model/kernels/gemm.h"
#include "model/layers/affine.h"

/* h_next: in, x Wx + b; out, the next state. */
static void advance(const X(recurrent_weights) *w, int n, const real *h_prev, real *h_next)
{
    gemm(n, w->hidden, w->hidden, h_prev, w->wh, 1, h_next);
    X(vector_tanh)((size_t)n * w->hidden, h_next);
}

/* da: in, dh_next; out, da = dh_next (1 - h_next^2). Then dh_prev = da Wh^T + beta dh_prev. */
static void retreat(const X(recurrent_weights) *w, int n, const real *h_next, real *da, real beta, real *dh_prev)
{
    for (size_t i = 0; i < (size_t)n * w->hidden; i++)
        da[i] *= 1 - h_next[i] * h_next[i];
    if (dh_prev)
        gemm_nt(n, w->hidden, w->hidden, da, w->wh, beta, dh_prev);
}

void X(rnn_step_forward)(const X(recurrent_weights) *w, int n, const real *x, const real *h_prev, real *h_next)
{
    X(affine_forward)(n, w->inputs, w->hidden, x, w->wx, w->b, h_next);
    advance(w, n, h_prev, h_next);
}

void X(rnn_step_backward)(const X(recurrent_weights) *w, int n, const real *x, const real *h_prev, const real *h_next,
                          real *dh_next, real *dx, real *dh_prev, const X(recurrent_gradients) *dw)
{
    retreat(w, n, h_next, dh_next, 0, dh_prev);
    X(recurrent_backward)(w, 1, n, x, h_prev, dh_next, dx, dw);
}

void X(rnn_forward)(const X(recurrent_weights) *w, const sequence_steps *s, const real *x, real *h)
{
    size_t hidden = w->hidden;
    real *next = h + s->rows[0] * hidden;
    X(affine_forward)(steps_rows(s), w->inputs, w->hidden, x, w->wx, w->b, next);
    for (int i = 0; i < s->t; i++) {
        advance(w, s->rows[i], h, next);
        h = next;
        next += s->rows[i] * hidden;
    }
}

void X(rnn_backward)(const X(recurrent_weights) *w, const sequence_steps *s, const real *x, const real *h, real *dh,
                     real *before, real *dx, const X(recurrent_gradients) *dw)
{
    int rows = steps_rows(s);
    size_t hidden = w->hidden, state = s->rows[0] * hidden,
           next = state + rows * hidden; /* of h and dh behind step i */
    for (int i = s->t - 1; i >= 0; i--) {
        next -= s->rows[i] * hidden;
        retreat(w, s->rows[i], h + next, dh + next, 1, dh + next - s->rows[i ? i - 1 : 0] * hidden);
    }
    X(recurrent_backward)(w, 1, rows, x, X(recurrent_states_before)(s, w->hidden, h, before), dh + state, dx, dw);
}
