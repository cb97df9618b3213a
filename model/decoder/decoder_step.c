/* decoder_step.c: captions word by word: the state of decoder.h, its steps and branches. */
#include <string.h>

#include "model/decoder/decoder_parameters.h"
#include "model/kernels/gemm.h"
#include "model/layers/affine.h"
#include "model/layers/embedding.h"
#include "model/layers/lstm.h"
#include "model/layers/rnn.h"

/* Of a step: word vectors, the cell's temporaries, z, what is seen, the queries and the gates. */
static size_t step_temporaries(const decoder_shape *shape, int rows)
{
    size_t n = (size_t)rows;
    return arena_slice(n * shape->words, sizeof(real)) +
           arena_slice(n * shape->hidden * (decoder_gates(shape->kind) + 1), sizeof(real)) +
           2 * arena_slice(n * shape->hidden, sizeof(real)) + arena_slice(n * shape->attention, sizeof(real)) +
           arena_slice(n, sizeof(real));
}

/* Of take_view, and where the rows look. */
static size_t view_bytes(const decoder_shape *shape, int images, int rows, int positions)
{
    size_t places = (size_t)images * positions;
    return arena_slice((size_t)rows * positions, sizeof(real)) +
           2 * arena_slice(places * shape->attention, sizeof(real)) + arena_slice(places * shape->hidden, sizeof(real));
}

size_t X(decoder_step_scratch)(const decoder_shape *shape, int images, int rows)
{
    size_t n = (size_t)rows, tags = (size_t)images * shape->tags;
    return 4 * arena_slice(n * shape->hidden, sizeof(real)) + 2 * arena_slice(n, sizeof(int)) +
           view_bytes(shape, images, rows, shape->positions) + view_bytes(shape, images, rows, shape->tags) +
           arena_slice(tags * shape->words, sizeof(real)) + step_temporaries(shape, rows) +
           arena_slice((size_t)images * shape->concepts, sizeof(real));
}

/* Takes what is known of `positions` positions of each image. */
static X(map_view) take_view(const decoder_shape *shape, int images, int positions, arena *scratch)
{
    size_t places = (size_t)images * positions;
    return (X(map_view)){images, arena_take(scratch, places * shape->attention, sizeof(real)),
                         arena_take(scratch, places * shape->attention, sizeof(real)),
                         arena_take(scratch, places * shape->hidden, sizeof(real))};
}

static void start_looking(const decoder_shape *shape, const X(decoder_weights) *w, int images, int rows,
                          const X(decoder_images) *of, X(decoder_state) *s, arena *scratch)
{
    s->looks = arena_take(scratch, (size_t)rows * shape->positions, sizeof(real));
    s->view[DECODER_MAP] = take_view(shape, images, shape->positions, scratch);
    X(map_reader_project)(shape, &w->reader[DECODER_MAP], of->map, &s->view[DECODER_MAP]);
    if (!shape->tags)
        return;
    const decoder_shape seen = decoder_view_shape(shape, DECODER_TAGS);
    real *map = arena_take(scratch, (size_t)images * shape->tags * shape->words, sizeof(real));
    s->tag_looks = arena_take(scratch, (size_t)rows * shape->tags, sizeof(real));
    s->view[DECODER_TAGS] = take_view(shape, images, shape->tags, scratch);
    X(concept_map)(shape, w->w_embed, images, of, map);
    X(map_reader_project)(&seen, &w->reader[DECODER_TAGS], map, &s->view[DECODER_TAGS]);
}

X(decoder_state) X(decoder_start)(const decoder_shape *shape, const real *parameters, int images, int rows,
                                  const X(decoder_images) *of, arena *scratch)
{
    X(decoder_weights) w = X(decoder_weights_at)(shape, parameters);
    size_t state = (size_t)rows * shape->hidden;
    X(decoder_state) s = {.n = images,
                          .h = arena_take(scratch, state, sizeof(real)),
                          .c = arena_take(scratch, state, sizeof(real)),
                          .image = arena_take(scratch, (size_t)rows, sizeof(int)),
                          .other_h = arena_take(scratch, state, sizeof(real)),
                          .other_c = arena_take(scratch, state, sizeof(real)),
                          .other_image = arena_take(scratch, (size_t)rows, sizeof(int))};
    X(affine_forward)(images, shape->features, shape->hidden, of->features, w.w_proj, w.b_proj, s.h);
    if (shape->concepts)
        gemm(images, shape->hidden, shape->concepts, of->concepts, w.w_concept, 1, s.h);
    memset(s.c, 0, (size_t)images * shape->hidden * sizeof(real));
    for (int i = 0; i < images; i++)
        s.image[i] = i;
    if (shape->evidence) {
        s.evidence = arena_take(scratch, (size_t)images * shape->concepts, sizeof(real));
        s.concept_words = of->concept_words;
        X(evidence_forward)(shape->concepts, images, &w.evidence, of->concepts, s.evidence);
    }
    if (decoder_looks(shape->kind))
        start_looking(shape, &w, images, rows, of, &s, scratch);
    return s;
}

/* z [n, H] of the state's rows, from scratch; fills in where they look. The first reader reads h, the next what the
 * first made of it. */
static const real *look(const decoder_shape *shape, const X(decoder_weights) *w, X(decoder_state) *state,
                        arena *scratch)
{
    size_t n = (size_t)state->n;
    real *z = arena_take(scratch, n * shape->hidden, sizeof(real));
    real *seen = arena_take(scratch, n * shape->hidden, sizeof(real));
    real *query = arena_take(scratch, n * shape->attention, sizeof(real));
    real *const looks[DECODER_VIEWS] = {[DECODER_TAGS] = state->tag_looks, [DECODER_MAP] = state->looks};
    memcpy(z, state->h, n * shape->hidden * sizeof *z);
    for (int v = shape->tags ? DECODER_TAGS : DECODER_MAP; v < DECODER_VIEWS; v++) {
        const decoder_shape s = decoder_view_shape(shape, v);
        X(map_reader_step)(&s, &w->reader[v], &state->view[v], state->n, state->image, query, looks[v], seen, z);
    }
    return z;
}

/* The cell's step in place on the state; temporary [n, G H + H]. */
static void advance(const decoder_shape *shape, const X(recurrent_weights) *cell, int n, const real *x,
                    X(decoder_state) *s, real *temporary)
{
    size_t state = (size_t)n * shape->hidden;
    real *h_next = temporary, *gates = temporary + state;
    if (decoder_gates(shape->kind) == LSTM_GATES)
        X(lstm_step_forward)(cell, n, x, s->h, s->c, gates, h_next, s->c);
    else
        X(rnn_step_forward)(cell, n, x, s->h, h_next);
    memcpy(s->h, h_next, state * sizeof *h_next);
}

void X(decoder_step)(const decoder_shape *shape, const real *parameters, const int *words, X(decoder_state) *state,
                     real *scores, arena *scratch)
{
    int n = state->n;
    X(decoder_weights) w = X(decoder_weights_at)(shape, parameters);
    size_t mark = scratch->used;
    real *x = arena_take(scratch, (size_t)n * shape->words, sizeof(real));
    real *temporary = arena_take(scratch, (size_t)n * shape->hidden * (decoder_gates(shape->kind) + 1), sizeof(real));
    X(embedding_forward)(n, shape->words, words, w.w_embed, x);
    advance(shape, &w.cell, n, x, state, temporary);
    const real *z = decoder_looks(shape->kind) ? look(shape, &w, state, scratch) : state->h;
    X(affine_forward)(n, shape->hidden, shape->vocabulary, z, w.w_vocab, w.b_vocab, scores);
    if (shape->evidence)
        X(evidence_add)(shape, &w.evidence, state->evidence, state->concept_words, n, state->image, z,
                        arena_take(scratch, (size_t)n, sizeof(real)), scores);
    scratch->used = mark;
}

static void swap(real **a, real **b)
{
    real *c = *a;
    *a = *b;
    *b = c;
}

void X(decoder_select)(const decoder_shape *shape, X(decoder_state) *state, int n, const int *from)
{
    size_t hidden = (size_t)shape->hidden;
    for (int r = 0; r < n; r++) {
        memcpy(state->other_h + r * hidden, state->h + from[r] * hidden, hidden * sizeof(real));
        memcpy(state->other_c + r * hidden, state->c + from[r] * hidden, hidden * sizeof(real));
        state->other_image[r] = state->image[from[r]];
    }
    swap(&state->h, &state->other_h);
    swap(&state->c, &state->other_c);
    memcpy(state->image, state->other_image, (size_t)n * sizeof *state->image);
    state->n = n;
}
