/* measure.c: what the encoder's work amounts to, and how fast this machine could do it at best. */
#include <stdlib.h>

#include "model/caption.h"
#include "model/encoder/encoder_network.h"
#include "model/kernels/gemm.h"
#include "model/seconds.h"

enum { YARDSTICK_SIDE = 768 /* three matrices of this side: 7 MB, large enough for full speed, small enough for L3 */ };

static double operations(const encoder_layer *layer, int positions)
{
    return 2.0 * positions * (double)encoder_layer_size(layer);
}

double caption_encoder_operations(void)
{
    encoder_network network;
    encoder_network_init(&network);
    int side = CAPTION_IMAGE_SIDE / network.stem.stride;
    double sum = operations(&network.stem, side * side);
    for (int i = 0; i < ENCODER_BLOCKS; i++) {
        const encoder_block *b = &network.blocks[i];
        if (b->expand.out > 0)
            sum += operations(&b->expand, side * side);
        side /= b->depthwise.stride;
        sum += operations(&b->depthwise, side * side) + operations(&b->project, side * side);
        sum += operations(&b->reduce, 1) + operations(&b->excite, 1);
    }
    return sum + operations(&network.head, side * side);
}

/* In the scope of m, or in float. */
static double product_speed(mixed *m, double seconds)
{
    const size_t size = (size_t)YARDSTICK_SIDE * YARDSTICK_SIDE;
    float *a = calloc(3 * size, sizeof *a);
    double best = 0;
    if (!a)
        return 0;
    for (size_t i = 0; i < 2 * size; i++)
        a[i] = (float)(i % 31) / 31 - 0.5f;
    mixed_begin(m, NULL, 0);
    for (double start = seconds_now(), begin = start, end; begin - start < seconds; begin = end) {
        gemm(YARDSTICK_SIDE, YARDSTICK_SIDE, YARDSTICK_SIDE, a, a + size, 0, a + 2 * size);
        end = seconds_now();
        double speed = 2.0 * (double)size * YARDSTICK_SIDE / (end - begin);
        best = speed > best ? speed : best;
    }
    mixed_end();
    free(a);
    return best;
}

double caption_sgemm_speed(double seconds)
{
    return product_speed(NULL, seconds);
}

double caption_mixed_speed(double seconds)
{
    mixed *m;
    if (mixed_new(&m, 0, NULL) != CAPTION_OK || !m)
        return 0;
    double speed = product_speed(m, seconds);
    mixed_free(m);
    return speed;
}
