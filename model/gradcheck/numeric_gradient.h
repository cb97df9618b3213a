/* numeric_gradient.h: the derivative of a function by evaluating it nearby, to hold a backward pass against.
 *
 * The function maps an input array to outputs y; its derivative is taken along given output weights dy, as a backward
 * pass receives them: dx_i = sum_j dy_j d(y_j)/d(x_i),   d(y)/d(x) = (4 D(h) - D(2h)) / 3,   D(h) = (y(x + h) - y(x -
 * h)) / 2h D(h) is the central difference of the CS231n course. Its truncation error c h^2 cancels in the combination
 * (Richardson 1911), so that h may be large enough for rounding not to matter either: with h = 1e-3, 1e-13 instead of
 * the 1e-11 of D(1e-5). Differences are taken output by output before they are summed, which keeps digits that a
 * difference of two sums would lose. Always double. Thread-safe: no state. */
#ifndef CAPTION_NUMERIC_GRADIENT_H
#define CAPTION_NUMERIC_GRADIENT_H

#include <stddef.h>

typedef struct numeric_function {
    void (*evaluate)(void *context); /* reads the input array, overwrites y */
    void *context;
    size_t outputs;
    const double *y, *dy; /* [outputs] */
} numeric_function;

/* x [n] is an input of f; it is varied and restored. scratch [outputs]. */
void numeric_gradient(const numeric_function *f, size_t n, double *x, double h, double *dx, double *scratch);

/* max |a - b| / max(1e-8, |a| + |b|), the error of the CS231n course; infinite if any number is not finite. */
double numeric_relative_error(size_t n, const double *a, const double *b);

#endif
