/* softmax_loss.h: the temporal softmax loss of CS231n assignment 3, with label smoothing (Szegedy et al. 2016).
 *
 *     p_r  = softmax(scores_r)                                       r: one word to be predicted, r = 0..rows - 1
 *     q_r  = (1 - e) onehot(target_r) + e / V
 *     loss = -1/N sum_r w_r sum_v q_rv log p_rv       dscores_r = w_r (p_r - q_r) / N      rows with target NONE: 0
 *
 * With e = 0 and w = 1 it is the plain cross-entropy. w_r is the weight of the caption that row r belongs to: with
 * rewards for weights, the gradient is that of REINFORCE (Williams 1992). */
#ifndef CAPTION_LAYERS_SOFTMAX_LOSS_H
#define CAPTION_LAYERS_SOFTMAX_LOSS_H

#include "model/real.h"

enum { SOFTMAX_LOSS_NONE = 0 }; /* the target of a row that counts for nothing: padding */

/* Returns the loss; scores [rows, V] become its gradient in place (the largest array of a batch is passed over once).
 * targets [rows] in 0..V-1, n: the N divided by; weights: NULL (all 1) or [N], that of row r being weights[caption[r]].
 */
real X(softmax_loss)(int rows, int classes, real *scores, const int *targets, const int *caption, const real *weights,
                     real smoothing, int n);

#endif
