/* embedding.c: rows of a table by word, and the sum of their gradients (embedding.h). Compiled twice (real.h). */
#include "model/layers/embedding.h"

#include <string.h>

void X(embedding_forward)(int rows, int width, const int *ids, const real *table, real *y)
{
    for (int r = 0; r < rows; r++)
        memcpy(y + (size_t)r * width, table + (size_t)ids[r] * width, width * sizeof *y);
}

void X(embedding_backward)(int rows, int width, const int *ids, const real *dy, real *dtable)
{
    for (int r = 0; r < rows; r++) {
        real *row = dtable + (size_t)ids[r] * width;
        for (int j = 0; j < width; j++)
            row[j] += dy[(size_t)r * width + j];
    }
}
