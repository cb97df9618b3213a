/* real.h: one source, two precisions.
 *
 * Layers, the decoder and the generic kernels are written once over `real` and compiled twice, as FFTW does it:
 * float (suffix _f) trains and serves, double (suffix _d, -DREAL_IS_DOUBLE) proves the gradients, because central
 * differences reach 1e-8 only in float64. X(name) is the compiled name: X(rnn_forward) is rnn_forward_f or
 * rnn_forward_d. Code that needs one fixed precision includes the header under that precision. */
#ifndef CAPTION_REAL_H
#define CAPTION_REAL_H

#ifdef REAL_IS_DOUBLE
typedef double real;
#define X(name) name##_d
#else
typedef float real;
#define X(name) name##_f
#endif

#endif
