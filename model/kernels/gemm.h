/* gemm.h: C = alpha op(A) op(B) + beta C, row-major, on the BLAS; beta is 0 or 1.
 *
 *     gemm  (m, n, k, A[m,k],  B[k,n],  beta, C[m,n])   C = A B    + beta C     forward:  y  = x W
 *     gemm_bias(m, n, k, A[m,k], B[k,n], bias[n], C[m,n])  C = A B + bias in each row         y  = x W + b
 *     gemm_tn(m, n, k, A[k,m],  B[k,n],  beta, C[m,n])   C = A^T B  + beta C     backward: dW = x^T dy
 *     gemm_nt(m, n, k, A[m,k],  B[n,k],  beta, C[m,n])   C = A B^T  + beta C     backward: dx = dy W^T
 *
 * Every matrix is dense (leading dimension = its number of columns). Thread-safe: the BLAS is told once, at start,
 * to use one thread a call (caption_init); parallelism is the callers' worker pool.
 *
 * Two exceptions, in float: a thread that is in the scope of mixed.h has its products rounded to bfloat16, and one that
 * is in the scope of watch.h may have them given up. Only the trainer opens such scopes. */
#ifndef CAPTION_KERNELS_GEMM_H
#define CAPTION_KERNELS_GEMM_H

#include <cblas.h>
#include <string.h>

#include "model/kernels/mixed.h"
#include "model/kernels/watch.h"
#include "model/real.h"

/* GEMM_IN_SCOPE: is op(A) op(B) + addend done already? The steps are those of bf16_factor and bf16_addend. */
#ifdef REAL_IS_DOUBLE
#define BLAS_GEMM(op_a, op_b, m, n, k, a, lda, b, ldb, beta, c, ldc)                                                   \
    cblas_dgemm(CblasRowMajor, op_a, op_b, m, n, k, 1, a, lda, b, ldb, beta, c, ldc)
#define BLAS_GEMV cblas_dgemv
#define GEMM_IN_SCOPE(m, n, k, a, a_row, a_col, b, b_row, b_col, addend, add_row, c) 0
#else
#define BLAS_GEMM watch_sgemm
#define BLAS_GEMV cblas_sgemv
#define GEMM_IN_SCOPE(m, n, k, a, a_row, a_col, b, b_row, b_col, addend, add_row, c)                                   \
    (mixed_scope && !watch_stopped() &&                                                                                \
     mixed_gemm(m, n, k, (bf16_factor){a, (size_t)(a_row), (size_t)(a_col)},                                           \
                (bf16_factor){b, (size_t)(b_row), (size_t)(b_col)}, (bf16_addend){addend, (size_t)(add_row)}, c))
#endif

/* A GEMM first copies B into an order of its own, which for few rows takes longer than the product itself. Up to here a
 * matrix-vector product a row is faster: the words of one photo's caption are written 6 times faster so, at six rows
 * the gain is a quarter (12 words of an LSTM, H = 512, V = 2500). */
enum { GEMM_FEW_ROWS = 6 };

static inline void gemm(int m, int n, int k, const real *a, const real *b, real beta, real *c)
{
    if (m <= GEMM_FEW_ROWS) {
        if (beta == 0)
            memset(c, 0, (size_t)m * n * sizeof *c);
        for (int i = 0; i < m; i++)
            BLAS_GEMV(CblasRowMajor, CblasTrans, k, n, 1, b, n, a + (size_t)i * k, 1, beta == 0 ? 1 : beta,
                      c + (size_t)i * n, 1);
        return;
    }
    if (GEMM_IN_SCOPE(m, n, k, a, k, 1, b, n, 1, beta == 0 ? NULL : c, n, c))
        return;
    BLAS_GEMM(CblasNoTrans, CblasNoTrans, m, n, k, a, k, b, n, beta, c, n);
}

/* C = A B + bias [n], the same in each row. */
static inline void gemm_bias(int m, int n, int k, const real *a, const real *b, const real *bias, real *c)
{
    if (m > GEMM_FEW_ROWS && GEMM_IN_SCOPE(m, n, k, a, k, 1, b, n, 1, bias, 0, c))
        return;
    for (int i = 0; i < m; i++)
        memcpy(c + (size_t)i * n, bias, n * sizeof *c);
    gemm(m, n, k, a, b, 1, c);
}

static inline void gemm_tn(int m, int n, int k, const real *a, const real *b, real beta, real *c)
{
    if (GEMM_IN_SCOPE(m, n, k, a, 1, m, b, n, 1, beta == 0 ? NULL : c, n, c))
        return;
    BLAS_GEMM(CblasTrans, CblasNoTrans, m, n, k, a, m, b, n, beta, c, n);
}

static inline void gemm_nt(int m, int n, int k, const real *a, const real *b, real beta, real *c)
{
    if (GEMM_IN_SCOPE(m, n, k, a, k, 1, b, 1, k, beta == 0 ? NULL : c, n, c))
        return;
    BLAS_GEMM(CblasNoTrans, CblasTrans, m, n, k, a, k, b, k, beta, c, n);
}

#endif
