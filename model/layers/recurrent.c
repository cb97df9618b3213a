/* recurrent.c: what RNN and LSTM share: the products over all steps of a sequence (recurrent.h). Compiled twice
 * (real.h). */
#include "model/layers/recurrent.h"

#include <string.h>

#include "model/kernels/gemm.h"
#include "model/layers/affine.h"

void X(recurrent_backward)(const X(recurrent_weights) *w, int gates, int rows, const real *x, const real *h_prev,
                           const real *da, real *dx, const X(recurrent_gradients) *dw)
{
    int outputs = gates * w->hidden;
    X(affine_backward)(rows, w->inputs, outputs, x, w->wx, da, dx, dw->wx, dw->b);
    if (dw->wh)
        gemm_tn(w->hidden, outputs, rows, h_prev, da, 1, dw->wh);
}

const real *X(recurrent_states_before)(const sequence_steps *s, int hidden, const real *states, real *before)
{
    real *out = before;
    if (s->rows[0] == s->rows[s->t - 1])
        return states;
    for (int i = 0; i < s->t; i++) {
        size_t n = (size_t)s->rows[i] * hidden;
        memcpy(out, states, n * sizeof *out);
        out += n;
        states += (size_t)s->rows[i ? i - 1 : 0] * hidden;
    }
    return before;
}
