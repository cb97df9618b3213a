/* squeeze_excite.c: squeeze-and-excitation: two small affine layers between a mean and a sigmoid gate
 * (squeeze_excite.h). Compiled twice (real.h). */
#include "model/layers/squeeze_excite.h"

#include <string.h>

#include "model/kernels/activation.h"
#include "model/kernels/gemm.h"
#include "model/kernels/matrix.h"

void X(squeeze_excite_forward)(const X(squeeze_excite) *w, const real *mean, real *gate, real *gate_slope,
                               real *reduce_slope, real *reduced)
{
    const size_t channels = (size_t)w->channels;
    gemm(1, w->reduced, w->channels, mean, w->w_reduce, 0, reduced);
    X(vector_bias_swish_slope)(1, (size_t)w->reduced, reduced, w->b_reduce, reduced, reduce_slope);
    memcpy(gate, w->b_excite, channels * sizeof *gate);
    gemm(1, w->channels, w->reduced, reduced, w->w_excite, 1, gate);
    X(vector_sigmoid)(channels, gate);
    for (size_t c = 0; c < channels; c++)
        gate_slope[c] = gate[c] * (1 - gate[c]);
}

void X(squeeze_excite_backward)(const X(squeeze_excite) *w, const real *gate_slope, const real *reduce_slope,
                                real *dgate, real *dmean, real *reduced)
{
    X(multiply)((size_t)w->channels, dgate, gate_slope);
    gemm_nt(1, w->reduced, w->channels, dgate, w->w_excite, 0, reduced);
    X(multiply)((size_t)w->reduced, reduced, reduce_slope);
    gemm_nt(1, w->channels, w->reduced, reduced, w->w_reduce, 0, dmean);
}
