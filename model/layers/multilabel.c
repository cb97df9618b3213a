/* multilabel.c: the head of multilabel.h: an affine layer and a sigmoid, with the loss of independent yes-or-no
 * answers.
 */
#include "model/layers/multilabel.h"

#include <math.h>
#include <stddef.h>

#include "model/kernels/activation.h"
#include "model/layers/affine.h"

void X(multilabel_forward)(int rows, int inputs, int classes, const real *x, const real *w, const real *b, real *p)
{
    X(affine_forward)(rows, inputs, classes, x, w, b, p);
    X(vector_sigmoid)((size_t)rows * (size_t)classes, p);
}

void X(multilabel_backward)(int rows, int inputs, int classes, const real *x, const real *w, const real *p, real *dp,
                            real *dx, real *dw, real *db)
{
    for (size_t i = 0; i < (size_t)rows * (size_t)classes; i++)
        dp[i] *= p[i] * (1 - p[i]);
    X(affine_backward)(rows, inputs, classes, x, w, dp, dx, dw, db);
}

/* -log of a probability that rounding may have made 0. */
static real surprise(real p)
{
    static const real SMALLEST = (real)1e-30;
    return -(real)log(p > SMALLEST ? p : SMALLEST);
}

real X(multilabel_loss)(int rows, int classes, const real *p, const real *y, real *dlogit)
{
    double loss = 0;
    for (size_t i = 0; i < (size_t)rows * (size_t)classes; i++) {
        loss += (y[i] > 0 ? y[i] * surprise(p[i]) : 0) + (y[i] < 1 ? (1 - y[i]) * surprise(1 - p[i]) : 0);
        dlogit[i] = (p[i] - y[i]) / (real)rows;
    }
    return (real)(loss / rows);
}
