/* decoder_init.h: the weights a decoder starts to learn from. */
#ifndef CAPTION_DECODER_INIT_H
#define CAPTION_DECODER_INIT_H

#include <stdint.h>

#include "model/decoder/decoder.h"

/* Fills parameters (decoder_layout): every matrix uniform with the variance that keeps signals level,
 *     U(-a, a), a = sqrt(6 / (rows + cols of one gate))      (Glorot & Bengio 2010)
 * word vectors U(-0.1, 0.1), biases 0, the LSTM's forget gate 1 so that it remembers from the start (Jozefowicz et al.
 * 2015). The same seed gives the same weights. */
void decoder_init(const decoder_shape *shape, uint64_t seed, float *parameters);

#endif
