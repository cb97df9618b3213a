/* decoder_layout.c: the facts of decoder.h that hold in every precision: names of the kinds, tensors and their order.
 */
#include "model/decoder/decoder.h"

#include <string.h>

static const struct {
    const char *name;
    int gates, looks;
} kinds[DECODER_KINDS] = {
    [DECODER_RNN] = {"rnn", 1, 0},
    [DECODER_LSTM] = {"lstm", 4, 0},
    [DECODER_ATTENTION] = {"attention", 4, 1},
};

const char *decoder_kind_name(decoder_kind kind)
{
    return kinds[kind].name;
}

int decoder_kind_parse(const char *name, decoder_kind *kind)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (!strcmp(name, kinds[i].name)) {
            *kind = (decoder_kind)i;
            return 1;
        }
    }
    return 0;
}

int decoder_gates(decoder_kind kind)
{
    return kinds[kind].gates;
}

int decoder_looks(decoder_kind kind)
{
    return kinds[kind].looks;
}

int decoder_layout(const decoder_shape *shape, decoder_tensor tensors[DECODER_MAX_TENSORS], size_t *total)
{
    int hidden = shape->hidden, gates = decoder_gates(shape->kind) * hidden;
    const decoder_tensor order[] = {
        [DECODER_W_PROJ] = {"w_proj", shape->features, hidden, 0},
        [DECODER_B_PROJ] = {"b_proj", 0, hidden, 0},
        [DECODER_W_EMBED] = {"w_embed", shape->vocabulary, shape->words, 0},
        [DECODER_W_X] = {"w_x", shape->words, gates, 0},
        [DECODER_W_H] = {"w_h", hidden, gates, 0},
        [DECODER_B] = {"b", 0, gates, 0},
        [DECODER_W_VOCAB] = {"w_vocab", hidden, shape->vocabulary, 0},
        [DECODER_B_VOCAB] = {"b_vocab", 0, shape->vocabulary, 0},
        [DECODER_W_MAP] = {"w_map", shape->channels, shape->attention, 0},
        [DECODER_B_MAP] = {"b_map", 0, shape->attention, 0},
        [DECODER_W_KEY] = {"w_key", shape->attention, shape->attention, 0},
        [DECODER_W_VALUE] = {"w_value", shape->attention, hidden, 0},
        [DECODER_W_QUERY] = {"w_query", hidden, shape->attention, 0},
        [DECODER_B_QUERY] = {"b_query", 0, shape->attention, 0},
    };
    int n = decoder_looks(shape->kind) ? sizeof order / sizeof *order : DECODER_W_MAP;
    *total = 0;
    for (int i = 0; i < n; i++) {
        tensors[i] = order[i];
        tensors[i].offset = *total;
        *total += (order[i].rows ? (size_t)order[i].rows : 1) * order[i].cols;
    }
    return n;
}
