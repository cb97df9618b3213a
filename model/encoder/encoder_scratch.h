/* encoder_scratch.h: the sizes of every map and the buffers of one forward pass, planned once for one image size.
 *
 * Only one image is in work at a time, and of an expanded map, by far the largest thing there is, only a window of some
 * rows ever exists: it is computed, filtered by the depthwise convolution and overwritten while it is in the L2 cache.
 */
#ifndef CAPTION_ENCODER_SCRATCH_H
#define CAPTION_ENCODER_SCRATCH_H

#include "model/arena.h"
#include "model/encoder/encoder_network.h"
#include "model/kernels/convolution.h"

/* A map and its zero frame, as the convolution that reads it wants it (TensorFlow's SAME padding). */
typedef struct encoder_frame {
    int height, width;               /* of the map inside */
    int top, left;                   /* zero rows above, zero columns before; less than the kernel */
    int framed_height, framed_width; /* with the frame */
    convolution_shape shape;         /* of the convolution: the size of its output */
    int strip;                       /* rows of output that one window gives */
} encoder_frame;

struct encoder_scratch {
    encoder_frame stem, blocks[ENCODER_BLOCKS]; /* of the stem and of each depthwise convolution */
    arena memory;
    float *image;    /* the framed, normalised image */
    float *tile;     /* some rows of an expanded map before bias and swish [.., width, expanded] */
    float *window;   /* the same rows after it, framed [.., framed_width, expanded] */
    float *filtered; /* what the depthwise convolution gives [h, w, expanded]; in the end the head's map */
    float *row_sums; /* of `filtered` [h, expanded] */
    float *map[2];   /* a block's input and output, in turns */
    float *scaled;   /* project weights times the excitation [expanded, out] */
    float *squeezed, *reduced, *gate; /* [expanded], [expanded / 4 at most], [expanded] */
};

enum {
    ENCODER_MIN_SIDE = 32,
    ENCODER_MAX_SIDE = 8192,
    ENCODER_WINDOW = 9 << 14, /* numbers: tile and window fill a 1 MB L2, and 11 x 11 x 1152 is one window */
};

/* Rows of the frame that `rows` rows of output read. */
static inline int encoder_window_rows(const encoder_frame *frame, int rows)
{
    return (rows - 1) * frame->shape.stride + frame->shape.kernel;
}

#endif
