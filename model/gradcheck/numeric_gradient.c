/* numeric_gradient.c: central differences, (f(x + h) - f(x - h)) / 2h, for each element of an input, weighted by dy
 * and compared with the analytic gradient. */
#include "model/gradcheck/numeric_gradient.h"

#include <math.h>
#include <string.h>

/* sum_j dy_j (y_j(x + h) - y_j(x - h)) / 2h */
static double central_difference(const numeric_function *f, double *x, double h, double *above)
{
    double middle = *x, sum = 0;
    *x = middle + h;
    f->evaluate(f->context);
    memcpy(above, f->y, f->outputs * sizeof *above);
    *x = middle - h;
    f->evaluate(f->context);
    *x = middle;
    for (size_t j = 0; j < f->outputs; j++)
        sum += f->dy[j] * (above[j] - f->y[j]);
    return sum / (2 * h);
}

void numeric_gradient(const numeric_function *f, size_t n, double *x, double h, double *dx, double *scratch)
{
    for (size_t i = 0; i < n; i++)
        dx[i] = (4 * central_difference(f, x + i, h, scratch) - central_difference(f, x + i, 2 * h, scratch)) / 3;
}

double numeric_relative_error(size_t n, const double *a, const double *b)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double error = fabs(a[i] - b[i]) / fmax(1e-8, fabs(a[i]) + fabs(b[i]));
        if (!isfinite(error))
            return INFINITY;
        worst = fmax(worst, error);
    }
    return worst;
}
