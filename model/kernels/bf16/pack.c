/* pack.c: packs float matrices as pairs of bfloat16, in the order in which the products of gemm_bf16.c read them. */
#include "model/kernels/bf16/pack.h"

#include <immintrin.h>

#define INLINE static inline __attribute__((always_inline))

enum { LANES = BF16_LANES };

/* The first n of 16 lanes; n may be negative or more than 16. */
static __mmask16 first_lanes(int n)
{
    return n >= LANES ? 0xffff : n <= 0 ? 0 : (__mmask16)((1u << n) - 1);
}

static int rounded_up(int n, int step)
{
    return (n + step - 1) / step * step;
}

/* ---- vectors of pairs -------------------------------------------------------------------------------------------- */

/* 16 pairs: of each lane the first and the second float, rounded. */
INLINE __m512i zip_rounded(__m512 first, __m512 second)
{
    const __m512i evens = _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                                           21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return _mm512_permutexvar_epi16(evens, (__m512i)_mm512_cvtne2ps_pbh(second, first));
}

/* Of lanes that stand side by side: those of `have` in the first two of k rows, which may be none. */
INLINE __m512i pairs_down(int k, __mmask16 have, const float *x, size_t step)
{
    return zip_rounded(k > 0 ? _mm512_maskz_loadu_ps(have, x) : _mm512_setzero_ps(),
                       k > 1 ? _mm512_maskz_loadu_ps(have, x + step) : _mm512_setzero_ps());
}

/* The first 32 of k floats in a row. */
INLINE __m512i pairs_along(int k, const float *x)
{
    return (__m512i)_mm512_cvtne2ps_pbh(_mm512_maskz_loadu_ps(first_lanes(k - LANES), x + LANES),
                                        _mm512_maskz_loadu_ps(first_lanes(k), x));
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

/* ---- panels of lanes --------------------------------------------------------------------------------------------- */

/* Up to 16 lanes that stand side by side, k going down the rows: x [k, width], `step` floats a row. They become lanes
 * of out [pairs, panel]; `room` lanes are written. */
static void pack_columns(int k, int pairs, int width, int room, const float *x, size_t step, int panel, bf16_pair *out)
{
    const __mmask16 have = first_lanes(width), write = first_lanes(room);
    for (int i = 0; i < pairs; i++, k -= 2, x += 2 * step, out += panel)
        _mm512_mask_storeu_epi32(out, write, pairs_down(k, have, x, step));
}

/* Up to 16 lanes that stand below one another, k going along the rows: x [width, k]. */
static void pack_rows(int k, int pairs, int width, int room, const float *x, size_t step, int panel, bf16_pair *out)
{
    const __mmask16 write = first_lanes(room);
    for (; pairs > 0; pairs -= LANES, k -= 2 * LANES, x += 2 * LANES) {
        __m512i row[LANES];
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            row[i] = i < width ? pairs_along(k, x + (size_t)i * step) : _mm512_setzero_si512();
        transpose(row);
        for (int i = 0; i < bf16_smaller(pairs, LANES); i++, out += panel)
            _mm512_mask_storeu_epi32(out, write, row[i]);
    }
}

/* Where k goes down the rows, a few rows are packed into all panels before the next: a whole column at once would touch
 * a page of memory a row. */
void bf16_pack_lanes(int k, int pairs, int count, int panel, const float *x, size_t lane_step, size_t k_step,
                     bf16_pair *out)
{
    const int few = lane_step == 1 ? LANES : pairs;
    for (int p = 0; p < pairs; p += few)
        for (int i = 0; i < count; i += panel)
            for (int j = 0; j < panel; j += LANES) {
                const int room = bf16_smaller(panel - j, LANES), width = bf16_smaller(count - i - j, room);
                const float *from = x + (size_t)(2 * p) * k_step + (size_t)(width > 0 ? i + j : 0) * lane_step;
                bf16_pair *to = out + (size_t)i * (size_t)pairs + (size_t)p * (size_t)panel + j;
                if (lane_step == 1)
                    pack_columns(k - 2 * p, bf16_smaller(few, pairs - p), width, room, from, k_step, panel, to);
                else
                    pack_rows(k, pairs, width, room, from, lane_step, panel, to);
            }
}

/* ---- tiles ------------------------------------------------------------------------------------------------------- */

/* A tile of up to 16 rows and 32 of k, from x on; k_step as in bf16_factor. */
static void pack_tile(int height, int k, const float *x, size_t row_step, size_t k_step, bf16_pair *out)
{
    __m512i row[LANES];
    if (row_step == 1) {
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            row[i] = pairs_down(k - 2 * i, first_lanes(height), x + (size_t)(2 * i) * k_step, k_step);
        transpose(row);
    } else {
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            row[i] = i < height ? pairs_along(k, x + (size_t)i * row_step) : _mm512_setzero_si512();
    }
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        _mm512_store_si512(out + i * LANES, row[i]);
}

/* As above: what stands side by side is read side by side. */
void bf16_pack_tiles(int m, int k, int pairs, const bf16_factor *a, int row, int col, bf16_pair *out)
{
    const float *x = a->x + (size_t)row * a->row_step + (size_t)col * a->col_step;
    const int few = a->row_step == 1 ? LANES : pairs;
    for (int first = 0; first < pairs; first += few)
        for (int i = 0; i < m; i += LANES)
            for (int p = first; p < first + few; p += LANES)
                pack_tile(bf16_smaller(m - i, LANES), k - 2 * p,
                          x + (size_t)i * a->row_step + (size_t)(2 * p) * a->col_step, a->row_step, a->col_step,
                          out + (size_t)i * (size_t)pairs + (size_t)p * LANES);
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

/* k is cut into equal blocks, each a multiple of step_k but the last. */
static int block_of_k(const bf16_inner *inner, int k)
{
    const int blocks = (k + BF16_BLOCK_K - 1) / BF16_BLOCK_K;
    return blocks > 1 ? rounded_up((k + blocks - 1) / blocks, inner->step_k) : k;
}

static int pairs_of(const bf16_inner *inner, int k)
{
    return rounded_up(k, inner->step_k) / 2;
}

static size_t size_of_b(int pairs, int n)
{
    return (size_t)pairs * (size_t)rounded_up(n, BF16_COLS);
}

/* As many rows of A as the block has room for, the more the less often B passes by; whole panels. */
static int block_of_rows(const bf16_inner *inner, int pairs)
{
    const int rows = BF16_BLOCK_A / pairs;
    return rows - rows % inner->rows;
}

static void pack_b(int k, int pairs, int n, const bf16_factor *b, int row, int col, bf16_pair *out)
{
    bf16_pack_lanes(k, pairs, n, BF16_COLS, b->x + (size_t)row * b->row_step + (size_t)col * b->col_step, b->col_step,
                    b->row_step, out);
}

void bf16_pack_for(const bf16_inner *inner, int k, int n, bf16_factor b, bf16_pair *packed)
{
    const int block = block_of_k(inner, k);
    for (int p = 0; p < k; p += block) {
        const int depth = bf16_smaller(block, k - p), pairs = pairs_of(inner, depth);
        pack_b(depth, pairs, n, &b, p, 0, packed);
        packed += size_of_b(pairs, n);
    }
}

void bf16_gemm_by(const bf16_inner *inner, int m, int n, int k, bf16_factor a, bf16_factor b, const bf16_pair *packed,
                  bf16_addend addend, float *c, bf16_blocks *blocks)
{
    const int step_k = block_of_k(inner, k), step_n = packed ? n : BF16_BLOCK_COLS;
    for (int j = 0; j < n; j += step_n)
        for (int p = 0; p < k; p += step_k) {
            const int cols = bf16_smaller(n - j, step_n), depth = bf16_smaller(k - p, step_k);
            const int pairs = pairs_of(inner, depth), step_m = block_of_rows(inner, pairs);
            const bf16_addend more = p > 0 ? (bf16_addend){c, (size_t)n} : addend;
            if (!packed)
                pack_b(depth, pairs, cols, &b, p, j, blocks->b);
            for (int i = 0; i < m; i += step_m) {
                const int rows = bf16_smaller(m - i, step_m);
                inner->pack_a(rows, depth, pairs, &a, i, p, blocks->a);
                inner->multiply(rows, cols, pairs, blocks->a, packed ? packed : blocks->b, bf16_addend_at(more, i, j),
                                c + (size_t)i * (size_t)n + j, (size_t)n);
            }
            if (packed)
                packed += size_of_b(pairs, n);
        }
}
