/* cpu.h: the run-time choice of SIMD kernels; see cpu.c. */
#ifndef CAPTION_KERNELS_CPU_H
#define CAPTION_KERNELS_CPU_H

/* Looks at the CPU and at CAPTION_SIMD and picks the set of kernels that every later call uses. */
void cpu_choose_kernels(void);

#endif
