/* lstm.c: the LSTM, one step and whole sequences, forward and backward; gates in the order i, f, o, g (equations:
 * lstm.h). Compiled twice (real.h): X(lstm_forward) is lstm_forward_f and lstm_forward_d. */
#include "model/layers/lstm.h"

#include <string.h>

#include "model/kernels/activation.h"
#include "model/kernels/gemm.h"
#include "model/layers/affine.h"

/* gates: in, x Wx + b; out, i f o g. */
static void advance(const X(recurrent_weights) *w, int n, const real *h_prev, const real *c_prev, real *gates,
                    real *h_next, real *c_next)
{
    int hidden = w->hidden;
    gemm(n, LSTM_GATES * hidden, hidden, h_prev, w->wh, 1, gates);
    for (int r = 0; r < n; r++, gates += LSTM_GATES * hidden, c_prev += hidden, h_next += hidden, c_next += hidden) {
        const real *i = gates, *f = gates + hidden, *o = gates + 2 * hidden, *g = gates + 3 * hidden;
        X(vector_sigmoid)(3 * (size_t)hidden, gates);
        X(vector_tanh)(hidden, gates + 3 * hidden);
        for (int j = 0; j < hidden; j++)
            h_next[j] = c_next[j] = f[j] * c_prev[j] + i[j] * g[j];
        X(vector_tanh)(hidden, h_next);
        for (int j = 0; j < hidden; j++)
            h_next[j] *= o[j];
    }
}

/* One row of the step backwards, with s = sigmoid: s' = s (1 - s), tanh' = 1 - tanh^2. tanh(c_next) is computed again
 * where da_g is going to stand, because h_next / o would lose it where the output gate is closed. */
static void retreat_row(int hidden, const real *gates, const real *c_prev, const real *c_next, const real *dh, real *dc,
                        real *da)
{
    const real *i = gates, *f = gates + hidden, *o = gates + 2 * hidden, *g = gates + 3 * hidden;
    real *da_i = da, *da_f = da + hidden, *da_o = da + 2 * hidden, *da_g = da + 3 * hidden;
    memcpy(da_g, c_next, hidden * sizeof *da_g);
    X(vector_tanh)(hidden, da_g);
    for (int j = 0; j < hidden; j++) {
        real tanh_c = da_g[j];
        real dc_j = dc[j] + dh[j] * o[j] * (1 - tanh_c * tanh_c);
        da_i[j] = dc_j * g[j] * i[j] * (1 - i[j]);
        da_f[j] = dc_j * c_prev[j] * f[j] * (1 - f[j]);
        da_o[j] = dh[j] * tanh_c * o[j] * (1 - o[j]);
        da_g[j] = dc_j * i[j] * (1 - g[j] * g[j]);
        dc[j] = dc_j * f[j];
    }
}

/* dc: in, dc_next; out, dc_prev. Writes da, then dh_prev = da Wh^T + beta dh_prev. */
static void retreat(const X(recurrent_weights) *w, int n, const real *gates, const real *c_prev, const real *c_next,
                    const real *dh, real *dc, real *da, real beta, real *dh_prev)
{
    int hidden = w->hidden;
    for (int r = 0; r < n; r++) {
        size_t state = (size_t)r * hidden;
        retreat_row(hidden, gates + LSTM_GATES * state, c_prev + state, c_next + state, dh + state, dc + state,
                    da + LSTM_GATES * state);
    }
    if (dh_prev)
        gemm_nt(n, hidden, LSTM_GATES * hidden, da, w->wh, beta, dh_prev);
}

void X(lstm_step_forward)(const X(recurrent_weights) *w, int n, const real *x, const real *h_prev, const real *c_prev,
                          real *gates, real *h_next, real *c_next)
{
    X(affine_forward)(n, w->inputs, LSTM_GATES * w->hidden, x, w->wx, w->b, gates);
    advance(w, n, h_prev, c_prev, gates, h_next, c_next);
}

void X(lstm_step_backward)(const X(recurrent_weights) *w, int n, const real *x, const real *h_prev, const real *c_prev,
                           const real *gates, const real *c_next, const real *dh_next, real *dc, real *da, real *dx,
                           real *dh_prev, const X(recurrent_gradients) *dw)
{
    retreat(w, n, gates, c_prev, c_next, dh_next, dc, da, 0, dh_prev);
    X(recurrent_backward)(w, LSTM_GATES, n, x, h_prev, da, dx, dw);
}

void X(lstm_forward)(const X(recurrent_weights) *w, const sequence_steps *s, const real *x, real *h, real *c,
                     real *gates)
{
    X(affine_forward)(steps_rows(s), w->inputs, LSTM_GATES * w->hidden, x, w->wx, w->b, gates);
    for (int i = 0; i < s->t; i++) {
        size_t state = (size_t)s->rows[i] * w->hidden, before = (size_t)s->rows[i ? i - 1 : 0] * w->hidden;
        advance(w, s->rows[i], h, c, gates, h + before, c + before);
        h += before;
        c += before;
        gates += LSTM_GATES * state;
    }
}

void X(lstm_backward)(const X(recurrent_weights) *w, const sequence_steps *s, const real *x, const real *h,
                      const real *c, const real *gates, real *dh, real *dc, real *da, real *before, real *dx,
                      const X(recurrent_gradients) *dw)
{
    int rows = steps_rows(s);
    size_t hidden = w->hidden, state = s->rows[0] * hidden, at = rows * hidden; /* at: of step i's rows */
    for (int i = s->t - 1; i >= 0; i--) {
        at -= s->rows[i] * hidden;
        size_t next = state + at, previous = next - s->rows[i ? i - 1 : 0] * hidden;
        retreat(w, s->rows[i], gates + LSTM_GATES * at, c + previous, c + next, dh + next, dc, da + LSTM_GATES * at, 1,
                dh + previous);
    }
    X(recurrent_backward)(w, LSTM_GATES, rows, x, X(recurrent_states_before)(s, w->hidden, h, before), da, dx, dw);
}
