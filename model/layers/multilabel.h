/* multilabel.h: several classes may apply at once: a logistic regression a class, over one set of features.
 *
 *     p      = sigmoid(x W + b)                                          (N,D)(D,C)
 *     loss   = -1/N sum over images and classes of  y log p + (1 - y) log(1 - p)
 *     dlogit = (p - y) / N           of the loss;     dp p (1 - p)       of a gradient dp of the probabilities */
#ifndef CAPTION_LAYERS_MULTILABEL_H
#define CAPTION_LAYERS_MULTILABEL_H

#include "model/real.h"

/* p [rows, classes] of x [rows, inputs]. */
void X(multilabel_forward)(int rows, int inputs, int classes, const real *x, const real *w, const real *b, real *p);

/* dp [rows, classes]: in, the gradient of p; out, that of the logits. dx is overwritten, dw and db are added to; each
 * may be NULL. */
void X(multilabel_backward)(int rows, int inputs, int classes, const real *x, const real *w, const real *p, real *dp,
                            real *dx, real *dw, real *db);

/* The loss for labels y [rows, classes] between 0 and 1; dlogit [rows, classes] becomes its gradient, for
 * affine_backward. */
real X(multilabel_loss)(int rows, int classes, const real *p, const real *y, real *dlogit);

#endif
