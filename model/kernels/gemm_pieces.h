/* gemm_pieces.h: gemm for the thin matrices of 1x1 convolutions.
 *
 * OpenBLAS normally copies (packs) both factors into a layout of its own before it multiplies. For a product as thin as
 * [12544, 16] x [16, 96] the copying costs up to a third of the time. On cores with AVX-512 it has kernels that read
 * the factors where they lie, but takes them only up to m n k = 10^6; so this cuts the product into pieces of that
 * size: blocks of rows, or, where a few rows are too many already, panels of columns. On other cores it is one plain
 * call. */
#ifndef CAPTION_KERNELS_GEMM_PIECES_H
#define CAPTION_KERNELS_GEMM_PIECES_H

#include "model/kernels/gemm.h"

/* C [m, n] = A [m, k] B [k, n] + beta C, row-major and dense. Thread-safe. */
#ifdef REAL_IS_DOUBLE
#define gemm_pieces gemm
#else
void gemm_pieces(int m, int n, int k, const float *a, const float *b, float beta, float *c);
#endif

#endif
