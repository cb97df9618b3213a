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

void X(rnn_forward)(const X(recurrent_weights) *w, int t, int n, const real *x, real *h)
{
    size_t state = (size_t)n * w->hidden;
    X(affine_forward)(t * n, w->inputs, w->hidden, x, w->wx, w->b, h + state);
    for (int i = 0; i < t; i++, h += state)
        advance(w, n, h, h + state);
}

void X(rnn_backward)(const X(recurrent_weights) *w, int t, int n, const real *x, const real *h, real *dh, real *dx,
                     const X(recurrent_gradients) *dw)
{
    size_t state = (size_t)n * w->hidden;
    for (int i = t; i > 0; i--)
        retreat(w, n, h + i * state, dh + i * state, 1, dh + (i - 1) * state);
    X(recurrent_backward)(w, 1, t * n, x, h, dh + state, dx, dw);
}
