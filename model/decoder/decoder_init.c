/* decoder_init.c: random weights that a decoder starts from: each scaled by the number of its inputs, so that signals
 * keep their size; the LSTM's forget gates begin open. */
#include "model/decoder/decoder_init.h"

#include <math.h>

#include "model/layers/lstm.h"
#include "model/random.h"

static void fill_uniform(float *out, size_t n, double bound, random_stream *r)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (float)(bound * (2 * random_uniform(r) - 1));
}

static double bound_of(const decoder_shape *shape, int tensor, const decoder_tensor *t)
{
    if (tensor == DECODER_W_EMBED)
        return 0.1;
    int gated = tensor == DECODER_W_X || tensor == DECODER_W_H;
    return sqrt(6.0 / (t->rows + (gated ? shape->hidden : t->cols)));
}

void decoder_init(const decoder_shape *shape, uint64_t seed, float *parameters)
{
    decoder_tensor tensors[DECODER_MAX_TENSORS];
    size_t total;
    int n = decoder_layout(shape, tensors, &total);
    random_stream r = random_seeded(seed);
    for (int i = 0; i < n; i++) {
        float *out = parameters + tensors[i].offset;
        if (tensors[i].rows > 0) {
            fill_uniform(out, (size_t)tensors[i].rows * (size_t)tensors[i].cols, bound_of(shape, i, &tensors[i]), &r);
            continue;
        }
        for (int k = 0; k < tensors[i].cols; k++)
            out[k] = i == DECODER_B && decoder_gates(shape->kind) == LSTM_GATES && k / shape->hidden == 1 ? 1.0f : 0.0f;
    }
}
