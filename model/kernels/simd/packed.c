/* packed.c: see kernels/packed.h.
 *
 * The inner loop takes one input k at a time: a few vectors of the panel, and each row's value, broadcast, times all of
 * them. With 32 registers a tile is 14 rows x 2 vectors or 9 x 3, with 16 it is 6 x 2 or 4 x 3; fewer rows run through
 * the same text with another constant. Rows are shared out evenly: 49 are 5, 5, 5, 5, 5, 6, 6, 6, 6 rather than eight
 * times 6 and a single one, which would wait for its own sums. A panel is read once for each tile of rows, from the
 * first cache as a rule; the panels of a product come one after the other, so weights pass through the caches once. */
#include "model/kernels/packed.h"

#include <stdint.h>

#include "model/kernels/simd/kernels.h"
#include "model/kernels/simd/lanes.h"

#if defined(__AVX512F__) || defined(__aarch64__)
enum { MAX_ROWS = 14, ROWS_OF_3 = 9 };
#else
enum { MAX_ROWS = 6, ROWS_OF_3 = 4 };
#endif

enum {
    LINE = 64 / sizeof(real),          /* numbers of a cache line */
    AHEAD = 192 * 1024 / sizeof(real), /* so far ahead weights are fetched: a share of the second cache */
};

enum { MAX_WIDTH = 3, STEM_ROW = 9, STEM_STEP = 6 /* numbers that a row of taps has, and that positions are apart */ };

static int vectors_of(int channels)
{
    return (channels + (int)LANES - 1) / (int)LANES;
}

size_t SIMD(packed_lanes)(void)
{
    return LANES;
}

/* ---- packing ----------------------------------------------------------------------------------------------------- */

size_t SIMD(packed_size)(int k, int n)
{
    return (size_t)(1 + k) * (size_t)vectors_of(n) * LANES;
}

size_t SIMD(packed_depthwise_size)(int kernel, int channels)
{
    return SIMD(packed_size)(kernel * kernel, channels);
}

/* Columns first.. of x [n], zeros behind the last, to out [width * LANES]. */
static void pack_row(int n, int first, int width, const real *x, real *out)
{
    for (int i = 0; i < width * (int)LANES; i++) {
        const int column = first * (int)LANES + i;
        out[i] = column < n ? x[column] : 0;
    }
}

static void pack_panel(int k, int n, int first, int width, const real *weight, const real *bias, real *panel)
{
    pack_row(n, first, width, bias, panel);
    for (int i = 0; i < k; i++)
        pack_row(n, first, width, weight + (size_t)i * (size_t)n, panel + (size_t)(1 + i) * (size_t)width * LANES);
}

void SIMD(packed_pack)(int k, int n, const real *weight, const real *bias, real *packed)
{
    const int vectors = vectors_of(n);
    for (int first = 0, width; first < vectors; first += width) {
        width = packed_panel_width(vectors, first);
        pack_panel(k, n, first, width, weight, bias, packed);
        packed += (size_t)(1 + k) * (size_t)width * LANES;
    }
}

void SIMD(packed_pack_depthwise)(int kernel, int channels, const real *weight, const real *bias, real *packed)
{
    for (int first = 0; first < vectors_of(channels); first++) {
        pack_panel(kernel * kernel, channels, first, 1, weight, bias, packed);
        packed += (size_t)(1 + kernel * kernel) * LANES;
    }
}

/* A panel's part of each row back to its columns. */
static void unpack_panel(int k, int n, int first, int width, const real *panel, real *weight, real *bias)
{
    const int column = first * (int)LANES, columns = n - column < width * (int)LANES ? n - column : width * (int)LANES;
    memcpy(bias + column, panel, (size_t)columns * sizeof *bias);
    for (int i = 0; i < k; i++)
        memcpy(weight + (size_t)i * (size_t)n + column, panel + (size_t)(1 + i) * (size_t)width * LANES,
               (size_t)columns * sizeof *weight);
}

void SIMD(packed_unpack_weight)(int k, int n, const real *packed, real *weight, real *bias)
{
    const int vectors = vectors_of(n);
    for (int first = 0, width; first < vectors; first += width) {
        width = packed_panel_width(vectors, first);
        unpack_panel(k, n, first, width, packed, weight, bias);
        packed += (size_t)(1 + k) * (size_t)width * LANES;
    }
}

void SIMD(packed_unpack_depthwise)(int kernel, int channels, const real *packed, real *weight, real *bias)
{
    for (int first = 0; first < vectors_of(channels); first++) {
        unpack_panel(kernel * kernel, channels, first, 1, packed, weight, bias);
        packed += (size_t)(1 + kernel * kernel) * LANES;
    }
}

/* ---- the end of a tile ------------------------------------------------------------------------------------------- */

INLINE vec end_with(packed_ending ending, vec sum, const real *out)
{
    return ending == PACKED_SWISH ? vec_swish(sum) : ending == PACKED_ADD ? sum + vec_load(out) : sum;
}

INLINE void end_rows(packed_ending ending, int rows, int width, const vec *tile, int row, const packed_target *t)
{
    const int y = row / t->line;
    real *line = t->out + (size_t)y * t->line_step;
    for (int i = 0, x = row - y * t->line; i < rows; i++, x++, tile += width) {
        if (x == t->line) {
            x = 0;
            line += t->line_step;
        }
        real *out = line + (size_t)x * t->position_step;
        for (int v = 0; v < width; v++, out += t->plane_step)
            vec_store(out, end_with(ending, tile[v], out));
    }
}

/* tile [rows][width], rows row.. of the product, to memory. */
static __attribute__((noinline)) void end_tile(int rows, int width, const vec *tile, int row, const packed_target *t)
{
    if (t->ending == PACKED_SWISH)
        end_rows(PACKED_SWISH, rows, width, tile, row, t);
    else if (t->ending == PACKED_ADD)
        end_rows(PACKED_ADD, rows, width, tile, row, t);
    else
        end_rows(PACKED_PLAIN, rows, width, tile, row, t);
}

/* ---- a tile ------------------------------------------------------------------------------------------------------ */

/* What a tile multiplies: value i of its row r at a[r * (distance of rows) + i] for the first `run` of k, the next run
 * `jump` numbers further on. Meanwhile it fetches weights that come later, from `ahead` on, `lines` cache lines a run.
 */
typedef struct rows_in {
    const real *a;
    size_t jump;
    int k;
    const real *ahead;
    int lines;
} rows_in;

INLINE const real *fetch(const real *ahead, int lines)
{
    for (int i = 0; i < lines; i++, ahead += LINE)
        __builtin_prefetch(ahead, 0, 2);
    return ahead;
}

/* One input after another, `n` of them, into the sums of a tile. */
INLINE const real *add_products(int rows, int width, int distance, int n, const real *a, const real *panel,
                                vec sum[MAX_ROWS][MAX_WIDTH])
{
#pragma GCC unroll 2
    for (int j = 0; j < n; j++, panel += width * (int)LANES) {
        vec w[MAX_WIDTH];
#pragma GCC unroll 3
        for (int v = 0; v < width; v++)
            w[v] = vec_load(panel + v * (int)LANES);
#pragma GCC unroll 14
        for (int r = 0; r < rows; r++) {
            const vec x = vec_all(a[r * distance + j]);
#pragma GCC unroll 3
            for (int v = 0; v < width; v++)
                sum[r][v] += x * w[v];
        }
    }
    return panel;
}

/* tile [rows][width] = bias + the products; all but the pointers are constants. */
INLINE void multiply(int rows, int width, int distance, int run, const rows_in *in, const real *panel, vec *tile)
{
    vec sum[MAX_ROWS][MAX_WIDTH];
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < width; v++)
            sum[r][v] = vec_load(panel + v * (int)LANES);
    panel += width * (int)LANES;
    const real *a = in->a;
    const real *ahead = in->ahead;
    int k = in->k;
    for (; k >= run; k -= run, a += in->jump) {
        ahead = fetch(ahead, in->lines);
        panel = add_products(rows, width, distance, run, a, panel, sum);
    }
    if (k > 0)
        add_products(rows, width, distance, k, a, panel, sum);
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 3
        for (int v = 0; v < width; v++)
            tile[r * width + v] = sum[r][v];
}

/* The number of rows as a constant. */
INLINE void multiply_rows(int rows, int width, int distance, int run, const rows_in *in, const real *panel, vec *tile)
{
    // clang-format off
#define CASE(n) case n: multiply(n, width, distance, run, in, panel, tile); break;
    switch (rows) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
#if defined(__AVX512F__) || defined(__aarch64__)
        CASE(7) CASE(8) CASE(9)
        default: break;
    }
    if (width < MAX_WIDTH)
        switch (rows) { CASE(10) CASE(11) CASE(12) CASE(13) CASE(14)
#endif
        default: break;
    }
        // clang-format on
#undef CASE
}

static void multiply_planes(int rows, int width, const rows_in *in, const real *panel, vec *tile)
{
    if (width == 2)
        multiply_rows(rows, 2, LANES, LANES, in, panel, tile);
    else if (width == 3)
        multiply_rows(rows, 3, LANES, LANES, in, panel, tile);
    else
        multiply_rows(rows, 1, LANES, LANES, in, panel, tile);
}

/* A stem has an even number of vectors, or one. */
static void multiply_taps(int rows, int width, const rows_in *in, const real *panel, vec *tile)
{
    if (width == 2)
        multiply_rows(rows, 2, STEM_STEP, STEM_ROW, in, panel, tile);
    else if (width == 3)
        multiply_rows(rows, 3, STEM_STEP, STEM_ROW, in, panel, tile);
    else
        multiply_rows(rows, 1, STEM_STEP, STEM_ROW, in, panel, tile);
}

/* Cache lines of a panel that each of `tiles` fetches in a run of LANES inputs, so that together they fetch as much as
 * they read. */
static int lines_a_run(int width, int tiles)
{
    const int lines = width * (int)(LANES * LANES) / LINE;
    return (lines + tiles - 1) / tiles;
}

/* m rows in as few tiles as possible, of as equal heights as possible; distance: between the values of rows. */
INLINE void product(int m, int n, int distance, const rows_in *all, const real *packed, const packed_target *target,
                    void (*tile_of)(int rows, int width, const rows_in *in, const real *panel, vec *tile))
{
    const int vectors = vectors_of(n);
    packed_target t = *target;
    for (int first = 0, width; first < vectors; first += width) {
        width = packed_panel_width(vectors, first);
        const int most = width == MAX_WIDTH ? ROWS_OF_3 : MAX_ROWS, tiles = (m + most - 1) / most;
        for (int i = 0, row = 0, rows; i < tiles; i++, row += rows) {
            vec tile[MAX_ROWS * MAX_WIDTH];
            const int lines = lines_a_run(width, tiles);
            const rows_in in = {all->a + (size_t)row * (size_t)distance, all->jump, all->k,
                                packed + AHEAD + i * lines * LINE * (all->k / (int)LANES), lines};
            rows = m / tiles + (i < m % tiles);
            tile_of(rows, width, &in, packed, tile);
            end_tile(rows, width, tile, row, &t);
        }
        packed += (size_t)(1 + all->k) * (size_t)width * LANES;
        t.out += (size_t)width * t.plane_step;
    }
}

void SIMD(packed_product)(int m, int k, int n, const real *a, size_t plane_step, const real *packed,
                          const packed_target *target)
{
    const rows_in in = {.a = a, .jump = plane_step, .k = k};
    product(m, n, LANES, &in, packed, target, multiply_planes);
}

void SIMD(packed_stem)(int cols, int n, const real *in, size_t row_size, const real *packed,
                       const packed_target *target)
{
    const rows_in taps = {.a = in, .jump = row_size, .k = 3 * STEM_ROW};
    product(cols, n, STEM_STEP, &taps, packed, target, multiply_taps);
}

/* ---- depthwise --------------------------------------------------------------------------------------------------- */

enum { PIXELS = 7 }; /* divides every map width of a 224-pixel image (112 .. 7), and leaves room for the operands */

/* `pixels` neighbouring outputs; returns their sum. */
INLINE vec depthwise_step(int kernel, int stride, int pixels, const real *in, size_t row_size, const real *packed,
                          real *out)
{
    vec acc[PIXELS], total = vec_all(0);
    for (int p = 0; p < pixels; p++)
        acc[p] = vec_load(packed);
    for (int ky = 0; ky < kernel; ky++, in += row_size)
        for (int kx = 0; kx < kernel; kx++) {
            const vec w = vec_load(packed += LANES);
            for (int p = 0; p < pixels; p++)
                acc[p] += w * vec_load(in + (p * stride + kx) * (int)LANES);
        }
    for (int p = 0; p < pixels; p++) {
        const vec y = vec_swish(acc[p]);
        total += y;
        vec_store(out + p * (int)LANES, y);
    }
    return total;
}

INLINE void depthwise(int kernel, int stride, const convolution_shape *s, const real *in, const real *packed, real *out,
                      real *sum)
{
    const size_t row_size = (size_t)((s->cols - 1) * stride + kernel) * LANES;
    vec total = vec_load(sum);
    fetch(packed + AHEAD, (int)((1 + kernel * kernel) * LANES / LINE));
    for (int y = 0; y < s->rows; y++) {
        const real *row = in + (size_t)(y * stride) * row_size;
        vec row_sum = vec_all(0);
        int x = 0;
        for (; x + PIXELS <= s->cols; x += PIXELS, out += PIXELS * LANES)
            row_sum +=
                depthwise_step(kernel, stride, PIXELS, row + (size_t)(x * stride) * LANES, row_size, packed, out);
        for (; x < s->cols; x++, out += LANES)
            row_sum += depthwise_step(kernel, stride, 1, row + (size_t)(x * stride) * LANES, row_size, packed, out);
        total += row_sum;
    }
    vec_store(sum, total);
}

void SIMD(packed_depthwise)(const convolution_shape *s, const real *in, const real *packed, real *out, real *sum)
{
    if (s->kernel == 3 && s->stride == 1)
        depthwise(3, 1, s, in, packed, out, sum);
    else if (s->kernel == 3 && s->stride == 2)
        depthwise(3, 2, s, in, packed, out, sum);
    else if (s->kernel == 5 && s->stride == 1)
        depthwise(5, 1, s, in, packed, out, sum);
    else if (s->kernel == 5 && s->stride == 2)
        depthwise(5, 2, s, in, packed, out, sum);
    else
        depthwise(s->kernel, s->stride, s, in, packed, out, sum);
}

/* ---- the gate, and back to plain maps ---------------------------------------------------------------------------- */

void SIMD(packed_scale)(int k, int n, const real *packed, const real *gate, real *scaled)
{
    const int vectors = vectors_of(n);
    for (int first = 0, width; first < vectors; first += width) {
        width = packed_panel_width(vectors, first);
        for (int i = 0; i <= k; i++) /* row 0 is the bias */
            for (int v = 0; v < width; v++, packed += LANES, scaled += LANES)
                vec_store(scaled, vec_load(packed) * (i == 0 ? 1 : gate[i - 1]));
    }
}

void SIMD(packed_scale_planes)(int channels, int positions, const real *gate, real *a)
{
    for (int plane = 0; plane < vectors_of(channels); plane++, gate += LANES)
        for (int i = 0; i < positions; i++, a += LANES)
            vec_store(a, vec_load(a) * vec_load(gate));
}

void SIMD(packed_unpack)(int channels, int positions, const real *planes, real *map)
{
    for (int i = 0; i < positions; i++, map += channels)
        for (int c = 0; c < channels; c += (int)LANES) {
            const int n = channels - c < (int)LANES ? channels - c : (int)LANES;
            memcpy(map + c, planes + (size_t)c * (size_t)positions + (size_t)i * LANES, (size_t)n * sizeof *map);
        }
}
