/* watch.c: the thread's question whether its products are to be given up, asked between pieces of them (watch.h). */
#include "model/kernels/watch.h"

#include <stddef.h>
#include <string.h>

static _Thread_local watch *scope;

void watch_begin(watch *w)
{
    scope = w;
}

void watch_end(void)
{
    scope = NULL;
}

int watch_stopped(void)
{
    if (!scope || !scope->stop)
        return 0;
    scope->stopped = scope->stopped || scope->stop(scope->context);
    return scope->stopped;
}

/* Rows of C in a part. */
static int part_rows(int m, int n, int k)
{
    double rows = watch_most_multiplications / ((double)n * k);
    if (!scope || rows >= m)
        return m;
    return rows < WATCH_ROWS ? WATCH_ROWS : (int)rows / WATCH_ROWS * WATCH_ROWS;
}

void watch_sgemm(CBLAS_TRANSPOSE op_a, CBLAS_TRANSPOSE op_b, int m, int n, int k, const float *a, int lda,
                 const float *b, int ldb, float beta, float *c, int ldc)
{
    size_t step = op_a == CblasNoTrans ? (size_t)lda : 1; /* of A from a row of C to the next */
    int rows = part_rows(m, n, k);
    for (int i = 0; i < m; i += rows) {
        float *part = c + (size_t)i * (size_t)ldc;
        int left = m - i < rows ? m - i : rows;
        if (!watch_stopped())
            cblas_sgemm(CblasRowMajor, op_a, op_b, left, n, k, 1, a + (size_t)i * step, lda, b, ldb, beta, part, ldc);
        else if (beta == 0)
            memset(part, 0, (size_t)left * (size_t)ldc * sizeof *part);
    }
}
