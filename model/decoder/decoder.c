/* decoder.c: the training loss of decoder.h with its gradients, and one step of captioning.
 *
 * The layers do the mathematics; this file only connects them. What differs between kinds stands in one table of
 * functions, `cells`: a new kind is a new row there and a new row in decoder_layout.c. */
#include "model/decoder/decoder.h"

#include <string.h>

#include "model/layers/affine.h"
#include "model/layers/dropout.h"
#include "model/layers/embedding.h"
#include "model/layers/lstm.h"
#include "model/layers/rnn.h"
#include "model/layers/softmax_loss.h"
#include "model/random.h"

/* The arrays of one batch that live from the forward to the backward pass. Those of the LSTM are empty for an RNN. */
enum buffer {
    BUFFER_X,      /* [T, N, W] word vectors, after dropout */
    BUFFER_H,      /* [T+1, N, H] states, h0 first */
    BUFFER_C,      /* [T+1, N, H] lstm */
    BUFFER_GATES,  /* [T, N, 4H] lstm */
    BUFFER_OUT,    /* [T, N, H] states after dropout, read by the vocabulary */
    BUFFER_SCORES, /* [T, N, V], then their gradients */
    BUFFER_DX,     /* [T, N, W] */
    BUFFER_DH,     /* [T+1, N, H] */
    BUFFER_DC,     /* [N, H] lstm */
    BUFFER_DA,     /* [T, N, 4H] lstm */
    BUFFERS
};

typedef struct sequence {
    int n, t;
    real *buffer[BUFFERS];
} sequence;

/* Streams of random numbers drawn from a batch's seed. */
enum { STREAM_X, STREAM_H };

static void buffer_sizes(const decoder_shape *shape, int n, int t, size_t count[BUFFERS])
{
    size_t rows = (size_t)n * t, state = (size_t)n * shape->hidden, states = state * t;
    size_t lstm = shape->kind == DECODER_LSTM;
    count[BUFFER_X] = count[BUFFER_DX] = rows * shape->words;
    count[BUFFER_H] = count[BUFFER_DH] = states + state;
    count[BUFFER_OUT] = states;
    count[BUFFER_SCORES] = rows * shape->vocabulary;
    count[BUFFER_C] = lstm * (states + state);
    count[BUFFER_GATES] = count[BUFFER_DA] = lstm * LSTM_GATES * states;
    count[BUFFER_DC] = lstm * state;
}

size_t X(decoder_loss_scratch)(const decoder_shape *shape, int n, int t)
{
    size_t count[BUFFERS], bytes = 0;
    buffer_sizes(shape, n, t, count);
    for (int i = 0; i < BUFFERS; i++)
        bytes += arena_slice(count[i], sizeof(real));
    return bytes;
}

static sequence take_sequence(const decoder_shape *shape, int n, int t, arena *scratch)
{
    sequence s = {.n = n, .t = t};
    size_t count[BUFFERS];
    buffer_sizes(shape, n, t, count);
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

static const cell cells[] = {
    [DECODER_RNN] = {rnn_sequence, rnn_sequence_backward, rnn_one_step},
    [DECODER_LSTM] = {lstm_sequence, lstm_sequence_backward, lstm_one_step},
};

/* ---- the parameters ---------------------------------------------------------------------------------------------- */

typedef struct weights {
    const real *w_proj, *b_proj, *w_embed, *w_vocab, *b_vocab;
    X(recurrent_weights) cell;
} weights;

typedef struct weight_gradients {
    real *w_proj, *b_proj, *w_embed, *w_vocab, *b_vocab;
    X(recurrent_gradients) cell;
} weight_gradients;

static weights find_weights(const decoder_shape *shape, const real *parameters)
{
    decoder_tensor at[DECODER_MAX_TENSORS];
    size_t total;
    decoder_layout(shape, at, &total);
    return (weights){
        .w_proj = parameters + at[DECODER_W_PROJ].offset,
        .b_proj = parameters + at[DECODER_B_PROJ].offset,
        .w_embed = parameters + at[DECODER_W_EMBED].offset,
        .w_vocab = parameters + at[DECODER_W_VOCAB].offset,
        .b_vocab = parameters + at[DECODER_B_VOCAB].offset,
        .cell = {shape->words, shape->hidden, parameters + at[DECODER_W_X].offset, parameters + at[DECODER_W_H].offset,
                 parameters + at[DECODER_B].offset},
    };
}

/* The same places in `gradients`, set to zero; all NULL (not wanted) if gradients is. */
static weight_gradients find_gradients(const decoder_shape *shape, real *gradients)
{
    decoder_tensor at[DECODER_MAX_TENSORS];
    size_t total;
    if (!gradients)
        return (weight_gradients){0};
    decoder_layout(shape, at, &total);
    memset(gradients, 0, total * sizeof *gradients);
    return (weight_gradients){
        .w_proj = gradients + at[DECODER_W_PROJ].offset,
        .b_proj = gradients + at[DECODER_B_PROJ].offset,
        .w_embed = gradients + at[DECODER_W_EMBED].offset,
        .w_vocab = gradients + at[DECODER_W_VOCAB].offset,
        .b_vocab = gradients + at[DECODER_B_VOCAB].offset,
        .cell = {gradients + at[DECODER_W_X].offset, gradients + at[DECODER_W_H].offset,
                 gradients + at[DECODER_B].offset},
    };
}

/* ---- the loss ---------------------------------------------------------------------------------------------------- */

/* In place on x [T, N, width]. */
static void drop(const X(decoder_batch) *batch, int stream, int width, real *x)
{
    X(dropout)(batch->t, batch->n, width, x, batch->dropout, random_mix(batch->seed + stream) + batch->first);
}

/* Fills the sequence; the scores become their gradients. */
static real forward(const decoder_shape *shape, const weights *w, const X(decoder_batch) *batch, const sequence *s)
{
    int n = batch->n, rows = n * batch->t, hidden = shape->hidden;
    real *const *b = s->buffer;
    X(affine_forward)(n, shape->features, hidden, batch->features, w->w_proj, w->b_proj, b[BUFFER_H]);
    X(embedding_forward)(rows, shape->words, batch->captions, w->w_embed, b[BUFFER_X]);
    drop(batch, STREAM_X, shape->words, b[BUFFER_X]);
    cells[shape->kind].forward(&w->cell, s);
    memcpy(b[BUFFER_OUT], b[BUFFER_H] + (size_t)n * hidden, (size_t)rows * hidden * sizeof(real));
    drop(batch, STREAM_H, hidden, b[BUFFER_OUT]);
    X(affine_forward)(rows, hidden, shape->vocabulary, b[BUFFER_OUT], w->w_vocab, w->b_vocab, b[BUFFER_SCORES]);
    return X(softmax_loss)(rows, shape->vocabulary, b[BUFFER_SCORES], batch->captions + n, batch->weights,
                           batch->label_smoothing, n);
}

static void backward(const decoder_shape *shape, const weights *w, const X(decoder_batch) *batch, const sequence *s,
                     const weight_gradients *dw, real *dfeatures)
{
    int n = batch->n, rows = n * batch->t, hidden = shape->hidden;
    size_t state = (size_t)n * hidden;
    real *const *b = s->buffer, *dh0 = b[BUFFER_DH], *dout = dh0 + state;
    X(affine_backward)(rows, hidden, shape->vocabulary, b[BUFFER_OUT], w->w_vocab, b[BUFFER_SCORES], dout, dw->w_vocab,
                       dw->b_vocab);
    drop(batch, STREAM_H, hidden, dout);
    memset(dh0, 0, state * sizeof *dh0);
    cells[shape->kind].backward(&w->cell, s, &dw->cell);
    drop(batch, STREAM_X, shape->words, b[BUFFER_DX]);
    if (dw->w_embed)
        X(embedding_backward)(rows, shape->words, batch->captions, b[BUFFER_DX], dw->w_embed);
    X(affine_backward)(n, shape->features, hidden, batch->features, w->w_proj, dh0, dfeatures, dw->w_proj, dw->b_proj);
}

real X(decoder_loss)(const decoder_shape *shape, const real *parameters, const X(decoder_batch) *batch, real *gradients,
                     real *dfeatures, arena *scratch)
{
    weights w = find_weights(shape, parameters);
    sequence s = take_sequence(shape, batch->n, batch->t, scratch);
    real loss = forward(shape, &w, batch, &s);
    if (gradients || dfeatures) {
        weight_gradients dw = find_gradients(shape, gradients);
        backward(shape, &w, batch, &s, &dw, dfeatures);
    }
    return loss;
}

/* ---- captioning -------------------------------------------------------------------------------------------------- */

/* Of a word vector and a step's temporaries. */
static size_t step_temporaries(const decoder_shape *shape, int rows)
{
    return arena_slice((size_t)rows * shape->words, sizeof(real)) +
           arena_slice((size_t)rows * shape->hidden * (decoder_gates(shape->kind) + 1), sizeof(real));
}

size_t X(decoder_step_scratch)(const decoder_shape *shape, int images, int rows)
{
    (void)images;
    return 4 * arena_slice((size_t)rows * shape->hidden, sizeof(real)) + 2 * arena_slice((size_t)rows, sizeof(int)) +
           step_temporaries(shape, rows);
}

X(decoder_state) X(decoder_start)(const decoder_shape *shape, const real *parameters, int images, int rows,
                                  const real *features, const real *map, arena *scratch)
{
    (void)map; /* for kinds with positions */
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
    return s;
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
    X(affine_forward)(n, shape->hidden, shape->vocabulary, state->h, w.w_vocab, w.b_vocab, scores);
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
