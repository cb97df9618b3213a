/* packed.h: matrix products and convolutions over maps that are kept in the order in which the registers want them.
 *
 * A map of `channels` at `positions` is kept as planes: [ceil(channels / lanes)][positions][lanes], a vector register
 * of channels a position, where lanes (packed_lanes) is what a vector of the instruction set holds. Neighbouring
 * positions of one plane lie side by side, so a product reads its rows, and a depthwise convolution its taps, at
 * constant distances; one position alone is a plain array. Channels that a last plane lacks are zeros wherever the
 * packed weights made them.
 *
 * A weight W [k, n] with its bias [n] is packed once, into panels of up to three vectors of columns:
 *
 *     panel: [1 + k][vectors][lanes]        row 0 the bias, row 1 + i what input i is multiplied by
 *
 * with two vectors a panel, the first with three if the number of vectors is odd, so that few registers lie idle. A
 * depthwise weight [kernel, kernel, channels] becomes [ceil(channels / lanes)][1 + kernel * kernel][lanes].
 *
 * The product keeps a tile of rows x vectors in registers over all of k, begins it with the bias, and ends it on its
 * way to memory: swish, or the sum with what is there (a residual). Thread-safe; nothing here allocates. */
#ifndef CAPTION_KERNELS_PACKED_H
#define CAPTION_KERNELS_PACKED_H

#include <stddef.h>

#include "model/kernels/convolution.h"
#include "model/real.h"

/* Channels of a plane. */
size_t X(packed_lanes)(void);

/* Numbers that packed weights take. */
size_t X(packed_size)(int k, int n);
size_t X(packed_depthwise_size)(int kernel, int channels);

/* weight [k, n], bias [n]; weight [kernel * kernel, channels], bias [channels]; packed: aligned to 64 bytes. */
void X(packed_pack)(int k, int n, const real *weight, const real *bias, real *packed);
void X(packed_pack_depthwise)(int kernel, int channels, const real *weight, const real *bias, real *packed);

/* The way back: the same numbers as were packed. */
void X(packed_unpack_weight)(int k, int n, const real *packed, real *weight, real *bias);
void X(packed_unpack_depthwise)(int kernel, int channels, const real *packed, real *weight, real *bias);

/* Vectors of the panel that begins with vector `first` of `vectors`, and where it begins. */
static inline int packed_panel_width(int vectors, int first)
{
    if (first == 0 && vectors % 2 == 1)
        return vectors < 3 ? vectors : 3;
    return 2;
}

typedef enum packed_ending { PACKED_PLAIN, PACKED_SWISH, PACKED_ADD } packed_ending;

/* Where results go: vector v of row i, with i = y * line + x, to out + v * plane_step + y * line_step +
 * x * position_step, so that rows can go into the middle of a frame, or into a map [positions, channels]. */
typedef struct packed_target {
    real *out;
    size_t plane_step, position_step, line_step;
    int line;
    packed_ending ending;
} packed_target;

/* out [m, n] = ending(A W + bias); a: planes of k channels, plane_step numbers apart. n is the whole of the packed
 * weights' or, with `packed` at a panel, that panel's. */
void X(packed_product)(int m, int k, int n, const real *a, size_t plane_step, const real *packed,
                       const packed_target *target);

/* One row of a dense 3x3 convolution with stride 2 over three colours: `in` points to the framed image
 * [.., row_size / 3, 3] where the row's first tap lies; cols outputs of n channels. packed: weight [27, n]. */
void X(packed_stem)(int cols, int n, const real *in, size_t row_size, const real *packed, const packed_target *target);

/* One plane of a depthwise convolution with bias and swish: in, framed as in convolution.h, out [rows, cols, lanes].
 * sum [lanes] gets the sum of each row's results added, row by row: squeeze-and-excitation wants the mean. */
void X(packed_depthwise)(const convolution_shape *shape, const real *in, const real *packed, real *out, real *sum);

/* Squeeze-and-excitation's gate [k] on either factor of a product: W's rows, or the planes of A in place. */
void X(packed_scale)(int k, int n, const real *packed, const real *gate, real *scaled);
void X(packed_scale_planes)(int channels, int positions, const real *gate, real *a);

/* Planes to a map [positions, channels]. */
void X(packed_unpack)(int channels, int positions, const real *planes, real *map);

#endif
