/* decoder_loss.c: the training loss of decoder.h with its gradients.
 *
 * The layers do the mathematics; this file only connects them. Padding is left out before anything is computed
 * (packing.h): R rows are the words that there are, not T N. */
#include <string.h>

#include "model/decoder/decoder_parameters.h"
#include "model/decoder/packing.h"
#include "model/kernels/gemm.h"
#include "model/layers/affine.h"
#include "model/layers/dropout.h"
#include "model/layers/embedding.h"
#include "model/layers/lstm.h"
#include "model/layers/rnn.h"
#include "model/layers/softmax_loss.h"
#include "model/random.h"

/* The arrays of one batch that live from the forward to the backward pass. Those that a kind has no use for are empty.
 * I: images. */
enum buffer {
    BUFFER_X,       /* [R, W] word vectors, after dropout */
    BUFFER_START,   /* [I, H] h0 of each image, then its gradient */
    BUFFER_H,       /* [N + R, H] states, h0 first */
    BUFFER_C,       /* [N + R, H] lstm */
    BUFFER_GATES,   /* [R, 4H] lstm */
    BUFFER_OUT,     /* [R, H] z after dropout, read by the vocabulary */
    BUFFER_SCORES,  /* [R, V], then their gradients */
    BUFFER_DX,      /* [R, W] */
    BUFFER_DH,      /* [N + R, H] */
    BUFFER_DC,      /* [N, H] lstm */
    BUFFER_DA,      /* [R, 4H] lstm */
    BUFFER_BEFORE,  /* [R, H] of recurrent.h */
    BUFFER_TAG_MAP, /* [I, K, W] the vectors of the concepts attended to, and their gradient */
    BUFFER_DTAG_MAP,
    BUFFER_EVIDENCE, /* [I, C] of evidence.h, and its gradient */
    BUFFER_DEVIDENCE,
    BUFFER_GATE, /* [R] */
    BUFFERS
};

/* And of each reader (map_reader.h). */
enum reader_buffer {
    READER_TILE,
    READER_KEYS,
    READER_VALUES,
    READER_STATE,
    READER_QUERY,
    READER_LOOKS,
    READER_SEEN,
    READER_DTILE,
    READER_DKEYS,
    READER_DVALUES,
    READER_DQUERY,
    READER_DLOOKS,
    READER_BUFFERS
};

typedef struct sequence {
    packing packed;
    int images, per_image;
    int *image;         /* [R] the image of each row */
    int *count, *place; /* of map_reader.h, attention captioners */
    real *buffer[BUFFERS];
    real *reader[DECODER_VIEWS][READER_BUFFERS];
} sequence;

/* Streams of random numbers drawn from a batch's seed. */
enum { STREAM_X, STREAM_H };

/* Of n captions of `images` images, with so many rows in all. */
static void buffer_sizes(const decoder_shape *shape, int n, int rows, int images, size_t count[BUFFERS])
{
    size_t state = (size_t)n * shape->hidden, states = (size_t)rows * shape->hidden;
    size_t lstm = decoder_gates(shape->kind) == LSTM_GATES;
    count[BUFFER_X] = count[BUFFER_DX] = (size_t)rows * shape->words;
    count[BUFFER_START] = (size_t)images * shape->hidden;
    count[BUFFER_H] = count[BUFFER_DH] = state + states;
    count[BUFFER_OUT] = count[BUFFER_BEFORE] = states;
    count[BUFFER_SCORES] = (size_t)rows * shape->vocabulary;
    count[BUFFER_C] = lstm * (state + states);
    count[BUFFER_GATES] = count[BUFFER_DA] = lstm * LSTM_GATES * states;
    count[BUFFER_DC] = lstm * state;
    count[BUFFER_EVIDENCE] = count[BUFFER_DEVIDENCE] = (size_t)images * (shape->evidence ? shape->concepts : 0);
    count[BUFFER_GATE] = shape->evidence ? rows : 0;
    count[BUFFER_TAG_MAP] = count[BUFFER_DTAG_MAP] = (size_t)images * shape->tags * shape->words;
}

/* Of a reader of `positions` positions; none if there are none. */
static void reader_sizes(const decoder_shape *shape, int positions, int rows, int images, size_t count[READER_BUFFERS])
{
    size_t places = (size_t)images * positions, n = positions ? (size_t)rows : 0;
    count[READER_TILE] = count[READER_DTILE] = count[READER_KEYS] = count[READER_DKEYS] = places * shape->attention;
    count[READER_VALUES] = count[READER_DVALUES] = places * shape->hidden;
    count[READER_STATE] = count[READER_SEEN] = n * shape->hidden;
    count[READER_QUERY] = count[READER_DQUERY] = n * shape->attention;
    count[READER_LOOKS] = count[READER_DLOOKS] = n * positions;
}

static size_t reader_bytes(const decoder_shape *shape, int positions, int rows, int images)
{
    size_t count[READER_BUFFERS], bytes = 0;
    reader_sizes(shape, positions, rows, images, count);
    for (int i = 0; i < READER_BUFFERS; i++)
        bytes += arena_slice(count[i], sizeof(real));
    return bytes;
}

/* Enough for any number of images up to n. */
size_t X(decoder_loss_scratch)(const decoder_shape *shape, int n, int t)
{
    size_t count[BUFFERS], bytes = packing_scratch(n, t);
    buffer_sizes(shape, n, n * t, n, count);
    for (int i = 0; i < BUFFERS; i++)
        bytes += arena_slice(count[i], sizeof(real));
    bytes += reader_bytes(shape, shape->positions, n * t, n) + reader_bytes(shape, shape->tags, n * t, n);
    return bytes + arena_slice((size_t)n, sizeof(int)) + 2 * arena_slice((size_t)n * t, sizeof(int));
}

/* The rows of each image side by side, as map_reader.h wants them. */
static void sort_by_image(sequence *s)
{
    const packing *p = &s->packed;
    int next = 0;
    for (int i = 0; i < s->images; i++) {
        s->count[i] = -next;
        for (int r = 0; r < p->rows; r++)
            if (s->image[r] == i)
                s->place[next++] = r;
        s->count[i] += next;
    }
}

static void take_reader(const decoder_shape *shape, int view, sequence *s, arena *scratch)
{
    size_t count[READER_BUFFERS];
    reader_sizes(shape, decoder_view_shape(shape, view).positions, s->packed.rows, s->images, count);
    for (int i = 0; i < READER_BUFFERS; i++)
        s->reader[view][i] = arena_take(scratch, count[i], sizeof(real));
}

static sequence take_sequence(const decoder_shape *shape, const X(decoder_batch) *batch, arena *scratch)
{
    arena_reset(scratch);
    sequence s = {.packed = packing_make(batch->n, batch->t, batch->captions, scratch),
                  .per_image = batch->per_image ? batch->per_image : 1};
    s.images = batch->n / s.per_image;
    size_t count[BUFFERS];
    buffer_sizes(shape, batch->n, s.packed.rows, s.images, count);
    for (int i = 0; i < BUFFERS; i++)
        s.buffer[i] = arena_take(scratch, count[i], sizeof(real));
    for (int v = 0; v < DECODER_VIEWS; v++)
        take_reader(shape, v, &s, scratch);
    s.image = arena_take(scratch, (size_t)s.packed.rows, sizeof *s.image);
    for (int r = 0; r < s.packed.rows; r++)
        s.image[r] = s.packed.caption[r] / s.per_image;
    if (decoder_looks(shape->kind)) {
        s.count = arena_take(scratch, (size_t)s.images, sizeof *s.count);
        s.place = arena_take(scratch, (size_t)s.packed.rows, sizeof *s.place);
        sort_by_image(&s);
    }
    return s;
}

/* ---- the stages -------------------------------------------------------------------------------------------------- */

/* h0 of each caption is that of its image. */
static void spread(const sequence *s, int hidden, const real *start, real *h0)
{
    for (int j = 0; j < s->packed.n; j++)
        memcpy(h0 + (size_t)j * hidden, start + (size_t)(s->packed.order[j] / s->per_image) * hidden,
               hidden * sizeof *h0);
}

static void gather(const sequence *s, int hidden, const real *dh0, real *dstart)
{
    memset(dstart, 0, (size_t)s->images * hidden * sizeof *dstart);
    for (int j = 0; j < s->packed.n; j++, dh0 += hidden) {
        real *sum = dstart + (size_t)(s->packed.order[j] / s->per_image) * hidden;
        for (int i = 0; i < hidden; i++)
            sum[i] += dh0[i];
    }
}

static void recur(const decoder_shape *shape, const X(recurrent_weights) *w, const sequence *s)
{
    real *const *b = s->buffer;
    if (decoder_gates(shape->kind) == LSTM_GATES) {
        memset(b[BUFFER_C], 0, (size_t)s->packed.n * w->hidden * sizeof(real)); /* c0 */
        X(lstm_forward)(w, &s->packed.steps, b[BUFFER_X], b[BUFFER_H], b[BUFFER_C], b[BUFFER_GATES]);
    } else {
        X(rnn_forward)(w, &s->packed.steps, b[BUFFER_X], b[BUFFER_H]);
    }
}

static void recur_backward(const decoder_shape *shape, const X(recurrent_weights) *w, const sequence *s,
                           const X(recurrent_gradients) *dw)
{
    real *const *b = s->buffer;
    if (decoder_gates(shape->kind) == LSTM_GATES) {
        memset(b[BUFFER_DC], 0, (size_t)s->packed.n * w->hidden * sizeof(real)); /* nothing reads the last c */
        X(lstm_backward)(w, &s->packed.steps, b[BUFFER_X], b[BUFFER_H], b[BUFFER_C], b[BUFFER_GATES], b[BUFFER_DH],
                         b[BUFFER_DC], b[BUFFER_DA], b[BUFFER_BEFORE], b[BUFFER_DX], dw);
    } else {
        X(rnn_backward)(w, &s->packed.steps, b[BUFFER_X], b[BUFFER_H], b[BUFFER_DH], b[BUFFER_BEFORE], b[BUFFER_DX],
                        dw);
    }
}

static X(map_view) view_of(const sequence *s, int view)
{
    real *const *b = s->reader[view];
    return (X(map_view)){s->images, b[READER_TILE], b[READER_KEYS], b[READER_VALUES]};
}

static X(map_readers) readers_of(const sequence *s, int view)
{
    real *const *b = s->reader[view];
    return (X(map_readers)){s->packed.rows,  s->count,        s->place,      b[READER_STATE],
                            b[READER_QUERY], b[READER_LOOKS], b[READER_SEEN]};
}

/* BUFFER_OUT, which holds h or what the reader before made of it, gets what this one sees added. */
static void look(const decoder_shape *shape, int v, const X(map_reader_weights) *w, const real *map, const sequence *s)
{
    const decoder_shape seen = decoder_view_shape(shape, v);
    const X(map_view) view = view_of(s, v);
    const X(map_readers) readers = readers_of(s, v);
    X(map_reader_project)(&seen, w, map, &view);
    X(map_reader_look)(&seen, w, &view, &readers, s->buffer[BUFFER_OUT]);
}

/* dz [R, H]: in, the gradient of this reader's result; out, that of what it read. */
static void look_backward(const decoder_shape *shape, int v, const X(map_reader_weights) *w, const real *map,
                          const sequence *s, real *dz, real *dmap, const X(map_reader_gradients) *dw)
{
    real *const *b = s->reader[v];
    const decoder_shape seen = decoder_view_shape(shape, v);
    const X(map_view) view = view_of(s, v), dview = {s->images, b[READER_DTILE], b[READER_DKEYS], b[READER_DVALUES]};
    const X(map_readers) readers = readers_of(s, v);
    X(map_reader_backward)(&seen, w, map, &view, &readers, &dview, b[READER_DQUERY], b[READER_DLOOKS], dz, dmap, dw);
}

static void look_all(const decoder_shape *shape, const X(decoder_weights) *w, const X(decoder_images) *of,
                     const sequence *s)
{
    if (shape->tags) {
        X(concept_map)(shape, w->w_embed, s->images, of, s->buffer[BUFFER_TAG_MAP]);
        look(shape, DECODER_TAGS, &w->reader[DECODER_TAGS], s->buffer[BUFFER_TAG_MAP], s);
    }
    look(shape, DECODER_MAP, &w->reader[DECODER_MAP], of->map, s);
}

/* The gradient of the concepts' vectors waits in BUFFER_DTAG_MAP. */
static void look_all_backward(const decoder_shape *shape, const X(decoder_weights) *w, const X(decoder_images) *of,
                              const sequence *s, real *dz, real *dmap, const X(decoder_gradients) *dw)
{
    real *const *b = s->buffer;
    look_backward(shape, DECODER_MAP, &w->reader[DECODER_MAP], of->map, s, dz, dmap, &dw->reader[DECODER_MAP]);
    if (shape->tags)
        look_backward(shape, DECODER_TAGS, &w->reader[DECODER_TAGS], b[BUFFER_TAG_MAP], s, dz, b[BUFFER_DTAG_MAP],
                      &dw->reader[DECODER_TAGS]);
}

/* In place on x [R, width]. */
static void drop(const X(decoder_batch) *batch, const sequence *s, int stream, int width, real *x)
{
    X(dropout)(&s->packed.steps, s->packed.order, width, x, batch->dropout,
               random_mix(batch->seed + stream) + batch->first);
}

/* ---- the loss ---------------------------------------------------------------------------------------------------- */

/* Fills the sequence; the scores become their gradients. */
static real forward(const decoder_shape *shape, const X(decoder_weights) *w, const X(decoder_batch) *batch,
                    const sequence *s)
{
    const packing *p = &s->packed;
    int hidden = shape->hidden;
    real *const *b = s->buffer, *h = b[BUFFER_H] + (size_t)p->n * hidden;
    const X(decoder_images) *of = &batch->images;
    X(affine_forward)(s->images, shape->features, hidden, of->features, w->w_proj, w->b_proj, b[BUFFER_START]);
    if (shape->concepts)
        gemm(s->images, hidden, shape->concepts, of->concepts, w->w_concept, 1, b[BUFFER_START]);
    spread(s, hidden, b[BUFFER_START], b[BUFFER_H]);
    X(embedding_forward)(p->rows, shape->words, p->inputs, w->w_embed, b[BUFFER_X]);
    drop(batch, s, STREAM_X, shape->words, b[BUFFER_X]);
    recur(shape, &w->cell, s);
    memcpy(b[BUFFER_OUT], h, (size_t)p->rows * hidden * sizeof *h);
    if (decoder_looks(shape->kind))
        look_all(shape, w, of, s);
    drop(batch, s, STREAM_H, hidden, b[BUFFER_OUT]);
    X(affine_forward)(p->rows, hidden, shape->vocabulary, b[BUFFER_OUT], w->w_vocab, w->b_vocab, b[BUFFER_SCORES]);
    if (shape->evidence) {
        X(evidence_forward)(shape->concepts, s->images, &w->evidence, of->concepts, b[BUFFER_EVIDENCE]);
        X(evidence_add)(shape, &w->evidence, b[BUFFER_EVIDENCE], of->concept_words, p->rows, s->image, b[BUFFER_OUT],
                        b[BUFFER_GATE], b[BUFFER_SCORES]);
    }
    return X(softmax_loss)(p->rows, shape->vocabulary, b[BUFFER_SCORES], p->targets, p->caption, batch->weights,
                           batch->label_smoothing, p->n);
}

static void backward(const decoder_shape *shape, const X(decoder_weights) *w, const X(decoder_batch) *batch,
                     const sequence *s, const X(decoder_gradients) *dw, const X(decoder_image_gradients) *di)
{
    const X(decoder_images) *of = &batch->images;
    const packing *p = &s->packed;
    int hidden = shape->hidden;
    size_t state = (size_t)p->n * hidden;
    real *const *b = s->buffer, *dh0 = b[BUFFER_DH], *dout = dh0 + state;
    X(affine_backward)(p->rows, hidden, shape->vocabulary, b[BUFFER_OUT], w->w_vocab, b[BUFFER_SCORES], dout,
                       dw->w_vocab, dw->b_vocab);
    if (shape->evidence)
        X(evidence_add_backward)(shape, &w->evidence, b[BUFFER_EVIDENCE], of->concept_words, p->rows, s->image,
                                 b[BUFFER_OUT], b[BUFFER_GATE], b[BUFFER_SCORES], s->images, b[BUFFER_DEVIDENCE], dout,
                                 &dw->evidence);
    drop(batch, s, STREAM_H, hidden, dout);
    if (decoder_looks(shape->kind))
        look_all_backward(shape, w, of, s, dout, di->map, dw);
    memset(dh0, 0, state * sizeof *dh0);
    recur_backward(shape, &w->cell, s, &dw->cell);
    drop(batch, s, STREAM_X, shape->words, b[BUFFER_DX]);
    if (dw->w_embed)
        X(embedding_backward)(p->rows, shape->words, p->inputs, b[BUFFER_DX], dw->w_embed);
    gather(s, hidden, dh0, b[BUFFER_START]);
    X(affine_backward)(s->images, shape->features, hidden, of->features, w->w_proj, b[BUFFER_START], di->features,
                       dw->w_proj, dw->b_proj);
    if (shape->concepts)
        X(affine_backward)(s->images, shape->concepts, hidden, of->concepts, w->w_concept, b[BUFFER_START],
                           di->concepts, dw->w_concept, NULL);
    if (shape->evidence)
        X(evidence_backward)(shape->concepts, s->images, &w->evidence, of->concepts, b[BUFFER_DEVIDENCE], di->concepts,
                             &dw->evidence);
    if (shape->tags)
        X(concept_map_backward)(shape, w->w_embed, s->images, of, b[BUFFER_DTAG_MAP], dw->w_embed, di->concepts);
}

real X(decoder_loss)(const decoder_shape *shape, const real *parameters, const X(decoder_batch) *batch, real *gradients,
                     const X(decoder_image_gradients) *dimages, arena *scratch)
{
    X(decoder_weights) w = X(decoder_weights_at)(shape, parameters);
    sequence s = take_sequence(shape, batch, scratch);
    real loss = forward(shape, &w, batch, &s);
    if (gradients || dimages) {
        const X(decoder_image_gradients) unwanted = {NULL, NULL, NULL};
        X(decoder_gradients) dw = X(decoder_gradients_at)(shape, gradients);
        backward(shape, &w, batch, &s, &dw, dimages ? dimages : &unwanted);
    }
    return loss;
}
