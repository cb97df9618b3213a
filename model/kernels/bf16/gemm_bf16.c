/* gemm_bf16.c: see gemm_bf16.h. The loops are those of Goto & van de Geijn 2008: a block of B, then blocks of A that
 * stay in the second cache, then panels of B, then panels of A. */
#include "model/kernels/bf16/gemm_bf16.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum { LANES = 16 };

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

static int pairs_of(int k)
{
    return (k + 1) / 2;
}

/* The first n of 16 lanes; n may be negative or more than 16. */
static __mmask16 first_lanes(int n)
{
    return n >= LANES ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
}

/* ---- packing ----------------------------------------------------------------------------------------------------- */

/* 16 pairs: of each lane the first and the second float, rounded. */
INLINE __m512i zip_rounded(__m512 first, __m512 second)
{
    const __m512i evens = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(evens, (__m512i)_mm512_cvtne2ps_pbh(second, first));
}

/* Up to 16 columns of a factor whose k goes down the rows: x [k, width], `step` floats a row. The columns become lanes
 * of out [pairs, panel]; `room` lanes are written. */
static void pack_columns(int k, int width, int room, const float *x, size_t step, int panel, bf16_pair *out)
{
    const __mmask16 have = first_lanes(width), write = first_lanes(room);
    for (; k > 0; k -= 2, x += 2 * step, out += panel) {
        __m512 first = _mm512_maskz_loadu_ps(have, x);
        __m512 second = k > 1 ? _mm512_maskz_loadu_ps(have, x + step) : _mm512_setzero_ps();
        _mm512_mask_storeu_epi32(out, write, zip_rounded(first, second));
    }
}

/* Swaps lane j of row i with lane i of row j: first within blocks of 2, then of 4, 8 and 16 rows and lanes. */
INLINE void transpose(__m512i row[LANES])
{
    const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
#pragma GCC unroll 4
    for (int s = 1; s < LANES; s *= 2) {
        const __mmask16 upper = _mm512_test_epi32_mask(lane, _mm512_set1_epi32(s));
        const __m512i here = _mm512_mask_add_epi32(lane, upper, lane, _mm512_set1_epi32(LANES - s));
        const __m512i there =
            _mm512_mask_add_epi32(_mm512_add_epi32(lane, _mm512_set1_epi32(s)), upper, lane, _mm512_set1_epi32(LANES));
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            if (!(i & s)) {
                __m512i low = row[i], high = row[i + s];
                row[i] = _mm512_permutex2var_epi32(low, here, high);
                row[i + s] = _mm512_permutex2var_epi32(low, there, high);
            }
    }
}

/* Up to 16 rows of a factor whose k goes along the rows: x [width, k]. The rows become lanes, as above. */
static void pack_rows(int k, int width, int room, const float *x, size_t step, int panel, bf16_pair *out)
{
    const __mmask16 write = first_lanes(room);
    for (; k > 0; k -= 2 * LANES, x += 2 * LANES) {
        const __mmask16 low = first_lanes(k), high = first_lanes(k - LANES);
        __m512i row[LANES];
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++) {
            const float *from = x + (size_t)i * step;
            row[i] = i < width ? (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(high, from + LANES),
                                                              _mm512_maskz_loadu_ps(low, from))
                               : _mm512_setzero_si512();
        }
        transpose(row);
        for (int i = 0; i < smaller(pairs_of(k), LANES); i++, out += panel)
            _mm512_mask_storeu_epi32(out, write, row[i]);
    }
}

/* `count` lanes from `lane` on (rows of A, columns of B) become whole panels. lane_step, k_step: as in bf16_factor.
 * Where k goes down the rows, a few rows are packed into all panels before the next: a whole column at once would touch
 * a page of memory a row. */
static void pack_panels(int k, int count, int panel, const float *x, size_t lane_step, size_t k_step, bf16_pair *out)
{
    const int few = lane_step == 1 ? 2 * LANES : k;
    for (int p = 0; p < k; p += few)
        for (int i = 0; i < count; i += panel)
            for (int j = 0; j < panel; j += LANES) {
                const int room = smaller(panel - j, LANES), width = smaller(count - i - j, room);
                const float *from = x + (size_t)p * k_step + (size_t)(width > 0 ? i + j : 0) * lane_step;
                bf16_pair *to = out + (size_t)i * (size_t)pairs_of(k) + (size_t)(p / 2) * (size_t)panel + j;
                if (lane_step == 1)
                    pack_columns(smaller(few, k - p), width, room, from, k_step, panel, to);
                else
                    pack_rows(k, width, room, from, lane_step, panel, to);
            }
}

static void pack_a(int m, int k, const bf16_factor *a, int row, int col, bf16_pair *out)
{
    pack_panels(k, m, BF16_ROWS, a->x + (size_t)row * a->row_step + (size_t)col * a->col_step, a->row_step, a->col_step,
                out);
}

static void pack_b(int k, int n, const bf16_factor *b, int row, int col, bf16_pair *out)
{
    pack_panels(k, n, BF16_COLS, b->x + (size_t)row * b->row_step + (size_t)col * b->col_step, b->col_step, b->row_step,
                out);
}

/* k is cut into equal blocks, each even but the last. */
static int block_of_k(int k)
{
    int blocks = (k + BF16_BLOCK_K - 1) / BF16_BLOCK_K;
    return blocks > 1 ? 2 * ((k + 2 * blocks - 1) / (2 * blocks)) : k;
}

/* As many rows of A as the block has room for, the more the less often B passes by; whole panels. */
static int block_of_rows(int k)
{
    int rows = BF16_BLOCK_A / pairs_of(k);
    return rows - rows % BF16_ROWS;
}

void bf16_pack(int k, int n, bf16_factor b, bf16_pair *packed)
{
    const int block = block_of_k(k);
    for (int p = 0; p < k; p += block) {
        pack_b(smaller(block, k - p), n, &b, p, 0, packed);
        packed += bf16_packed_size(smaller(block, k - p), n);
    }
}

/* ---- the product ------------------------------------------------------------------------------------------------- */

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

static bf16_addend part(bf16_addend addend, int row, int col)
{
    if (addend.x)
        addend.x += (size_t)row * addend.row_step + (size_t)col;
    return addend;
}

/* Packed blocks: C [m, n] = or += A [m, k] B [k, n]. */
static void multiply_blocks(int m, int n, int k, const bf16_pair *a, const bf16_pair *b, bf16_addend addend, float *c,
                            size_t c_step)
{
    const size_t pairs = (size_t)pairs_of(k);
    for (int j = 0; j < n; j += BF16_COLS)
        for (int i = 0; i < m; i += BF16_ROWS)
            multiply_panels(smaller(m - i, BF16_ROWS), (int)pairs, a + (size_t)i * pairs, b + (size_t)j * pairs,
                            part(addend, i, j), c + (size_t)i * c_step + j, c_step, smaller(n - j, BF16_COLS));
}

void bf16_gemm(int m, int n, int k, bf16_factor a, bf16_factor b, const bf16_pair *packed, bf16_addend addend, float *c,
               bf16_blocks *blocks)
{
    const int step_k = block_of_k(k), step_n = packed ? n : BF16_BLOCK_COLS;
    for (int j = 0; j < n; j += step_n)
        for (int p = 0; p < k; p += step_k) {
            const int cols = smaller(n - j, step_n), depth = smaller(k - p, step_k);
            if (!packed)
                pack_b(depth, cols, &b, p, j, blocks->b);
            const int step_m = block_of_rows(depth);
            const bf16_addend more = p > 0 ? (bf16_addend){c, (size_t)n} : addend;
            for (int i = 0; i < m; i += step_m) {
                const int rows = smaller(m - i, step_m);
                pack_a(rows, depth, &a, i, p, blocks->a);
                multiply_blocks(rows, cols, depth, blocks->a, packed ? packed : blocks->b, part(more, i, j),
                                c + (size_t)i * (size_t)n + j, (size_t)n);
            }
            if (packed)
                packed += bf16_packed_size(depth, n);
        }
}
