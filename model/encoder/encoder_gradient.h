/* encoder_gradient.h: the encoder run so that it can be followed back, and followed back to the pixels.
 *
 * A gradient of anything that is computed from the encoder's layers: whoever has it hands in its derivatives with
 * respect to the logits, the features, the head's map or any block's output, added together, and gets d/d image.
 * Weights are constants here, so only the gradients of activations are computed. Written over `real` (real.h): in float
 * the weights are the encoder's own, in double a copy, to prove the gradients.
 *
 * Memory plan, for an image of h x w. Kept from forward to backward: each layer's output, the slope of each swish and
 * each depthwise convolution's output (mbconv.h); never there as a whole: the expanded maps and the padded ones, which
 * are windows of some rows, and everything before a swish. That is about 175 numbers a pixel (35 MB for 224 x 224 in
 * float), measured by encoder_gradient_bytes; nothing is recomputed. One set of working memory serves all blocks. */
#ifndef CAPTION_ENCODER_GRADIENT_H
#define CAPTION_ENCODER_GRADIENT_H

#include "model/caption.h"
#include "model/real.h"

/* A layer is numbered as in visualize.h: 0 the stem, 1..16 the blocks, 17 the head. */
enum { ENCODER_LAYERS = 18, ENCODER_HEAD = 17, ENCODER_LOGITS = 18 };

typedef struct X(encoder_gradient) X(encoder_gradient);

/* Takes a reference to the encoder and all memory for images of height x width. Sizes as in encoder_scratch_new. */
int X(encoder_gradient_new)(X(encoder_gradient) **out, caption_encoder *encoder, int height, int width,
                            caption_error *err);
void X(encoder_gradient_free)(X(encoder_gradient) *g); /* NULL is allowed */
size_t X(encoder_gradient_bytes)(const X(encoder_gradient) *g);

/* A layer's output, [height, width, channels]. */
typedef struct X(encoder_map) {
    int height, width, channels;
    const real *values;
} X(encoder_map);

/* Runs image [height, width, 3], normalised, up to layer `last`, or with ENCODER_LOGITS to the end. */
void X(encoder_gradient_forward)(X(encoder_gradient) *g, const real *image, int last);

/* What the last forward pass computed, valid until the next; shapes are valid at any time. */
X(encoder_map) X(encoder_gradient_map)(const X(encoder_gradient) *g, int layer);
const real *X(encoder_gradient_features)(const X(encoder_gradient) *g); /* [1280] */
const real *X(encoder_gradient_logits)(const X(encoder_gradient) *g);   /* [1000] */

/* Derivatives of the quantity in question; NULL: it does not read that. */
typedef struct X(encoder_seeds) {
    const real *logits, *features;   /* [1000], [1280] */
    const real *map[ENCODER_LAYERS]; /* of the shape of that layer's output */
} X(encoder_seeds);

/* dimage [height, width, 3], overwritten, after a forward pass that went as far as the seeds. Allocates nothing. */
void X(encoder_gradient_backward)(X(encoder_gradient) *g, const X(encoder_seeds) *seeds, real *dimage);

/* The same without the last step: the gradient at layer `until`'s output [h, w, c] in *dmap, valid until the next pass.
 */
void X(encoder_gradient_until)(X(encoder_gradient) *g, const X(encoder_seeds) *seeds, int until, const real **dmap);

#endif
