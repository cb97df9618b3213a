/* affine.c: y = x W + b and its gradients: dx = dy W^T, dW += x^T dy, db += sum of dy (affine.h). Compiled twice
 * (real.h). */
#include "model/layers/affine.h"

#include "model/kernels/gemm.h"

void X(affine_forward)(int rows, int inputs, int outputs, const real *x, const real *w, const real *b, real *y)
{
    gemm_bias(rows, outputs, inputs, x, w, b, y);
}

static void add_rows(int rows, int cols, const real *x, real *sum)
{
    for (int r = 0; r < rows; r++)
        for (int j = 0; j < cols; j++)
            sum[j] += x[(size_t)r * cols + j];
}

void X(affine_backward)(int rows, int inputs, int outputs, const real *x, const real *w, const real *dy, real *dx,
                        real *dw, real *db)
{
    if (dx)
        gemm_nt(rows, inputs, outputs, dy, w, 0, dx);
    if (dw)
        gemm_tn(inputs, outputs, rows, x, dy, 1, dw);
    if (db)
        add_rows(rows, outputs, dy, db);
}
