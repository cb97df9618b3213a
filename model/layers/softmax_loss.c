/* softmax_loss.c: cross entropy over the vocabulary for every word of a batch, and its gradient in place: p - q
 * (softmax_loss.h). Compiled twice (real.h). */
#include "model/layers/softmax_loss.h"

#include <string.h>

#include "model/kernels/activation.h"

/* Eight partial sums, so that the compiler may use vectors without being allowed to reorder sums elsewhere. */
static real sum(int n, const real *x)
{
    real part[8] = {0}, total = 0;
    int i = 0;
    for (; i + 8 <= n; i += 8)
        for (int j = 0; j < 8; j++)
            part[j] += x[i + j];
    for (; i < n; i++)
        total += x[i];
    for (int j = 0; j < 8; j++)
        total += part[j];
    return total;
}

/* -sum_v q_v log p_v = log sum exp(score) - sum_v q_v score_v; row: in, the scores; out, scale (p - q). */
static real row_loss(int classes, real *row, int target, real smoothing, real scale)
{
    real share = smoothing / classes;
    real expected = (1 - smoothing) * row[target] + (smoothing > 0 ? share * sum(classes, row) : 0);
    real loss = X(vector_softmax)(classes, row) - expected;
    for (int v = 0; v < classes; v++)
        row[v] = (row[v] - share) * scale;
    row[target] -= (1 - smoothing) * scale;
    return loss;
}

real X(softmax_loss)(int rows, int classes, real *scores, const int *targets, const int *caption, const real *weights,
                     real smoothing, int n)
{
    double loss = 0; /* also in float: thousands of rows are added up */
    for (int r = 0; r < rows; r++) {
        real *row = scores + (size_t)r * classes, weight = weights ? weights[caption[r]] : 1;
        if (targets[r] == SOFTMAX_LOSS_NONE)
            memset(row, 0, classes * sizeof *row);
        else
            loss += weight * row_loss(classes, row, targets[r], smoothing, weight / n);
    }
    return (real)(loss / n);
}
