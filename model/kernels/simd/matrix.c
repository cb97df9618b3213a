/* matrix.c: see kernels/matrix.h. Plain loops: the compiler vectorises them for the instruction set that this file is
 * compiled for, and memory, not arithmetic, is their limit. */
#include "model/kernels/matrix.h"

#include "model/kernels/simd/kernels.h"
#include "model/kernels/simd/vector.h"

void SIMD(scale_columns)(size_t rows, size_t cols, const real *x, const real *factor, real *out)
{
    for (size_t r = 0; r < rows; r++, x += cols, out += cols)
        for (size_t c = 0; c < cols; c++)
            out[c] = x[c] * factor[c];
}

void SIMD(scale_rows)(size_t rows, size_t cols, const real *x, const real *factor, real *out)
{
    for (size_t r = 0; r < rows; r++, x += cols, out += cols)
        for (size_t c = 0; c < cols; c++)
            out[c] = x[c] * factor[r];
}

void SIMD(add_to_rows)(size_t rows, size_t cols, real *x, const real *row)
{
    for (size_t r = 0; r < rows; r++, x += cols)
        for (size_t c = 0; c < cols; c++)
            x[c] += row[c];
}

void SIMD(sum_rows)(size_t rows, size_t cols, const real *x, real *sum)
{
    memset(sum, 0, cols * sizeof *sum);
    for (size_t r = 0; r < rows; r++, x += cols)
        for (size_t c = 0; c < cols; c++)
            sum[c] += x[c];
}

void SIMD(sum_products)(size_t rows, size_t cols, const real *a, const real *b, real *sum)
{
    memset(sum, 0, cols * sizeof *sum);
    for (size_t r = 0; r < rows; r++, a += cols, b += cols)
        for (size_t c = 0; c < cols; c++)
            sum[c] += a[c] * b[c];
}

void SIMD(scale_add_slope)(size_t rows, size_t cols, const real *x, const real *factor, const real *term,
                           const real *slope, real *out)
{
    for (size_t r = 0; r < rows; r++, x += cols, slope += cols, out += cols)
        for (size_t c = 0; c < cols; c++)
            out[c] = (x[c] * factor[c] + term[c]) * slope[c];
}

void SIMD(multiply)(size_t n, real *x, const real *factor)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= factor[i];
}
