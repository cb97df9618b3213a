#include "model/layers/attention.h"

#include <math.h>

#include "model/kernels/activation.h"
#include "model/kernels/gemm.h"

static real scale_of(const attention_shape *s)
{
    return 1 / (real)sqrt(s->keys);
}

void X(attention_forward)(const attention_shape *s, const real *query, const real *keys, const real *values,
                          real *looks, real *out)
{
    int r = s->rows, p = s->positions, look_stride = s->stride * p;
    BLAS_GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, r, p, s->keys, scale_of(s), query, s->stride * s->keys, keys,
              s->keys, 0, looks, look_stride);
    for (int i = 0; i < r; i++)
        X(vector_softmax)((size_t)p, looks + (size_t)i * look_stride);
    BLAS_GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, r, s->values, p, 1, looks, look_stride, values, s->values, 1,
              out, s->stride * s->values);
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
                           const real *looks, const real *dout, real *dlooks, real *dquery, real *dkeys, real *dvalues)
{
    int r = s->rows, p = s->positions, look_stride = s->stride * p, out_stride = s->stride * s->values;
    int query_stride = s->stride * s->keys;
    BLAS_GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, r, p, s->values, 1, dout, out_stride, values, s->values, 0,
              dlooks, look_stride);
    BLAS_GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, p, s->values, r, 1, looks, look_stride, dout, out_stride, 1,
              dvalues, s->values);
    for (int i = 0; i < r; i++)
        softmax_backward(p, looks + (size_t)i * look_stride, dlooks + (size_t)i * look_stride);
    BLAS_GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, r, s->keys, p, scale_of(s), dlooks, look_stride, keys, s->keys,
              0, dquery, query_stride);
    BLAS_GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, p, s->keys, r, scale_of(s), dlooks, look_stride, query,
              query_stride, 1, dkeys, s->keys);
}
