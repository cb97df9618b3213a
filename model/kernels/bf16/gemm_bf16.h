/* gemm_bf16.h: the product of two float matrices whose elements are rounded to bfloat16 (to nearest even) while their
 * products are summed up in float: vdpbf16ps, twice the rate of float. For CPUs with AVX512-BF16 alone: ask
 * cpu_bf16_kernels, which knows of a faster way too (amx/gemm_amx.h). mixed.h decides who multiplies so; everyone else
 * uses gemm.h.
 *
 * As in every fast GEMM, blocks of both factors are copied (packed) into the order in which the inner loop reads them,
 * here rounded on the way. Pairs of neighbours in k share 32 bits, which is what the instruction takes:
 *
 *     A: panels of BF16_ROWS rows,    [ceil(k/2), BF16_ROWS] pairs        B: panels of BF16_COLS columns, the same
 *
 * Rows and columns that a last panel lacks, and the second half of a last pair, are zeros. No function allocates. */
#ifndef CAPTION_KERNELS_GEMM_BF16_H
#define CAPTION_KERNELS_GEMM_BF16_H

#include <stddef.h>
#include <stdint.h>

enum {
    BF16_ROWS = 12,                        /* x BF16_COLS sums: 24 of the 32 registers */
    BF16_COLS = 32,                        /* two vectors */
    BF16_BLOCK_K = 1280,                   /* so long that few products pass over C twice; a multiple of 32 */
    BF16_BLOCK_A = 192 * BF16_BLOCK_K / 2, /* pairs: 480 KB, which stay in the second cache with a panel of B */
    BF16_BLOCK_COLS = 1280,                /* of B, a multiple of BF16_COLS */
};

typedef uint32_t bf16_pair; /* the element of smaller k in the low half */

/* Room to pack blocks into, 64-byte aligned. */
typedef struct bf16_blocks {
    bf16_pair a[BF16_BLOCK_A];
    bf16_pair b[BF16_BLOCK_COLS * BF16_BLOCK_K / 2];
} bf16_blocks;

/* Where a factor's element lies: of op(X)[row, col] at x[row * row_step + col * col_step]; one of the steps is 1. */
typedef struct bf16_factor {
    const float *x;
    size_t row_step, col_step;
} bf16_factor;

/* Number of pairs that the whole of a B [k, n] takes when packed, at most. */
static inline size_t bf16_packed_size(int k, int n)
{
    return (size_t)((k + 31) / 32 * 16) * (size_t)((n + BF16_COLS - 1) / BF16_COLS * BF16_COLS);
}

/* Packs the whole of B [k, n] for any number of products. packed: 64-byte aligned. */
void bf16_pack(int k, int n, bf16_factor b, bf16_pair *packed);

/* What is added to a product, by rows: C itself, one row (step 0) for all, or nothing (NULL). */
typedef struct bf16_addend {
    const float *x;
    size_t row_step;
} bf16_addend;

/* C [m, n] = A [m, k] B [k, n] + addend. packed: what bf16_pack made of B, or NULL. */
void bf16_gemm(int m, int n, int k, bf16_factor a, bf16_factor b, const bf16_pair *packed, bf16_addend addend, float *c,
               bf16_blocks *blocks);

/* The two, for who must not call them without asking: kernels/cpu.h. */
typedef struct bf16_kernels {
    const char *name; /* "avx512bf16", "amx" */
    void (*pack)(int k, int n, bf16_factor b, bf16_pair *packed);
    void (*gemm)(int m, int n, int k, bf16_factor a, bf16_factor b, const bf16_pair *packed, bf16_addend addend,
                 float *c, bf16_blocks *blocks);
} bf16_kernels;

#endif
