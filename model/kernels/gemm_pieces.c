/* gemm_pieces.c: cuts thin products into pieces that OpenBLAS multiplies without packing them first (gemm_pieces.h).
 * */
#include "model/kernels/gemm_pieces.h"

#include <stdbool.h>
#include <string.h>

#include "model/kernels/gemm.h"

enum {
    SMALL_PRODUCT = 100 * 100 * 100, /* the limit in OpenBLAS's sgemm_small_matrix_permit */
    ROW_STEP = 6,                    /* rows that its kernel holds in registers: other counts leave it half idle */
    MIN_ROWS = 2 * ROW_STEP,
    PANEL = 16, /* columns: one AVX-512 vector */
};

static bool has_small_kernels(void)
{
    const char *core = openblas_get_corename();
    return strcmp(core, "SkylakeX") == 0 || strcmp(core, "Cooperlake") == 0 || strcmp(core, "SapphireRapids") == 0;
}

/* The largest multiple of ROW_STEP whose rows times `row_cost` are a small product, but at least one row. */
static int small_rows(long row_cost)
{
    const long rows = SMALL_PRODUCT / row_cost;
    return rows < ROW_STEP ? (rows > 0 ? (int)rows : 1) : (int)(rows - rows % ROW_STEP);
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

void gemm_pieces(int m, int n, int k, const float *a, const float *b, float beta, float *c)
{
    if (!has_small_kernels()) {
        gemm(m, n, k, a, b, beta, c);
        return;
    }
    int cols = n, rows = small_rows((long)n * k);
    if (rows < smaller(m, MIN_ROWS)) {
        cols = PANEL;
        rows = small_rows((long)PANEL * k);
    }
    for (int j = 0; j < n; j += cols)
        for (int i = 0; i < m; i += rows)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, smaller(m - i, rows), smaller(n - j, cols), k, 1,
                        a + (size_t)i * (size_t)k, k, b + j, n, beta, c + (size_t)i * (size_t)n + j, n);
}
