/* decoder.c: the training loss of decoder.h with its gradients, and one step of captioning.
 *
 * The layers do the mathematics; this file only connects them. What differs between kinds stands in one table of
 * functions, `cells`: a new kind is a new row there and a new row in decoder_layout.c. */
#include "model/decoder/decoder.h"

#include <string.h>

#include "model/decoder/map_reader.h"
#include "model/layers/affine.h"
#include "model/layers/dropout.h"
#include "model/layers/embedding.h"
#include "model/layers/lstm.h"
#include "model/layers/rnn.h"
#include "model/layers/softmax_loss.h"
#include "model/random.h"

/* The arrays of one batch that live from the forward to the backward pass. Those that a kind has no use for are
 * empty. I: images. */
enum buffer {
    BUFFER_X,      /* [T, N, W] word vectors, after dropout */
    BUFFER_H,      /* [T+1, N, H] states, h0 first */
    BUFFER_C,      /* [T+1, N, H] lstm */
    BUFFER_GATES,  /* [T, N, 4H] lstm */
    BUFFER_OUT,    /* [T, N, H] z after dropout, read by the vocabulary */
    BUFFER_SCORES, /* [T, N, V], then their gradients */
    BUFFER_DX,     /* [T, N, W] */
    BUFFER_DH,     /* [T+1, N, H] */
    BUFFER_DC,     /* [N, H] lstm */
    BUFFER_DA,     /* [T, N, 4H] lstm */
    BUFFER_DH0,    /* [I, H] sums over the captions of an image */
    BUFFER_TILE,   /* these and the rest: of map_reader.h */
    BUFFER_KEYS,
    BUFFER_VALUES,
    BUFFER_QUERY,
    BUFFER_LOOKS,
    BUFFER_DTILE,
    BUFFER_DKEYS,
    BUFFER_DVALUES,
    BUFFER_DQUERY,
    BUFFER_DLOOKS,
    BUFFERS
};

typedef struct sequence {
    int n, t, images;
    real *buffer[BUFFERS];
} sequence;

/* Streams of random numbers drawn from a batch's seed. */
enum { STREAM_X, STREAM_H };

static int captions_per_image(const X(decoder_batch) *batch)
{
    return batch->per_image ? batch->per_image : 1;
}

static void buffer_sizes(const decoder_shape *shape, int n, int t, int images, size_t count[BUFFERS])
{
    size_t rows = (size_t)n * t, state = (size_t)n * shape->hidden, states = state * t;
    size_t lstm = decoder_gates(shape->kind) == LSTM_GATES, places = (size_t)images * shape->positions;
    count[BUFFER_X] = count[BUFFER_DX] = rows * shape->words;
    count[BUFFER_H] = count[BUFFER_DH] = states + state;
    count[BUFFER_OUT] = states;
    count[BUFFER_SCORES] = rows * shape->vocabulary;
    count[BUFFER_C] = lstm * (states + state);
    count[BUFFER_GATES] = count[BUFFER_DA] = lstm * LSTM_GATES * states;
    count[BUFFER_DC] = lstm * state;
    count[BUFFER_DH0] = (size_t)images * shape->hidden;
    count[BUFFER_TILE] = count[BUFFER_DTILE] = count[BUFFER_KEYS] = count[BUFFER_DKEYS] = places * shape->attention;
    count[BUFFER_VALUES] = count[BUFFER_DVALUES] = places * shape->hidden;
    count[BUFFER_QUERY] = count[BUFFER_DQUERY] = rows * shape->attention;
    count[BUFFER_LOOKS] = count[BUFFER_DLOOKS] = rows * shape->positions;
}

/* Enough for any number of images up to n. */
size_t X(decoder_loss_scratch)(const decoder_shape *shape, int n, int t)
{
    size_t count[BUFFERS], bytes = 0;
    buffer_sizes(shape, n, t, n, count);
    for (int i = 0; i < BUFFERS; i++)
        bytes += arena_slice(count[i], sizeof(real));
    return bytes;
}

static sequence take_sequence(const decoder_shape *shape, const X(decoder_batch) *batch, arena *scratch)
{
    sequence s = {.n = batch->n, .t = batch->t, .images = batch->n / captions_per_image(batch)};
    size_t count[BUFFERS];
    buffer_sizes(shape, s.n, s.t, s.images, count);
    arena_reset(scratch);
    for (int i = 0; i < BUFFERS; i++)
        s.buffer[i] = arena_take(scratch, count[i], sizeof(real));
    return s;
}

/* ---- the kinds -------------------------------------------------------------------------------------------------- */

typedef struct cell {
    void (*forward)(const X(recurrent_weights) *w, const sequence *s);
    void (*backward)(const X(recurrent_weights) *w, const sequence *s, const X(recurrent_gradients) *dw);
    /* One step in place on h and c; temporary [N, G H + H]. */
    void (*step)(const X(recurrent_weights) *w, int n, const real *x, real *h, real *c, real *temporary);
} cell;

static void rnn_sequence(const X(recurrent_weights) *w, const sequence *s)
{
    X(rnn_forward)(w, s->t, s->n, s->buffer[BUFFER_X], s->buffer[BUFFER_H]);
}

static void rnn_sequence_backward(const X(recurrent_weights) *w, const sequence *s, const X(recurrent_gradients) *dw)
{
    real *const *b = s->buffer;
    X(rnn_backward)(w, s->t, s->n, b[BUFFER_X], b[BUFFER_H], b[BUFFER_DH], b[BUFFER_DX], dw);
}

static void rnn_one_step(const X(recurrent_weights) *w, int n, const real *x, real *h, real *c, real *temporary)
{
    (void)c;
    X(rnn_step_forward)(w, n, x, h, temporary);
    memcpy(h, temporary, (size_t)n * w->hidden * sizeof *h);
}

static void lstm_sequence(const X(recurrent_weights) *w, const sequence *s)
{
    real *const *b = s->buffer;
    memset(b[BUFFER_C], 0, (size_t)s->n * w->hidden * sizeof(real)); /* c0 */
    X(lstm_forward)(w, s->t, s->n, b[BUFFER_X], b[BUFFER_H], b[BUFFER_C], b[BUFFER_GATES]);
}

static void lstm_sequence_backward(const X(recurrent_weights) *w, const sequence *s, const X(recurrent_gradients) *dw)
{
    real *const *b = s->buffer;
    memset(b[BUFFER_DC], 0, (size_t)s->n * w->hidden * sizeof(real)); /* nothing reads c_T */
    X(lstm_backward)(w, s->t, s->n, b[BUFFER_X], b[BUFFER_H], b[BUFFER_C], b[BUFFER_GATES], b[BUFFER_DH], b[BUFFER_DC],
                     b[BUFFER_DA], b[BUFFER_DX], dw);
}

static void lstm_one_step(const X(recurrent_weights) *w, int n, const real *x, real *h, real *c, real *temporary)
{
    size_t state = (size_t)n * w->hidden;
    real *h_next = temporary, *gates = temporary + state;
    X(lstm_step_forward)(w, n, x, h, c, gates, h_next, c);
    memcpy(h, h_next, state * sizeof *h);
}

static const cell cells[DECODER_KINDS] = {
    [DECODER_RNN] = {rnn_sequence, rnn_sequence_backward, rnn_one_step},
    [DECODER_LSTM] = {lstm_sequence, lstm_sequence_backward, lstm_one_step},
    [DECODER_ATTENTION] = {lstm_sequence, lstm_sequence_backward, lstm_one_step},
};

/* ---- the parameters ---------------------------------------------------------------------------------------------- */

typedef struct weights {
    const real *w_proj, *b_proj, *w_embed, *w_vocab, *b_vocab;
    X(recurrent_weights) cell;
    X(map_reader_weights) reader;
} weights;

typedef struct weight_gradients {
    real *w_proj, *b_proj, *w_embed, *w_vocab, *b_vocab;
    X(recurrent_gradients) cell;
    X(map_reader_gradients) reader;
} weight_gradients;

static weights find_weights(const decoder_shape *shape, const real *parameters)
{
    decoder_tensor at[DECODER_MAX_TENSORS];
    const real *in[DECODER_MAX_TENSORS] = {NULL};
    size_t total;
    int n = decoder_layout(shape, at, &total);
    for (int i = 0; i < n; i++)
        in[i] = parameters + at[i].offset;
    return (weights){
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

/* The same places in `gradients`, set to zero; all NULL (not wanted) if gradients is. */
static weight_gradients find_gradients(const decoder_shape *shape, real *gradients)
{
    decoder_tensor at[DECODER_MAX_TENSORS];
    real *in[DECODER_MAX_TENSORS] = {NULL};
    size_t total;
    if (!gradients)
        return (weight_gradients){0};
    int n = decoder_layout(shape, at, &total);
    memset(gradients, 0, total * sizeof *gradients);
    for (int i = 0; i < n; i++)
        in[i] = gradients + at[i].offset;
    return (weight_gradients){
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

/* ---- the loss ---------------------------------------------------------------------------------------------------- */

/* In place on x [T, N, width]. */
static void drop(const X(decoder_batch) *batch, int stream, int width, real *x)
{
    X(dropout)(batch->t, batch->n, width, x, batch->dropout, random_mix(batch->seed + stream) + batch->first);
}

/* h0 [I, H] at the head of h0 [N, H] becomes that of each caption. From behind, so that nothing is lost. */
static void spread(int n, int per_image, int hidden, real *h0)
{
    for (int k = n - 1; k > 0 && per_image > 1; k--)
        memcpy(h0 + (size_t)k * hidden, h0 + (size_t)(k / per_image) * hidden, hidden * sizeof *h0);
}

/* Backwards: sums [I, H] of dh0 [N, H]. */
static void gather(int n, int per_image, int hidden, const real *dh0, real *sums)
{
    memset(sums, 0, (size_t)(n / per_image) * hidden * sizeof *sums);
    for (int k = 0; k < n; k++)
        for (int j = 0; j < hidden; j++)
            sums[(size_t)(k / per_image) * hidden + j] += dh0[(size_t)k * hidden + j];
}

static X(map_readers) readers_of(const X(decoder_batch) *batch, const sequence *s, int hidden)
{
    real *const *b = s->buffer;
    return (X(map_readers)){.n = s->n,
                            .t = s->t,
                            .per_image = captions_per_image(batch),
                            .h = b[BUFFER_H] + (size_t)s->n * hidden,
                            .query = b[BUFFER_QUERY],
                            .looks = b[BUFFER_LOOKS]};
}

/* BUFFER_OUT: in, h; out, z. */
static void look(const decoder_shape *shape, const weights *w, const X(decoder_batch) *batch, const sequence *s)
{
    real *const *b = s->buffer;
    const X(map_view) view = {b[BUFFER_TILE], b[BUFFER_KEYS], b[BUFFER_VALUES]};
    const X(map_readers) readers = readers_of(batch, s, shape->hidden);
    X(map_reader_project)(shape, &w->reader, s->images, batch->map, &view);
    X(map_reader_look)(shape, &w->reader, &view, &readers, b[BUFFER_OUT]);
}

/* dz [T, N, H]: in, the gradient of z; out, that of h. */
static void look_backward(const decoder_shape *shape, const weights *w, const X(decoder_batch) *batch,
                          const sequence *s, real *dz, real *dmap, const weight_gradients *dw)
{
    real *const *b = s->buffer;
    const X(map_view) view = {b[BUFFER_TILE], b[BUFFER_KEYS], b[BUFFER_VALUES]};
    const X(map_view) dview = {b[BUFFER_DTILE], b[BUFFER_DKEYS], b[BUFFER_DVALUES]};
    const X(map_readers) readers = readers_of(batch, s, shape->hidden);
    X(map_reader_backward)(shape, &w->reader, batch->map, &view, &readers, &dview, b[BUFFER_DQUERY], b[BUFFER_DLOOKS],
                           dz, dmap, &dw->reader);
}

/* Fills the sequence; the scores become their gradients. */
static real forward(const decoder_shape *shape, const weights *w, const X(decoder_batch) *batch, const sequence *s)
{
    int n = batch->n, rows = n * batch->t, hidden = shape->hidden;
    real *const *b = s->buffer;
    X(affine_forward)(s->images, shape->features, hidden, batch->features, w->w_proj, w->b_proj, b[BUFFER_H]);
    spread(n, captions_per_image(batch), hidden, b[BUFFER_H]);
    X(embedding_forward)(rows, shape->words, batch->captions, w->w_embed, b[BUFFER_X]);
    drop(batch, STREAM_X, shape->words, b[BUFFER_X]);
    cells[shape->kind].forward(&w->cell, s);
    memcpy(b[BUFFER_OUT], b[BUFFER_H] + (size_t)n * hidden, (size_t)rows * hidden * sizeof(real));
    if (decoder_looks(shape->kind))
        look(shape, w, batch, s);
    drop(batch, STREAM_H, hidden, b[BUFFER_OUT]);
    X(affine_forward)(rows, hidden, shape->vocabulary, b[BUFFER_OUT], w->w_vocab, w->b_vocab, b[BUFFER_SCORES]);
    return X(softmax_loss)(rows, shape->vocabulary, b[BUFFER_SCORES], batch->captions + n, batch->weights,
                           batch->label_smoothing, n);
}

static void backward(const decoder_shape *shape, const weights *w, const X(decoder_batch) *batch, const sequence *s,
                     const weight_gradients *dw, real *dfeatures, real *dmap)
{
    int n = batch->n, rows = n * batch->t, hidden = shape->hidden;
    size_t state = (size_t)n * hidden;
    real *const *b = s->buffer, *dh0 = b[BUFFER_DH], *dout = dh0 + state;
    X(affine_backward)(rows, hidden, shape->vocabulary, b[BUFFER_OUT], w->w_vocab, b[BUFFER_SCORES], dout, dw->w_vocab,
                       dw->b_vocab);
    drop(batch, STREAM_H, hidden, dout);
    if (decoder_looks(shape->kind))
        look_backward(shape, w, batch, s, dout, dmap, dw);
    memset(dh0, 0, state * sizeof *dh0);
    cells[shape->kind].backward(&w->cell, s, &dw->cell);
    drop(batch, STREAM_X, shape->words, b[BUFFER_DX]);
    if (dw->w_embed)
        X(embedding_backward)(rows, shape->words, batch->captions, b[BUFFER_DX], dw->w_embed);
    gather(n, captions_per_image(batch), hidden, dh0, b[BUFFER_DH0]);
    X(affine_backward)(s->images, shape->features, hidden, batch->features, w->w_proj, b[BUFFER_DH0], dfeatures,
                       dw->w_proj, dw->b_proj);
}

real X(decoder_loss)(const decoder_shape *shape, const real *parameters, const X(decoder_batch) *batch, real *gradients,
                     real *dfeatures, real *dmap, arena *scratch)
{
    weights w = find_weights(shape, parameters);
    sequence s = take_sequence(shape, batch, scratch);
    real loss = forward(shape, &w, batch, &s);
    if (gradients || dfeatures || dmap) {
        weight_gradients dw = find_gradients(shape, gradients);
        backward(shape, &w, batch, &s, &dw, dfeatures, dmap);
    }
    return loss;
}

/* ---- captioning -------------------------------------------------------------------------------------------------- */

/* Of a step: word vectors, the cell's temporaries, z and the queries. */
static size_t step_temporaries(const decoder_shape *shape, int rows)
{
    size_t n = (size_t)rows;
    return arena_slice(n * shape->words, sizeof(real)) +
           arena_slice(n * shape->hidden * (decoder_gates(shape->kind) + 1), sizeof(real)) +
           arena_slice(n * shape->hidden, sizeof(real)) + arena_slice(n * shape->attention, sizeof(real));
}

size_t X(decoder_step_scratch)(const decoder_shape *shape, int images, int rows)
{
    size_t n = (size_t)rows, places = (size_t)images * shape->positions;
    return 4 * arena_slice(n * shape->hidden, sizeof(real)) + 2 * arena_slice(n, sizeof(int)) +
           arena_slice(n * shape->positions, sizeof(real)) + 2 * arena_slice(places * shape->attention, sizeof(real)) +
           arena_slice(places * shape->hidden, sizeof(real)) + step_temporaries(shape, rows);
}

static X(map_view) view_of(const X(decoder_state) *s)
{
    return (X(map_view)){s->tile, s->keys, s->values};
}

static void start_looking(const decoder_shape *shape, const weights *w, int images, int rows, const real *map,
                          X(decoder_state) *s, arena *scratch)
{
    size_t places = (size_t)images * shape->positions;
    s->looks = arena_take(scratch, (size_t)rows * shape->positions, sizeof(real));
    s->tile = arena_take(scratch, places * shape->attention, sizeof(real));
    s->keys = arena_take(scratch, places * shape->attention, sizeof(real));
    s->values = arena_take(scratch, places * shape->hidden, sizeof(real));
    const X(map_view) view = view_of(s);
    X(map_reader_project)(shape, &w->reader, images, map, &view);
}

X(decoder_state) X(decoder_start)(const decoder_shape *shape, const real *parameters, int images, int rows,
                                  const real *features, const real *map, arena *scratch)
{
    weights w = find_weights(shape, parameters);
    size_t state = (size_t)rows * shape->hidden;
    X(decoder_state) s = {.n = images,
                          .h = arena_take(scratch, state, sizeof(real)),
                          .c = arena_take(scratch, state, sizeof(real)),
                          .image = arena_take(scratch, (size_t)rows, sizeof(int)),
                          .other_h = arena_take(scratch, state, sizeof(real)),
                          .other_c = arena_take(scratch, state, sizeof(real)),
                          .other_image = arena_take(scratch, (size_t)rows, sizeof(int))};
    X(affine_forward)(images, shape->features, shape->hidden, features, w.w_proj, w.b_proj, s.h);
    memset(s.c, 0, (size_t)images * shape->hidden * sizeof(real));
    for (int i = 0; i < images; i++)
        s.image[i] = i;
    if (decoder_looks(shape->kind))
        start_looking(shape, &w, images, rows, map, &s, scratch);
    return s;
}

/* z [n, H] of the state's rows, from scratch; fills in where they look. */
static const real *look_once(const decoder_shape *shape, const weights *w, X(decoder_state) *state, arena *scratch)
{
    size_t n = (size_t)state->n;
    real *z = arena_take(scratch, n * shape->hidden, sizeof(real));
    real *query = arena_take(scratch, n * shape->attention, sizeof(real));
    const X(map_view) view = view_of(state);
    memcpy(z, state->h, n * shape->hidden * sizeof *z);
    X(map_reader_step)(shape, &w->reader, &view, state->n, state->image, state->h, query, state->looks, z);
    return z;
}

void X(decoder_step)(const decoder_shape *shape, const real *parameters, const int *words, X(decoder_state) *state,
                     real *scores, arena *scratch)
{
    int n = state->n;
    weights w = find_weights(shape, parameters);
    size_t mark = scratch->used;
    real *x = arena_take(scratch, (size_t)n * shape->words, sizeof(real));
    real *temporary = arena_take(scratch, (size_t)n * shape->hidden * (decoder_gates(shape->kind) + 1), sizeof(real));
    X(embedding_forward)(n, shape->words, words, w.w_embed, x);
    cells[shape->kind].step(&w.cell, n, x, state->h, state->c, temporary);
    const real *z = decoder_looks(shape->kind) ? look_once(shape, &w, state, scratch) : state->h;
    X(affine_forward)(n, shape->hidden, shape->vocabulary, z, w.w_vocab, w.b_vocab, scores);
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
