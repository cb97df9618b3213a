/* encoder_scratch.h: the sizes of every map and the buffers of one forward pass, planned once for one image size.
 *
 * Only one image is in work at a time. Maps are planes (kernels/packed.h). Of an expanded map, by far the largest thing
 * there is, only a window ever exists: the two or three planes that one panel of weights gives, of some rows; they are
 * computed, filtered by the depthwise convolution and overwritten while they are in the cache. */
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
    float *window;   /* rows of a panel's planes, framed [3][.., framed_width, lanes] */
    float *filtered; /* what the depthwise convolution gives: planes of [h, w]; in the end the head's map */
    float *map[2];   /* a block's input and output, in turns: planes */
    float *scaled;   /* packed project weights times the excitation */
    float *mean, *reduced, *gate; /* of squeeze-and-excitation */
};

enum {
    ENCODER_MIN_SIDE = 32,
    ENCODER_MAX_SIDE = 8192,
    ENCODER_PANEL = 3,        /* planes of a window at most */
    ENCODER_WINDOW = 1 << 14, /* numbers: 64 KB, of which one plane at a time is filtered in the first cache */
};

/* Rows of the frame that `rows` rows of output read. */
static inline int encoder_window_rows(const encoder_frame *frame, int rows)
{
    return (rows - 1) * frame->shape.stride + frame->shape.kernel;
}

#endif
