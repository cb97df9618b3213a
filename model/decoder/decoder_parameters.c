#include "model/decoder/decoder_parameters.h"

#include <string.h>

X(decoder_weights) X(decoder_weights_at)(const decoder_shape *shape, const real *parameters)
{
    decoder_tensor at[DECODER_MAX_TENSORS];
    const real *in[DECODER_MAX_TENSORS] = {NULL};
    size_t total;
    int n = decoder_layout(shape, at, &total);
    for (int i = 0; i < n; i++)
        in[i] = parameters + at[i].offset;
    return (X(decoder_weights)){
        .w_proj = in[DECODER_W_PROJ],
        .b_proj = in[DECODER_B_PROJ],
        .w_embed = in[DECODER_W_EMBED],
        .w_vocab = in[DECODER_W_VOCAB],
        .b_vocab = in[DECODER_B_VOCAB],
        .cell = {shape->words, shape->hidden, in[DECODER_W_X], in[DECODER_W_H], in[DECODER_B]},
        .reader = {in[DECODER_W_MAP], in[DECODER_B_MAP], in[DECODER_W_KEY], in[DECODER_W_VALUE], in[DECODER_W_QUERY],
                   in[DECODER_B_QUERY]},
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
        in[i] = gradients + at[i].offset;
    return (X(decoder_gradients)){
        .w_proj = in[DECODER_W_PROJ],
        .b_proj = in[DECODER_B_PROJ],
        .w_embed = in[DECODER_W_EMBED],
        .w_vocab = in[DECODER_W_VOCAB],
        .b_vocab = in[DECODER_B_VOCAB],
        .cell = {in[DECODER_W_X], in[DECODER_W_H], in[DECODER_B]},
        .reader = {in[DECODER_W_MAP], in[DECODER_B_MAP], in[DECODER_W_KEY], in[DECODER_W_VALUE], in[DECODER_W_QUERY],
                   in[DECODER_B_QUERY]},
    };
}
