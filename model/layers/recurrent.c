#include "model/layers/recurrent.h"

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
