/* encoder_network.h: EfficientNet-B0 as data: which convolutions there are, of which shape, in which order.
 *
 * The loader, the importer, the forward pass and the tests all read this one description. */
#ifndef CAPTION_ENCODER_NETWORK_H
#define CAPTION_ENCODER_NETWORK_H

#include <stdbool.h>
#include <stddef.h>

#include "model/encoder/encoder.h"

/* One convolution with TensorFlow SAME padding; the classifier is one of 1 x 1 on a single position.
 * A depthwise one has in = 1: every output channel reads its own input channel only. */
typedef struct encoder_layer {
    int kernel, stride, in, out;
    const float *packed; /* weight and bias, as the kernels read them (kernels/packed.h) */
    const float *weight; /* [kernel, kernel, in, out]; in an encoder that was opened: see encoder_plain_weights */
    const float *bias;   /* [out] */
} encoder_layer;

/* MBConv: expand -> depthwise -> squeeze-and-excitation (reduce, excite) -> project. */
typedef struct encoder_block {
    encoder_layer expand; /* out = 0: the block has none, its depthwise convolution reads the input itself */
    encoder_layer depthwise, reduce, excite, project;
    bool residual; /* the input is added to the output */
} encoder_block;

typedef struct encoder_network {
    encoder_layer stem;
    encoder_block blocks[ENCODER_BLOCKS];
    encoder_layer head, classifier;
} encoder_network;

enum { ENCODER_NAME_BYTES = 32 };

/* Fills in every shape; the weights are NULL. */
void encoder_network_init(encoder_network *network);

/* Calls visit(context, name, layer) for each layer in the order of execution, with its name in a weight file
 * ("stem", "blocks.0.depthwise", ...). Stops at the first result that is not 0 and returns it. */
int encoder_network_each(encoder_network *network, int (*visit)(void *context, const char *name, encoder_layer *layer),
                         void *context);

/* Elements of a layer's weight tensor. */
size_t encoder_layer_size(const encoder_layer *layer);

#endif
