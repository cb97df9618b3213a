/* embedding.h: words become vectors: y_r = W[id_r], a table look-up (CS231n assignment 3, word_embedding).
 *
 * Ids must lie in 0..V-1. Gradient conventions: affine.h. */
#ifndef CAPTION_LAYERS_EMBEDDING_H
#define CAPTION_LAYERS_EMBEDDING_H

#include "model/real.h"

/* ids [rows], table [V, width]  ->  y [rows, width] */
void X(embedding_forward)(int rows, int width, const int *ids, const real *table, real *y);

/* dtable[id_r] += dy_r; a word used twice gets both gradients. */
void X(embedding_backward)(int rows, int width, const int *ids, const real *dy, real *dtable);

#endif
