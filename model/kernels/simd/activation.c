/* activation.c: tanh, sigmoid, swish and softmax over arrays; see kernels/activation.h for the equations.
 *
 * Each is one pass over memory. A row's last, incomplete vector takes the same path through a partial load, so that
 * there is one formula for every element. */
#include "model/kernels/activation.h"

#include "model/kernels/simd/kernels.h"
#include "model/kernels/simd/vector.h"

void SIMD(vector_tanh)(size_t n, real *x)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vec_store(x + i, vec_tanh(vec_load(x + i)));
    if (i < n)
        vec_store_part(x + i, n - i, vec_tanh(vec_load_part(x + i, n - i, 0)));
}

void SIMD(vector_sigmoid)(size_t n, real *x)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vec_store(x + i, vec_sigmoid(vec_load(x + i)));
    if (i < n)
        vec_store_part(x + i, n - i, vec_sigmoid(vec_load_part(x + i, n - i, 0)));
}

/* One swish is a long chain of dependent steps: so many at once keep the arithmetic units busy. */
enum { BATCH = 4 };

void SIMD(vector_bias_swish_slope)(size_t rows, size_t cols, const real *x, const real *bias, real *out, real *slope)
{
    for (size_t row = 0; row < rows; row++, x += cols, out += cols, slope += cols) {
        size_t i = 0;
        for (; i + BATCH * LANES <= cols; i += BATCH * LANES) {
            vec y[BATCH], d[BATCH];
            for (int k = 0; k < BATCH; k++)
                d[k] = vec_swish_slope(vec_load(x + i + k * LANES) + vec_load(bias + i + k * LANES), &y[k]);
            for (int k = 0; k < BATCH; k++) {
                vec_store(out + i + k * LANES, y[k]);
                vec_store(slope + i + k * LANES, d[k]);
            }
        }
        for (size_t left; i < cols; i += left) {
            vec y;
            left = cols - i < LANES ? cols - i : LANES;
            vec d = vec_swish_slope(vec_load_part(x + i, left, 0) + vec_load_part(bias + i, left, 0), &y);
            vec_store_part(out + i, left, y);
            vec_store_part(slope + i, left, d);
        }
    }
}

static real largest(size_t n, const real *x)
{
    vec top = vec_all(x[0]);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        top = vec_max(vec_load(x + i), top);
    if (i < n)
        top = vec_max(vec_load_part(x + i, n - i, x[0]), top);
    real max = top[0];
    for (int lane_index = 1; lane_index < LANES; lane_index++)
        max = top[lane_index] > max ? top[lane_index] : max;
    return max;
}

/* x = e^(x - max); returns the sum. The unused lanes of a partial vector are e^-infinity = 0. */
static real exponentials(size_t n, real *x, real max)
{
    vec sum = vec_all(0);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vec e = vec_exp(vec_load(x + i) - max);
        vec_store(x + i, e);
        sum += e;
    }
    if (i < n) {
        vec e = vec_exp(vec_load_part(x + i, n - i, -(real)INFINITY) - max);
        vec_store_part(x + i, n - i, e);
        sum += e;
    }
    return vec_sum(sum);
}

real SIMD(vector_softmax)(size_t n, real *x)
{
    if (n == 0)
        return -(real)INFINITY; /* log of an empty sum */
    real max = largest(n, x), sum = exponentials(n, x, max), scale = 1 / sum;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vec_store(x + i, vec_load(x + i) * scale);
    for (; i < n; i++)
        x[i] *= scale;
    return max + (real)log((double)sum);
}
