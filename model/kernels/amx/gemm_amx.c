/* gemm_amx.c: see gemm_amx.h. The inner loop keeps 32 x 32 sums in four tiles; two tiles of A and two of B are loaded
 * for every four products:
 *
 *                     B: tile 6   tile 7
 *     A: tile 4          0           1
 *        tile 5          2           3
 *
 * A thread's tiles are set up by each product and given back behind it, so that the kernel need not save them. */
#include "model/kernels/amx/gemm_amx.h"

#include <immintrin.h>

#include "model/kernels/bf16/pack.h"

#define INLINE static inline __attribute__((always_inline))

enum {
    SIDE = BF16_LANES,      /* rows of a tile; floats or pairs in one of its rows */
    TILE = SIDE * SIDE,     /* floats or pairs */
    ROW_BYTES = SIDE * 4,   /* of a tile */
    ROWS = 2 * SIDE,        /* of a panel of A */
    SOME_OF_B = 1 << 17,    /* pairs: 512 KB, which stay in the second cache with a block of A */
    TILES = 8,              /* that are there */
    B_STEP = BF16_COLS * 4, /* bytes from row to row in a panel of B */
};

/* What ldtilecfg reads. */
typedef struct tile_shapes {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_shapes;

static void take_tiles(void)
{
    tile_shapes shapes = {.palette = 1};
    for (int i = 0; i < TILES; i++) {
        shapes.row_bytes[i] = ROW_BYTES;
        shapes.rows[i] = SIDE;
    }
    _tile_loadconfig(&shapes);
}

/* The intrinsics do not tell the compiler that they read memory. */
static void settle_memory(void)
{
    __asm__ volatile("" ::: "memory");
}

/* One panel of A, one or two tiles high (`tall`), times one of B, one or two wide. sums: what C begins with, or NULL;
 * c: where it ends. */
INLINE void multiply_panel(int tall, int wide, int pairs, const bf16_pair *a, const bf16_pair *b, const float *sums,
                           size_t sums_step, float *c, size_t c_step)
{
    const bf16_pair *below = a + (size_t)SIDE * (size_t)pairs;
    const size_t from = sums_step * sizeof *sums, to = c_step * sizeof *c;
    settle_memory();
    if (sums) {
        _tile_loadd(0, sums, from);
        if (wide)
            _tile_loadd(1, sums + SIDE, from);
        if (tall)
            _tile_loadd(2, sums + SIDE * sums_step, from);
        if (tall && wide)
            _tile_loadd(3, sums + SIDE * sums_step + SIDE, from);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    const float *ahead = c;
    for (int p = 0; p < pairs; p += SIDE, a += TILE, below += TILE, b += SIDE * BF16_COLS) {
        for (int i = 0; i < 2 && p < ROWS / 2 * SIDE; i++, ahead += c_step) { /* C comes from far, and late */
            _mm_prefetch((const char *)ahead, _MM_HINT_T0);
            _mm_prefetch((const char *)(ahead + SIDE), _MM_HINT_T0);
        }
        _tile_loadd(6, b, B_STEP);
        _tile_loadd(4, a, ROW_BYTES);
        _tile_dpbf16ps(0, 4, 6);
        if (wide) {
            _tile_loadd(7, b + SIDE, B_STEP);
            _tile_dpbf16ps(1, 4, 7);
        }
        if (tall) {
            _tile_loadd(5, below, ROW_BYTES);
            _tile_dpbf16ps(2, 5, 6);
            if (wide)
                _tile_dpbf16ps(3, 5, 7);
        }
    }
    _tile_stored(0, c, to);
    if (wide)
        _tile_stored(1, c + SIDE, to);
    if (tall)
        _tile_stored(2, c + SIDE * c_step, to);
    if (tall && wide)
        _tile_stored(3, c + SIDE * c_step + SIDE, to);
    settle_memory();
}

/* C [rows < ROWS or cols < BF16_COLS] by way of whole tiles. */
static void multiply_edge(int rows, int cols, int pairs, const bf16_pair *a, const bf16_pair *b, bf16_addend addend,
                          float *c, size_t c_step)
{
    float whole[ROWS * BF16_COLS] __attribute__((aligned(64)));
    if (rows > SIDE && cols > SIDE)
        multiply_panel(1, 1, pairs, a, b, NULL, 0, whole, BF16_COLS);
    else if (rows > SIDE)
        multiply_panel(1, 0, pairs, a, b, NULL, 0, whole, BF16_COLS);
    else if (cols > SIDE)
        multiply_panel(0, 1, pairs, a, b, NULL, 0, whole, BF16_COLS);
    else
        multiply_panel(0, 0, pairs, a, b, NULL, 0, whole, BF16_COLS);
    for (int i = 0; i < rows; i++, c += c_step)
        for (int j = 0; j < cols; j++)
            c[j] = whole[i * BF16_COLS + j] + (addend.x ? addend.x[(size_t)i * addend.row_step + (size_t)j] : 0);
}

/* Panels of C are written some beside one another, then those below: one below the other, each row would be a page. */
static void multiply_blocks(int m, int n, int pairs, const bf16_pair *a, const bf16_pair *b, bf16_addend addend,
                            float *c, size_t c_step)
{
    const int some = BF16_COLS * (1 + SOME_OF_B / (BF16_COLS * pairs));
    take_tiles();
    for (int left = 0; left < n; left += some)
        for (int i = 0; i < m; i += ROWS)
            for (int j = left; j < bf16_smaller(n, left + some); j += BF16_COLS) {
                const bf16_pair *panel_a = a + (size_t)i * (size_t)pairs, *panel_b = b + (size_t)j * (size_t)pairs;
                const bf16_addend more = bf16_addend_at(addend, i, j);
                float *out = c + (size_t)i * c_step + j;
                if (m - i >= ROWS && n - j >= BF16_COLS)
                    multiply_panel(1, 1, pairs, panel_a, panel_b, more.x, more.row_step, out, c_step);
                else
                    multiply_edge(bf16_smaller(m - i, ROWS), bf16_smaller(n - j, BF16_COLS), pairs, panel_a, panel_b,
                                  more, out, c_step);
            }
    _tile_release();
}

static const bf16_inner tiles = {2 * SIDE, ROWS, bf16_pack_tiles, multiply_blocks};

void amx_pack(int k, int n, bf16_factor b, bf16_pair *packed)
{
    bf16_pack_for(&tiles, k, n, b, packed);
}

void amx_gemm(int m, int n, int k, bf16_factor a, bf16_factor b, const bf16_pair *packed, bf16_addend addend, float *c,
              bf16_blocks *blocks)
{
    bf16_gemm_by(&tiles, m, n, k, a, b, packed, addend, c, blocks);
}
