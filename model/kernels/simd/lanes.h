/* lanes.h: vectors that may be incomplete, as the convolutions take the last channels of a pixel. */
#ifndef CAPTION_KERNELS_SIMD_LANES_H
#define CAPTION_KERNELS_SIMD_LANES_H

#include "model/kernels/simd/vector.h"

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const real *x, size_t lanes)
{
    return lanes == LANES ? vec_load(x) : vec_load_part(x, lanes, 0);
}

INLINE void store(real *x, size_t lanes, vec v)
{
    if (lanes == LANES)
        vec_store(x, v);
    else
        vec_store_part(x, lanes, v);
}

#endif
