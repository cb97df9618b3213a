/* evidence.h: how the probability of a concept adds to the score of its word directly.
 *
 *     e_c     = scale_c logit(p_c) + offset_c          (I,C)     once an image
 *     g_t     = sigmoid(z_t w_gate + b_gate)           (R,H)(H)  each step: how far the image decides the next word
 *     scores_t[word of c] += g_t e_c
 *
 * h0 and the attention use the probabilities as well (decoder.h), but through large matrices that need many images to
 * train. Here each concept has only two parameters, so a rare word can be learnt from few images. It resembles the
 * copying mechanism of Yao et al. 2017 ("Incorporating Copying Mechanism in Image Captioning for Learning Novel
 * Objects").
 *
 * Probabilities are clamped to 1e-4 and 1 - 1e-4; a clamped one has no gradient. Stateless; any thread. */
#ifndef CAPTION_EVIDENCE_H
#define CAPTION_EVIDENCE_H

#include "model/decoder/decoder.h"

typedef struct X(evidence_weights) {
    const real *scale, *offset; /* [C] */
    const real *w_gate;         /* [H] */
    const real *b_gate;         /* [1] */
} X(evidence_weights);

/* Added to; all NULL: not wanted. */
typedef struct X(evidence_gradients) {
    real *scale, *offset, *w_gate, *b_gate;
} X(evidence_gradients);

/* e [I, C] of the probabilities p [I, C]. */
void X(evidence_forward)(int concepts, int images, const X(evidence_weights) *w, const real *p, real *e);

/* From the gradient of e: dp [I, C] is added to (NULL: not wanted). */
void X(evidence_backward)(int concepts, int images, const X(evidence_weights) *w, const real *p, const real *de,
                          real *dp, const X(evidence_gradients) *dw);

/* Adds to scores [R, V]; row r is of image[r] and has z [R, H]; fills gate [R]. words [C]: of the concepts. */
void X(evidence_add)(const decoder_shape *s, const X(evidence_weights) *w, const real *e, const int *words, int rows,
                     const int *image, const real *z, real *gate, real *scores);

/* From dscores [R, V], the gradient of the scores: overwrites de [I, C], adds to dz [R, H]. */
void X(evidence_add_backward)(const decoder_shape *s, const X(evidence_weights) *w, const real *e, const int *words,
                              int rows, const int *image, const real *z, const real *gate, const real *dscores,
                              int images, real *de, real *dz, const X(evidence_gradients) *dw);

#endif
