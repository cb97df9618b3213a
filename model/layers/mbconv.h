/* mbconv.h: EfficientNet's block, forward so that it can be followed back, and backward to its input.
 *
 *     e = swish(x W_expand + b)            [h, w, E]       missing in a block without expansion: e = x
 *     f = swish(depthwise(e) + b)          [rows, cols, E]
 *     g = sigmoid(excite(swish(reduce(mean over positions of f))))      [E]          layers/squeeze_excite.h
 *     y = (f * g) W_project + b            [rows, cols, O]         + x if the block is residual
 *
 * Only the gradient of the input is computed; weights are constants here. What the backward pass needs of the forward
 * pass is kept (mbconv_kept): the slope of each swish, f and g, but neither e nor any sum before a swish. e exists only
 * as a window of some rows, as in the encoder's fast forward pass, and so does its gradient. Compiled twice (real.h);
 * layers allocate nothing and keep no state. */
#ifndef CAPTION_LAYERS_MBCONV_H
#define CAPTION_LAYERS_MBCONV_H

#include <stddef.h>

#include "model/kernels/convolution.h"
#include "model/real.h"

/* One convolution: weight [kernel, kernel, in, out], bias [out]; a depthwise one has in = 1. */
typedef struct X(filter) {
    int kernel, stride, in, out;
    const real *weight, *bias;
} X(filter);

typedef struct X(mbconv) {
    X(filter) expand; /* out = 0: none */
    X(filter) depthwise, reduce, excite, project;
    int residual;
} X(mbconv);

/* How a map lies in the zero frame that a convolution with TensorFlow's SAME padding wants around it. */
typedef struct mbconv_frame {
    int height, width;               /* of the map inside */
    int top, left;                   /* zero rows above, zero columns before */
    int framed_height, framed_width; /* with the frame */
    convolution_shape shape;         /* of the convolution: the size of its output */
} mbconv_frame;

mbconv_frame X(mbconv_frame_of)(int height, int width, const X(filter) *filter);

/* What a forward pass leaves for the backward pass of one block. */
typedef struct X(mbconv_kept) {
    real *expand_slope;            /* [h, w, E], unused without expansion */
    real *filtered, *filter_slope; /* [rows, cols, E] */
    real *gate, *gate_slope;       /* [E] */
    real *reduce_slope;            /* [R] */
    real *out;                     /* [rows, cols, O]: y */
} X(mbconv_kept);

/* Numbers that each array of a block's kept must have room for, in the order of the struct. */
enum { MBCONV_KEPT = 7 };
void X(mbconv_kept_sizes)(const X(mbconv) *block, const mbconv_frame *frame, size_t count[MBCONV_KEPT]);

/* Working memory, shared by all blocks in turn. */
typedef struct X(mbconv_scratch) {
    real *tile, *window;         /* some rows of e before and after swish, or of its gradient */
    real *row_sums;              /* [rows, E] */
    real *mean, *reduced, *term; /* [E], [R], [E] */
    real *scaled;                /* [E, O] or [rows, cols, E]: whichever factor takes the gate */
    real *framed;                /* the gradient of the sums before f's swish, framed for the way back */
} X(mbconv_scratch);

enum { MBCONV_SCRATCH = 8 };
void X(mbconv_scratch_sizes)(const X(mbconv) *block, const mbconv_frame *frame, size_t count[MBCONV_SCRATCH]);

/* in [h, w, I]  ->  kept, kept->out */
void X(mbconv_forward)(const X(mbconv) *block, const mbconv_frame *frame, const real *in, const X(mbconv_kept) *kept,
                       const X(mbconv_scratch) *scratch);

/* dout [rows, cols, O]  ->  din [h, w, I], overwritten */
void X(mbconv_backward)(const X(mbconv) *block, const mbconv_frame *frame, const X(mbconv_kept) *kept, const real *dout,
                        real *din, const X(mbconv_scratch) *scratch);

#endif
