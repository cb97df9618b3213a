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
