/* attention.c: scaled dot-product attention over positions, forward and backward (equations and shapes: attention.h).
 * Compiled twice (real.h). */
#include "model/layers/attention.h"

#include <math.h>

#include "model/kernels/activation.h"
#include "model/kernels/gemm.h"

static void scale(const attention_shape *s, real *products)
{
    const real factor = 1 / (real)sqrt(s->keys);
    for (size_t i = 0; i < (size_t)s->rows * s->positions; i++)
        products[i] *= factor;
}

void X(attention_forward)(const attention_shape *s, const real *query, const real *keys, const real *values,
                          real *looks, real *y)
{
    gemm_nt(s->rows, s->positions, s->keys, query, keys, 0, looks);
    scale(s, looks);
    for (int r = 0; r < s->rows; r++)
        X(vector_softmax)((size_t)s->positions, looks + (size_t)r * s->positions);
    gemm(s->rows, s->values, s->positions, looks, values, 0, y);
}

/* Softmax backwards, in place on d [P]: in, the gradient of a; out, that of its argument, a_p (d_p - sum_j a_j d_j). */
static void softmax_backward(int positions, const real *a, real *d)
{
    real sum = 0;
    for (int p = 0; p < positions; p++)
        sum += a[p] * d[p];
    for (int p = 0; p < positions; p++)
        d[p] = a[p] * (d[p] - sum);
}

void X(attention_backward)(const attention_shape *s, const real *query, const real *keys, const real *values,
                           const real *looks, const real *dy, real *dlooks, real *dquery, real *dkeys, real *dvalues)
{
    int rows = s->rows, positions = s->positions;
    gemm_nt(rows, positions, s->values, dy, values, 0, dlooks);
    gemm_tn(positions, s->values, rows, looks, dy, 0, dvalues);
    for (int r = 0; r < rows; r++)
        softmax_backward(positions, looks + (size_t)r * positions, dlooks + (size_t)r * positions);
    scale(s, dlooks);
    gemm(rows, s->keys, positions, dlooks, keys, 0, dquery);
    gemm_tn(positions, s->keys, rows, dlooks, query, 0, dkeys);
}
