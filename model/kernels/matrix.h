/* matrix.h: element-wise kernels over a matrix x[rows, cols], one pass each. Thread-safe. */
#ifndef CAPTION_KERNELS_MATRIX_H
#define CAPTION_KERNELS_MATRIX_H

#include <stddef.h>

#include "model/real.h"

/* out[r, c] = x[r, c] * factor[c]; out may be x. */
void X(scale_columns)(size_t rows, size_t cols, const real *x, const real *factor, real *out);

/* out[r, c] = x[r, c] * factor[r]; out may be x. */
void X(scale_rows)(size_t rows, size_t cols, const real *x, const real *factor, real *out);

/* x[r, c] += row[c] */
void X(add_to_rows)(size_t rows, size_t cols, real *x, const real *row);

/* sum[c] = sum over r of x[r, c] */
void X(sum_rows)(size_t rows, size_t cols, const real *x, real *sum);

/* sum[c] = sum over r of a[r, c] * b[r, c] */
void X(sum_products)(size_t rows, size_t cols, const real *a, const real *b, real *sum);

/* out[r, c] = (x[r, c] * factor[c] + term[c]) * slope[r, c]; out may be x. */
void X(scale_add_slope)(size_t rows, size_t cols, const real *x, const real *factor, const real *term,
                        const real *slope, real *out);

/* x[i] *= factor[i] */
void X(multiply)(size_t n, real *x, const real *factor);

#endif
