/* gemm_amx.h: the products of bf16/gemm_bf16.h on tiles (Intel AMX): one tdpbf16ps multiplies 16 rows of 32 bfloat16 by
 * 32 rows of 16 columns, 8 times the rate of vdpbf16ps. For CPUs with AMX-BF16 alone, and processes that asked the
 * kernel for the tiles: cpu_bf16_kernels does both.
 *
 * B is packed as there: pairs of neighbours in k side by side are what a tile wants. A is packed row by row in tiles.
 * Sums begin with the addend. What is smaller than the smallest normal float counts as 0, as in vdpbf16ps. */
#ifndef CAPTION_KERNELS_GEMM_AMX_H
#define CAPTION_KERNELS_GEMM_AMX_H

#include "model/kernels/bf16/gemm_bf16.h"

void amx_pack(int k, int n, bf16_factor b, bf16_pair *packed);
void amx_gemm(int m, int n, int k, bf16_factor a, bf16_factor b, const bf16_pair *packed, bf16_addend addend, float *c,
              bf16_blocks *blocks);

#endif
