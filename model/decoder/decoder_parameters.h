/* decoder_parameters.h: a decoder's parameters by name instead of by offset. */
#ifndef CAPTION_DECODER_PARAMETERS_H
#define CAPTION_DECODER_PARAMETERS_H

#include "model/decoder/decoder.h"
#include "model/decoder/evidence.h"
#include "model/decoder/map_reader.h"
#include "model/layers/recurrent.h"

typedef struct X(decoder_weights) {
    const real *w_proj, *b_proj, *w_embed, *w_vocab, *b_vocab;
    X(recurrent_weights) cell;
    X(map_reader_weights) reader[DECODER_VIEWS]; /* NULLs for kinds that do not look */
    const real *w_concept;
    X(evidence_weights) evidence;
} X(decoder_weights);

typedef struct X(decoder_gradients) {
    real *w_proj, *b_proj, *w_embed, *w_vocab, *b_vocab;
    X(recurrent_gradients) cell;
    X(map_reader_gradients) reader[DECODER_VIEWS];
    real *w_concept;
    X(evidence_gradients) evidence;
} X(decoder_gradients);

/* Of parameters laid out by decoder_layout. */
X(decoder_weights) X(decoder_weights_at)(const decoder_shape *shape, const real *parameters);

/* The same places in `gradients`, set to zero; all NULL (not wanted) if gradients is. */
X(decoder_gradients) X(decoder_gradients_at)(const decoder_shape *shape, real *gradients);

#endif
