/* mixed.h: mixed precision, as PyTorch's autocast has it: inside a scope, the large float products of this thread round
 * their factors to bfloat16 and sum in float (bf16/gemm_bf16.h). Everything else stays float: weights, gradients, sums,
 * states, losses. On a CPU with AVX512-BF16 a product takes half the time, on one with AMX tiles (amx/gemm_amx.h)
 * much less; on others nothing changes.
 *
 *     mixed *m;
 *     if (mixed_new(&m, n_parameters, &err)) ...
 *     mixed_begin(m, parameters, n_parameters);
 *     loss = decoder_loss_f(...);
 *     mixed_end();
 *
 * Each element of C is then off by up to about 2^-7 sum |a b|. The same products give the same bits on the same CPU
 * model; another one may round the sums otherwise. The scope is, with that of watch.h, the library's only state that a
 * call does not name: a thread-local pointer, because the layers between the trainer and gemm.h are shared with
 * captioning and with the gradient check in double, neither of which may ever get such a product. */
#ifndef CAPTION_KERNELS_MIXED_H
#define CAPTION_KERNELS_MIXED_H

#include <stddef.h>

#include "model/error.h"
#include "model/kernels/bf16/gemm_bf16.h"

typedef struct mixed mixed;

/* 1 if this CPU multiplies so (and CAPTION_SIMD does not rule it out). */
int mixed_available(void);

/* Bytes that the scratch memory for n constants takes. */
size_t mixed_size(size_t n);

/* Scratch memory for scopes with up to n constants, for one thread at a time; *out is NULL if the CPU lacks the
 * instructions. */
int mixed_new(mixed **out, size_t n, caption_error *err);
void mixed_free(mixed *m); /* NULL is allowed */

/* From here to mixed_end, which is to come on the same thread before another begin. What lies in constants [n] must not
 * change in between: as second factors such matrices are rounded and packed once for all products. NULL m: nothing. */
void mixed_begin(mixed *m, const float *constants, size_t n);
void mixed_end(void);

/* For gemm.h: the scope of this thread or NULL, and the product in it; 0 if it is too small to gain: nothing is done.
 */
extern _Thread_local mixed *mixed_scope;
int mixed_gemm(int m, int n, int k, bf16_factor a, bf16_factor b, bf16_addend addend, float *c);

#endif
