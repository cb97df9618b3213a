/* decoder_layout.c: the facts of decoder.h that hold in every precision: names of the kinds, tensors and their order.
 */
#include "model/decoder/decoder.h"
#include "model/decoder/map_reader.h"

#include <string.h>

/* The same tensor of the reader of concepts. */
#define TAG(index) ((index) + DECODER_READER_TENSORS)

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

static int has_tensor(const decoder_shape *shape, int i)
{
    if (i >= DECODER_EVIDENCE_SCALE)
        return shape->evidence;
    if (i == DECODER_W_CONCEPT)
        return shape->concepts > 0;
    if (i >= DECODER_W_MAP + DECODER_READER_TENSORS)
        return decoder_looks(shape->kind) && shape->tags > 0;
    return i < DECODER_W_MAP || decoder_looks(shape->kind);
}

int decoder_layout(const decoder_shape *shape, decoder_tensor tensors[DECODER_MAX_TENSORS], size_t *total)
{
    int hidden = shape->hidden, gates = decoder_gates(shape->kind) * hidden;
    const decoder_tensor order[] = {
        [DECODER_W_PROJ] = {"w_proj", shape->features, hidden, 0, 0},
        [DECODER_B_PROJ] = {"b_proj", 0, hidden, 0, 0},
        [DECODER_W_EMBED] = {"w_embed", shape->vocabulary, shape->words, 0, 0},
        [DECODER_W_X] = {"w_x", shape->words, gates, 0, 0},
        [DECODER_W_H] = {"w_h", hidden, gates, 0, 0},
        [DECODER_B] = {"b", 0, gates, 0, 0},
        [DECODER_W_VOCAB] = {"w_vocab", hidden, shape->vocabulary, 0, 0},
        [DECODER_B_VOCAB] = {"b_vocab", 0, shape->vocabulary, 0, 0},
        [DECODER_W_MAP] = {"w_map", shape->channels, shape->attention, 0, 0},
        [DECODER_B_MAP] = {"b_map", 0, shape->attention, 0, 0},
        [DECODER_W_KEY] = {"w_key", shape->attention, shape->attention, 0, 0},
        [DECODER_W_VALUE] = {"w_value", shape->attention, hidden, 0, 0},
        [DECODER_W_QUERY] = {"w_query", hidden, shape->attention, 0, 0},
        [DECODER_B_QUERY] = {"b_query", 0, shape->attention, 0, 0},
        [TAG(DECODER_W_MAP)] = {"w_tag", shape->words, shape->attention, 0, 0},
        [TAG(DECODER_B_MAP)] = {"b_tag", 0, shape->attention, 0, 0},
        [TAG(DECODER_W_KEY)] = {"w_tag_key", shape->attention, shape->attention, 0, 0},
        [TAG(DECODER_W_VALUE)] = {"w_tag_value", shape->attention, hidden, 0, 0},
        [TAG(DECODER_W_QUERY)] = {"w_tag_query", hidden, shape->attention, 0, 0},
        [TAG(DECODER_B_QUERY)] = {"b_tag_query", 0, shape->attention, 0, 0},
        [DECODER_W_CONCEPT] = {"w_concept", shape->concepts, hidden, 0, 0},
        [DECODER_EVIDENCE_SCALE] = {"evidence_scale", 0, shape->concepts, 0, 0},
        [DECODER_EVIDENCE_OFFSET] = {"evidence_offset", 0, shape->concepts, 0, 0},
        [DECODER_W_GATE] = {"w_gate", hidden, 1, 0, 0},
        [DECODER_B_GATE] = {"b_gate", 0, 1, 0, 0},
    };
    _Static_assert(sizeof order / sizeof *order == DECODER_MAX_TENSORS, "all have a name");
    int n = 0;
    *total = 0;
    for (int i = 0; i < DECODER_MAX_TENSORS; i++) {
        if (!has_tensor(shape, i))
            continue;
        tensors[n] = order[i];
        tensors[n].offset = *total;
        tensors[n++].which = i;
        *total += (order[i].rows ? (size_t)order[i].rows : 1) * order[i].cols;
    }
    return n;
}

decoder_shape decoder_view_shape(const decoder_shape *shape, int view)
{
    decoder_shape seen = *shape;
    if (view == DECODER_TAGS) {
        seen.positions = shape->tags;
        seen.channels = shape->words;
    }
    return seen;
}
