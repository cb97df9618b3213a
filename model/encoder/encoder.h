/* encoder.h: EfficientNet-B0 (Tan & Le 2019): a photo becomes a feature map.
 *
 * Batch norm is folded into the convolutions; activations are NHWC, so that a 1x1 convolution is one plain GEMM
 * [H*W, Cin] x [Cin, Cout] and a depthwise convolution runs along contiguous channels.
 *
 *     stem        3x3 stride 2                     224 -> 112 x 32
 *     16 MBConv   expand 1x1, depthwise, squeeze-and-excitation, project 1x1 (+ residual)      -> 7 x 7 x 320
 *                                                                                       = the local map
 *     head        1x1                              -> 7 x 7 x 1280  = the feature map
 *     pool        mean over positions              -> 1280          = the feature vector
 *     classifier  affine                           -> 1000 logits
 *
 * The weights (caption_encoder) are immutable and shared; an encoder_scratch belongs to one thread. The network is
 * fully convolutional: any height and width of at least 32 runs. */
#ifndef CAPTION_ENCODER_H
#define CAPTION_ENCODER_H

#include <stddef.h>

#include "model/caption.h"

enum { ENCODER_BLOCKS = 16 };

typedef struct encoder_scratch encoder_scratch;

/* Plans and allocates all scratch memory for images of height x width, once. */
int encoder_scratch_new(encoder_scratch **out, const caption_encoder *encoder, int height, int width,
                        caption_error *err);
void encoder_scratch_free(encoder_scratch *scratch); /* NULL is allowed */

/* What a forward pass may hand out; a NULL member is not computed or not copied. h, w: image size / 32, rounded up. */
typedef struct encoder_outputs {
    float *map;      /* [n, h, w, 1280] */
    float *features; /* [n, 1280] */
    float *logits;   /* [n, 1000] */
    /* Called after the stem (block 0) and after each MBConv block (1..16) of each image, for golden tests.
     * activation: [height, width, channels], valid only during the call. */
    void (*observe)(void *context, int image, int block, int height, int width, int channels, const float *activation);
    void *context;
    float *local; /* [n, h, w, 320] */
} encoder_outputs;

/* Runs n images. pixels: [n, height, width, 3], RGB, 0..255. Allocates nothing, cannot fail. */
void encoder_forward(const caption_encoder *encoder, encoder_scratch *scratch, int n, const unsigned char *pixels,
                     const encoder_outputs *out);

#endif
