/* cpu.h: the run-time choice of SIMD kernels; see cpu.c. */
#ifndef CAPTION_KERNELS_CPU_H
#define CAPTION_KERNELS_CPU_H

#include "model/kernels/bf16/gemm_bf16.h"
#include "model/kernels/simd/kernels.h"

/* Looks at the CPU and at CAPTION_SIMD and picks the set of kernels that every later call uses. */
void cpu_choose_kernels(void);

/* The set that is chosen now. */
const simd_set *cpu_kernels(void);

/* The fastest products in bfloat16, or NULL if this CPU has no AVX512-BF16 or CAPTION_SIMD asks for a lesser set than
 * avx512. */
const bf16_kernels *cpu_bf16_kernels(void);

/* The i-th way to such products, slowest first, or NULL past the last. For tests, which try them all. */
const bf16_kernels *cpu_bf16_kernels_available(int i);

#endif
