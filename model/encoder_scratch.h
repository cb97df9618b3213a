/* encoder_scratch.h: the sizes of every map and the buffers of one forward pass, planned once for one image size.
 *
 * Only one image is in work at a time, and of it only what the next step reads, so the buffers are as large as the
 * largest block needs and stay warm in the cache from one block to the next. */
#ifndef CAPTION_ENCODER_SCRATCH_H
#define CAPTION_ENCODER_SCRATCH_H

#include "model/arena.h"
#include "model/encoder_network.h"
#include "model/kernels/convolution.h"

/* A map and its zero frame, as the convolution that reads it wants it (TensorFlow's SAME padding). */
typedef struct encoder_frame {
    int height, width;               /* of the map inside */
    int top, left;                   /* zero rows above, zero columns before; less than the kernel */
    int framed_height, framed_width; /* with the frame */
    convolution_shape shape;         /* of the convolution: the size of its output */
} encoder_frame;

struct encoder_scratch {
    encoder_frame stem, blocks[ENCODER_BLOCKS]; /* of the stem and of each depthwise convolution */
    arena memory;
    float *framed;   /* a framed map: the image, then each block's expanded map */
    float *tile;     /* rows of an expanded map before bias and swish */
    float *filtered; /* what the depthwise convolution gives [h, w, expanded]; in the end the head's map */
    float *map[2];   /* a block's input and output, in turns */
    float *scaled;   /* project weights times the excitation [expanded, out] */
    float *row_sums; /* of the depthwise result [h, expanded] */
    float *squeezed, *reduced, *gate; /* [expanded], [expanded / 4 at most], [expanded] */
};

enum { ENCODER_MIN_SIDE = 32, ENCODER_MAX_SIDE = 8192, ENCODER_TILE = 1 << 16 /* numbers; a quarter of a 1 MB L2 */ };

/* Rows of a map of `width` x `channels` that make up one tile: at least one. */
int encoder_tile_rows(int width, int channels);

#endif
