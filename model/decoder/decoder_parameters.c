/* decoder_parameters.c: where each weight lies in the one block that the optimizer sees, and the views that layers
 * take of it. Compiled twice (real.h). */
#include "model/decoder/decoder_parameters.h"

#include <string.h>

/* The tensors of a reader, of which the first is `at`. */
#define READER(at)                                                                                                     \
    {                                                                                                                  \
        in[at], in[(at) + 1], in[(at) + 2], in[(at) + 3], in[(at) + 4], in[(at) + 5]                                   \
    }

X(decoder_weights) X(decoder_weights_at)(const decoder_shape *shape, const real *parameters)
{
    decoder_tensor at[DECODER_MAX_TENSORS];
    const real *in[DECODER_MAX_TENSORS] = {NULL};
    size_t total;
    int n = decoder_layout(shape, at, &total);
    for (int i = 0; i < n; i++)
        in[at[i].which] = parameters + at[i].offset;
    return (X(decoder_weights)){
        .w_proj = in[DECODER_W_PROJ],
        .b_proj = in[DECODER_B_PROJ],
        .w_embed = in[DECODER_W_EMBED],
        .w_vocab = in[DECODER_W_VOCAB],
        .b_vocab = in[DECODER_B_VOCAB],
        .cell = {shape->words, shape->hidden, in[DECODER_W_X], in[DECODER_W_H], in[DECODER_B]},
        .reader =
            {[DECODER_MAP] = READER(DECODER_W_MAP), [DECODER_TAGS] = READER(DECODER_W_MAP + DECODER_READER_TENSORS)},
        .w_concept = in[DECODER_W_CONCEPT],
        .evidence = {in[DECODER_EVIDENCE_SCALE], in[DECODER_EVIDENCE_OFFSET], in[DECODER_W_GATE], in[DECODER_B_GATE]},
    };
}

X(decoder_gradients) X(decoder_gradients_at)(const decoder_shape *shape, real *gradients)
{
    decoder_tensor at[DECODER_MAX_TENSORS];
    real *in[DECODER_MAX_TENSORS] = {NULL};
    size_t total;
    if (!gradients)
        return (X(decoder_gradients)){0};
    int n = decoder_layout(shape, at, &total);
    memset(gradients, 0, total * sizeof *gradients);
    for (int i = 0; i < n; i++)
        in[at[i].which] = gradients + at[i].offset;
    return (X(decoder_gradients)){
        .w_proj = in[DECODER_W_PROJ],
        .b_proj = in[DECODER_B_PROJ],
        .w_embed = in[DECODER_W_EMBED],
        .w_vocab = in[DECODER_W_VOCAB],
        .b_vocab = in[DECODER_B_VOCAB],
        .cell = {in[DECODER_W_X], in[DECODER_W_H], in[DECODER_B]},
        .reader =
            {[DECODER_MAP] = READER(DECODER_W_MAP), [DECODER_TAGS] = READER(DECODER_W_MAP + DECODER_READER_TENSORS)},
        .w_concept = in[DECODER_W_CONCEPT],
        .evidence = {in[DECODER_EVIDENCE_SCALE], in[DECODER_EVIDENCE_OFFSET], in[DECODER_W_GATE], in[DECODER_B_GATE]},
    };
}
