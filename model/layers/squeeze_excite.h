/* squeeze_excite.h: squeeze-and-excitation (Hu et al. 2018): the mean of each channel decides how much of it passes.
 *
 *     g = sigmoid(W_excite^T r + b_excite),   r = swish(W_reduce^T m + b_reduce),   m = mean over positions
 *
 * E channels, R reduced. Conventions as in affine.h. */
#ifndef CAPTION_LAYERS_SQUEEZE_EXCITE_H
#define CAPTION_LAYERS_SQUEEZE_EXCITE_H

#include "model/real.h"

typedef struct X(squeeze_excite) {
    int channels, reduced;
    const real *w_reduce, *b_reduce; /* [E, R], [R] */
    const real *w_excite, *b_excite; /* [R, E], [E] */
} X(squeeze_excite);

/* mean [E]  ->  gate [E], and the slopes of both functions: gate_slope [E], reduce_slope [R]. reduced [R] is scratch.
 */
void X(squeeze_excite_forward)(const X(squeeze_excite) *w, const real *mean, real *gate, real *gate_slope,
                               real *reduce_slope, real *reduced);

/* dgate [E], destroyed  ->  dmean [E], overwritten. reduced [R] is scratch. */
void X(squeeze_excite_backward)(const X(squeeze_excite) *w, const real *gate_slope, const real *reduce_slope,
                                real *dgate, real *dmean, real *reduced);

#endif
