/* gemm_bf16.c: see gemm_bf16.h. The inner loop on vectors; what is around it is in pack.h. */
#include "model/kernels/bf16/gemm_bf16.h"

#include <immintrin.h>

#include "model/kernels/bf16/pack.h"

#define INLINE static inline __attribute__((always_inline))

enum { LANES = BF16_LANES };

/* The first n of 16 lanes; n may be negative or more than 16. */
static __mmask16 first_lanes(int n)
{
    return n >= LANES ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
}

/* One panel of A, `rows` high, times one of B: C [rows, cols <= BF16_COLS]. */
INLINE void multiply(int rows, int pairs, const bf16_pair *a, const bf16_pair *b, bf16_addend addend, float *c,
                     size_t c_step, int cols)
{
    const __mmask16 left = first_lanes(cols), right = first_lanes(cols - LANES);
    __m512 sum[BF16_ROWS][2];
    for (int i = 0; i < rows; i++) {
        sum[i][0] = sum[i][1] = _mm512_setzero_ps();
        _mm_prefetch((const char *)(c + (size_t)i * c_step), _MM_HINT_T0); /* C comes from far, and late */
        _mm_prefetch((const char *)(c + (size_t)i * c_step + cols - 1), _MM_HINT_T0);
    }
    for (int p = 0; p < pairs; p++, a += BF16_ROWS, b += BF16_COLS) {
        const __m512bh b0 = (__m512bh)_mm512_load_si512(b), b1 = (__m512bh)_mm512_load_si512(b + LANES);
#pragma GCC unroll 12
        for (int i = 0; i < rows; i++) {
            const __m512bh both = (__m512bh)_mm512_set1_epi32((int)a[i]);
            sum[i][0] = _mm512_dpbf16_ps(sum[i][0], both, b0);
            sum[i][1] = _mm512_dpbf16_ps(sum[i][1], both, b1);
        }
    }
    for (int i = 0; i < rows; i++, c += c_step) {
        if (addend.x) {
            const float *row = addend.x + (size_t)i * addend.row_step;
            sum[i][0] = _mm512_add_ps(sum[i][0], _mm512_maskz_loadu_ps(left, row));
            sum[i][1] = _mm512_add_ps(sum[i][1], _mm512_maskz_loadu_ps(right, row + LANES));
        }
        _mm512_mask_storeu_ps(c, left, sum[i][0]);
        _mm512_mask_storeu_ps(c + LANES, right, sum[i][1]);
    }
}

static void multiply_panels(int rows, int pairs, const bf16_pair *a, const bf16_pair *b, bf16_addend addend, float *c,
                            size_t c_step, int cols)
{
    // clang-format off
#define CASE(n) case n: multiply(n, pairs, a, b, addend, c, c_step, cols); break;
    switch (rows) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11)
        default: multiply(BF16_ROWS, pairs, a, b, addend, c, c_step, cols);
    }
    // clang-format on
#undef CASE
}

static void multiply_blocks(int m, int n, int pairs, const bf16_pair *a, const bf16_pair *b, bf16_addend addend,
                            float *c, size_t c_step)
{
    for (int j = 0; j < n; j += BF16_COLS)
        for (int i = 0; i < m; i += BF16_ROWS)
            multiply_panels(bf16_smaller(m - i, BF16_ROWS), pairs, a + (size_t)i * (size_t)pairs,
                            b + (size_t)j * (size_t)pairs, bf16_addend_at(addend, i, j), c + (size_t)i * c_step + j,
                            c_step, bf16_smaller(n - j, BF16_COLS));
}

static void pack_a(int m, int k, int pairs, const bf16_factor *a, int row, int col, bf16_pair *out)
{
    bf16_pack_lanes(k, pairs, m, BF16_ROWS, a->x + (size_t)row * a->row_step + (size_t)col * a->col_step, a->row_step,
                    a->col_step, out);
}

static const bf16_inner vectors = {2, BF16_ROWS, pack_a, multiply_blocks};

void bf16_pack(int k, int n, bf16_factor b, bf16_pair *packed)
{
    bf16_pack_for(&vectors, k, n, b, packed);
}

void bf16_gemm(int m, int n, int k, bf16_factor a, bf16_factor b, const bf16_pair *packed, bf16_addend addend, float *c,
               bf16_blocks *blocks)
{
    bf16_gemm_by(&vectors, m, n, k, a, b, packed, addend, c, blocks);
}
