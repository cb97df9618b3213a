/* gemm.h: C = alpha op(A) op(B) + beta C, row-major, on the BLAS.
 *
 *     gemm  (m, n, k, A[m,k],  B[k,n],  beta, C[m,n])   C = A B    + beta C     forward:  y  = x W
 *     gemm_tn(m, n, k, A[k,m],  B[k,n],  beta, C[m,n])   C = A^T B  + beta C     backward: dW = x^T dy
 *     gemm_nt(m, n, k, A[m,k],  B[n,k],  beta, C[m,n])   C = A B^T  + beta C     backward: dx = dy W^T
 *
 * Every matrix is dense (leading dimension = its number of columns). Thread-safe: the BLAS is told once, at start,
 * to use one thread a call (caption_init); parallelism is the callers' worker pool. */
#ifndef CAPTION_KERNELS_GEMM_H
#define CAPTION_KERNELS_GEMM_H

#include <cblas.h>

#include "model/real.h"

#ifdef REAL_IS_DOUBLE
#define BLAS_GEMM cblas_dgemm
#else
#define BLAS_GEMM cblas_sgemm
#endif

static inline void gemm(int m, int n, int k, const real *a, const real *b, real beta, real *c)
{
    BLAS_GEMM(CblasRowMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a, k, b, n, beta, c, n);
}

static inline void gemm_tn(int m, int n, int k, const real *a, const real *b, real beta, real *c)
{
    BLAS_GEMM(CblasRowMajor, CblasTrans, CblasNoTrans, m, n, k, 1, a, m, b, n, beta, c, n);
}

static inline void gemm_nt(int m, int n, int k, const real *a, const real *b, real beta, real *c)
{
    BLAS_GEMM(CblasRowMajor, CblasNoTrans, CblasTrans, m, n, k, 1, a, k, b, k, beta, c, n);
}

#endif
