/* kernels.h: the list of every kernel that exists once an instruction set.
 *
 * One line a kernel: K(result, name, (parameters), (arguments)). From this list come the prototypes below, the
 * members of a simd_set and the dispatching functions in kernels/cpu.c, so that a kernel is added in one place. */
#ifndef CAPTION_KERNELS_SIMD_KERNELS_H
#define CAPTION_KERNELS_SIMD_KERNELS_H

#include <stddef.h>

#include "model/kernels/convolution.h"
#include "model/kernels/packed.h"

// clang-format off
#define SIMD_KERNELS(K)                                                                                                \
    K(void, vector_tanh, (size_t n, float *x), (n, x))                                                                 \
    K(void, vector_sigmoid, (size_t n, float *x), (n, x))                                                              \
    K(void, vector_bias_swish_slope, (size_t rows, size_t cols, const float *x, const float *bias, float *out,        \
      float *slope), (rows, cols, x, bias, out, slope))                                                                \
    K(float, vector_softmax, (size_t n, float *x), (n, x))                                                             \
    K(void, scale_columns, (size_t rows, size_t cols, const float *x, const float *factor, float *out),                \
      (rows, cols, x, factor, out))                                                                                    \
    K(void, scale_rows, (size_t rows, size_t cols, const float *x, const float *factor, float *out),                   \
      (rows, cols, x, factor, out))                                                                                    \
    K(void, add_to_rows, (size_t rows, size_t cols, float *x, const float *row), (rows, cols, x, row))                 \
    K(void, sum_rows, (size_t rows, size_t cols, const float *x, float *sum), (rows, cols, x, sum))                    \
    K(void, sum_products, (size_t rows, size_t cols, const float *a, const float *b, float *sum),                      \
      (rows, cols, a, b, sum))                                                                                         \
    K(void, scale_add_slope, (size_t rows, size_t cols, const float *x, const float *factor, const float *term,        \
      const float *slope, float *out), (rows, cols, x, factor, term, slope, out))                                      \
    K(void, multiply, (size_t n, float *x, const float *factor), (n, x, factor))                                       \
    K(size_t, packed_lanes, (void), ())                                                                                \
    K(size_t, packed_size, (int k, int n), (k, n))                                                                     \
    K(size_t, packed_depthwise_size, (int kernel, int channels), (kernel, channels))                                   \
    K(void, packed_pack, (int k, int n, const float *weight, const float *bias, float *packed),                        \
      (k, n, weight, bias, packed))                                                                                    \
    K(void, packed_pack_depthwise, (int kernel, int channels, const float *weight, const float *bias, float *packed),  \
      (kernel, channels, weight, bias, packed))                                                                        \
    K(void, packed_unpack_weight, (int k, int n, const float *packed, float *weight, float *bias),                     \
      (k, n, packed, weight, bias))                                                                                    \
    K(void, packed_unpack_depthwise, (int kernel, int channels, const float *packed, float *weight, float *bias),      \
      (kernel, channels, packed, weight, bias))                                                                        \
    K(void, packed_product, (int m, int k, int n, const float *a, size_t plane_step, const float *packed,              \
      const packed_target *target), (m, k, n, a, plane_step, packed, target))                                          \
    K(void, packed_stem, (int cols, int n, const float *in, size_t row_size, const float *packed,                      \
      const packed_target *target), (cols, n, in, row_size, packed, target))                                           \
    K(void, packed_depthwise, (const convolution_shape *shape, const float *in, const float *packed, float *out,       \
      float *sum), (shape, in, packed, out, sum))                                                                      \
    K(void, packed_scale, (int k, int n, const float *packed, const float *gate, float *scaled),                       \
      (k, n, packed, gate, scaled))                                                                                    \
    K(void, packed_scale_planes, (int channels, int positions, const float *gate, float *a),                           \
      (channels, positions, gate, a))                                                                                  \
    K(void, packed_unpack, (int channels, int positions, const float *planes, float *map),                             \
      (channels, positions, planes, map))                                                                              \
    K(void, convolution_bias_swish_slope, (const convolution_shape *shape, const float *in, const float *weight,       \
      const float *bias, float *out, float *slope), (shape, in, weight, bias, out, slope))                             \
    K(void, depthwise_bias_swish_slope, (const convolution_shape *shape, const float *in, const float *weight,         \
      const float *bias, float *out, float *slope, float *sums), (shape, in, weight, bias, out, slope, sums))          \
    K(void, depthwise_backward, (const convolution_shape *shape, int y, int left, int cols, size_t row_size,           \
      const float *dsum, const float *weight, const float *slope, float *din),                                         \
      (shape, y, left, cols, row_size, dsum, weight, slope, din))
// clang-format on

#define SIMD_PROTOTYPES(result, name, parameters, arguments)                                                           \
    result name##_f_baseline parameters;                                                                               \
    result name##_f_avx2 parameters;                                                                                   \
    result name##_f_avx512 parameters;
SIMD_KERNELS(SIMD_PROTOTYPES)

/* The kernels of one instruction set. */
typedef struct simd_set {
    const char *name; /* "baseline", "avx2", "avx512" */
#define SIMD_MEMBER(result, name, parameters, arguments) result(*name) parameters;
    SIMD_KERNELS(SIMD_MEMBER)
#undef SIMD_MEMBER
} simd_set;

/* The i-th set that this CPU can run, slowest first, or NULL past the last; 0 is always there. For tests, which
 * compare the sets with each other; everyone else calls vector_tanh_f and so on. Thread-safe. */
const simd_set *simd_set_available(size_t i);

#endif
