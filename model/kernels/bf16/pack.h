/* pack.h: what the products in bfloat16 share: rounding floats to pairs and bringing them into the order in which an
 * inner loop reads them, and the loops over blocks around it, those of Goto & van de Geijn 2008: a block of B, then
 * blocks of A that stay in the second cache, then panels of B, then panels of A. */
#ifndef CAPTION_KERNELS_PACK_H
#define CAPTION_KERNELS_PACK_H

#include "model/kernels/bf16/gemm_bf16.h"

enum { BF16_LANES = 16 }; /* pairs in a vector */

/* What one kind of inner loop wants. A block of k is padded with zeros to a multiple of step_k; `pairs` counts them. */
typedef struct bf16_inner {
    int step_k; /* even */
    int rows;   /* of a panel of A */
    /* A [m, k] from element (row, col) of the factor on: whole panels. */
    void (*pack_a)(int m, int k, int pairs, const bf16_factor *a, int row, int col, bf16_pair *out);
    /* C [m, n] = packed A [m, pairs] packed B [pairs, n] + addend */
    void (*multiply)(int m, int n, int pairs, const bf16_pair *a, const bf16_pair *b, bf16_addend addend, float *c,
                     size_t c_step);
} bf16_inner;

static inline int bf16_smaller(int a, int b)
{
    return a < b ? a : b;
}

/* The addend of an element further down and to the right. */
static inline bf16_addend bf16_addend_at(bf16_addend addend, int row, int col)
{
    if (addend.x)
        addend.x += (size_t)row * addend.row_step + (size_t)col;
    return addend;
}

/* `count` lanes from `lane` on (rows of A, columns of B) become panels [pairs, panel]. lane_step, k_step: as in
 * bf16_factor. */
void bf16_pack_lanes(int k, int pairs, int count, int panel, const float *x, size_t lane_step, size_t k_step,
                     bf16_pair *out);

/* Rows of A become tiles: panels of 16 rows [pairs / 16, 16, 16], each row of a tile 16 neighbouring pairs in k. */
void bf16_pack_tiles(int m, int k, int pairs, const bf16_factor *a, int row, int col, bf16_pair *out);

/* As bf16_kernels has them. */
void bf16_pack_for(const bf16_inner *inner, int k, int n, bf16_factor b, bf16_pair *packed);
void bf16_gemm_by(const bf16_inner *inner, int m, int n, int k, bf16_factor a, bf16_factor b, const bf16_pair *packed,
                  bf16_addend addend, float *c, bf16_blocks *blocks);

#endif
