/* vector.h: the vector type of one instruction set, and the few operations that every kernel here is made of.
 *
 * Sources in this directory use GCC/clang vector extensions instead of intrinsics, so that one text serves SSE2, AVX2,
 * AVX-512 and NEON. Each is compiled once a set (-DSIMD_SET=avx2 gives every kernel the suffix _f_avx2) and once with
 * -DREAL_IS_DOUBLE (suffix _d), where `vec` is two doubles and the elementary functions are libm's: the same loops,
 * with the precision that gradient checks need. */
#ifndef CAPTION_KERNELS_SIMD_VECTOR_H
#define CAPTION_KERNELS_SIMD_VECTOR_H

#ifdef __x86_64__
#include <immintrin.h>
#endif
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "model/real.h"

#ifdef REAL_IS_DOUBLE
#define SIMD(name) X(name)
#else
#define SIMD_PASTE(name, set) name##_##set
#define SIMD_EXPAND(name, set) SIMD_PASTE(name, set)
#define SIMD(name) SIMD_EXPAND(X(name), SIMD_SET)
#endif

#if defined(REAL_IS_DOUBLE)
#define VECTOR_BYTES 16
typedef int64_t lane;
#else
#if defined(__AVX512F__)
#define VECTOR_BYTES 64
#elif defined(__AVX2__)
#define VECTOR_BYTES 32
#else
#define VECTOR_BYTES 16
#endif
typedef int32_t lane;
#endif

enum { LANES = VECTOR_BYTES / sizeof(real) };

typedef real vec __attribute__((vector_size(VECTOR_BYTES)));
typedef lane mask __attribute__((vector_size(VECTOR_BYTES))); /* a comparison's result: all ones or all zeros */
typedef real vec_unaligned __attribute__((vector_size(VECTOR_BYTES), aligned(sizeof(real)), may_alias));

static inline vec vec_load(const real *x)
{
    return *(const vec_unaligned *)x;
}
static inline void vec_store(real *x, vec v)
{
    *(vec_unaligned *)x = v;
}
static inline vec vec_all(real x)
{
    return x - (vec){0};
}

/* The last n < LANES elements of a row, the other lanes holding `fill`. */
static inline vec vec_load_part(const real *x, size_t n, real fill)
{
    vec v = vec_all(fill);
    memcpy(&v, x, n * sizeof *x);
    return v;
}

static inline void vec_store_part(real *x, size_t n, vec v)
{
    memcpy(x, &v, n * sizeof *x);
}

static inline vec vec_select(mask choose, vec a, vec b)
{
    return (vec)(((mask)a & choose) | ((mask)b & ~choose));
}

/* The smaller and the larger of both; a NaN in `a` stays. GCC does not find the instruction in a comparison and a
 * selection, so on x86 it is named: it gives its second operand if either is a NaN. */
#if defined(__x86_64__) && !defined(REAL_IS_DOUBLE)
#if VECTOR_BYTES == 64
#define X86(name) _mm512_##name##_ps
#elif VECTOR_BYTES == 32
#define X86(name) _mm256_##name##_ps
#else
#define X86(name) _mm_##name##_ps
#endif
static inline vec vec_min(vec a, vec limit)
{
    return X86(min)(limit, a);
}
static inline vec vec_max(vec a, vec limit)
{
    return X86(max)(limit, a);
}
#undef X86
#else
static inline vec vec_min(vec a, vec limit)
{
    return vec_select(a > limit, limit, a);
}
static inline vec vec_max(vec a, vec limit)
{
    return vec_select(a < limit, limit, a);
}
#endif

static inline real vec_sum(vec v)
{
    real sum = 0;
    for (int i = 0; i < LANES; i++)
        sum += v[i];
    return sum;
}

#ifdef REAL_IS_DOUBLE

static inline vec vec_exp(vec x)
{
    for (int i = 0; i < LANES; i++)
        x[i] = exp(x[i]);
    return x;
}

static inline vec vec_tanh(vec x)
{
    for (int i = 0; i < LANES; i++)
        x[i] = tanh(x[i]);
    return x;
}

static inline vec vec_sigmoid(vec x)
{
    return 1 / (1 + vec_exp(-x));
}

static inline vec vec_swish(vec x)
{
    return x * vec_sigmoid(x);
}
#else

/* e^x = 2^k e^r with k = round(x / ln 2) and |r| <= ln(2)/2; e^r by the degree 6 polynomial of least relative error
 * (Remez: 1.9e-9). Adding `rounding` = 1.5 * 2^23 + 127 leaves k + 127 in the low bits of the sum, which shifted by 23
 * are 2^k as they stand. The ends of the range come out by themselves: k = -127 makes the factor 0 (below e^-87.6),
 * k = 128 makes it infinite (above e^88.3). ln 2 is split so that k * ln2_high is exact without FMA too. */
static inline vec vec_exp(vec x)
{
    const real ln2_high = 0.693359375f, ln2_low = -2.12194440e-4f, log2_e = 1.44269504f;
    const vec rounding = vec_all(12583039.f);

    x = vec_max(vec_min(x, vec_all(88.7f)), vec_all(-88));
    vec shifted = x * log2_e + rounding;
    vec k = shifted - rounding;
    vec r = x - k * ln2_high - k * ln2_low;
    vec p = r * 1.38367421e-3f + 8.37489869e-3f;
    p = p * r + 4.16682325e-2f;
    p = p * r + 0.166664198f;
    p = p * r + 0.499999911f;
    p = p * r + 1;
    p = p * r + 1;
    return p * (vec)((mask)shifted << 23);
}

/* tanh |x| = 1 - 2 / (e^2|x| + 1), which cancels near 0; there the odd polynomial x + x^3 P(x^2) of least relative
 * error on [0, 0.625] (Remez: 4.4e-9). The sign is put back at the end: the function is odd. */
static inline vec vec_tanh(vec x)
{
    const mask sign_bit = (mask)vec_all(-0.f);
    vec a = (vec)((mask)x & ~sign_bit), square = a * a;
    vec p = square * -5.70498733e-3f + 2.0639088e-2f;
    p = p * square - 5.37397154e-2f;
    p = p * square + 0.133314416f;
    p = p * square - 0.333332807f;
    vec small = a + a * square * p;
    vec large = 1 - 2 / (vec_exp(a + a) + 1);
    return (vec)((mask)vec_select(a < (real)0.625, small, large) | ((mask)x & sign_bit));
}

/* 1 + e^-x = 1 + 2^k e^-r with k = round(-x / ln 2), as in vec_exp; e^-r by the degree 5 polynomial of least relative
 * error (Remez: 9.2e-8). ln 2 is the sum of two constants, as in vec_exp: with one, the result would depend on whether
 * the compiler made a product and a sum one operation. The sum is infinite from x = -88.4 down. */
static inline vec vec_one_plus_exp_minus(vec x)
{
    const real log2_e = 1.44269504f;
    const vec rounding = vec_all(12583039.f);

    x = vec_max(vec_min(x, vec_all(88)), vec_all(-88.7f));
    vec shifted = rounding - x * log2_e;
    vec k = shifted - rounding;
    vec r = x + k * 0.693359375f + k * -2.12194440e-4f;
    vec p = r * -8.29022937e-3f + 4.18983921e-2f;
    p = p * r - 0.166676402f;
    p = p * r + 0.499991447f;
    p = p * r - 0.999999702f;
    p = p * r + 1;
    return p * (vec)((mask)shifted << 23) + 1;
}

static inline vec vec_sigmoid(vec x)
{
    return 1 / vec_one_plus_exp_minus(x);
}

static inline vec vec_swish(vec x)
{
    return x / vec_one_plus_exp_minus(x);
}

#endif

/* s + x s (1 - s) = s + y (1 - s) with y = x s, the swish itself, which comes with it. */
static inline vec vec_swish_slope(vec x, vec *y)
{
    const vec s = vec_sigmoid(x);
    *y = x * s;
    return s + *y * (1 - s);
}

#endif
