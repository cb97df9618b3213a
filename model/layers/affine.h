/* affine.h: y = x W + b over any number of rows; with rows = T N it is CS231n assignment 3's temporal affine layer.
 *
 * Conventions of every layer: gradients of parameters are added to (+=), so that uses of one parameter sum up;
 * gradients of inputs are overwritten; a NULL gradient is not wanted and costs nothing. Layers allocate nothing and
 * keep no state. I: inputs, O: outputs. */
#ifndef CAPTION_LAYERS_AFFINE_H
#define CAPTION_LAYERS_AFFINE_H

#include "model/real.h"

/* x [rows, I], w [I, O], b [O]  ->  y [rows, O] */
void X(affine_forward)(int rows, int inputs, int outputs, const real *x, const real *w, const real *b, real *y);

/* dx = dy W^T,  dW += x^T dy,  db += sum of dy over rows.   dy [rows, O], dx [rows, I]; x may be NULL without dw. */
void X(affine_backward)(int rows, int inputs, int outputs, const real *x, const real *w, const real *dy, real *dx,
                        real *dw, real *db);

#endif
