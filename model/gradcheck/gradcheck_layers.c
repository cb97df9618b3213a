/* gradcheck_layers.c: the layers as subjects of the gradient check, with the errors that CS231n assignment 3 allows.
 *
 * What is linear in every single input (affine, embedding, dropout) has no truncation error, so a large step h leaves
 * only rounding: that is how the course's e-11 for the embedding is met. */
#include <string.h>

#include "model/gradcheck/gradcheck_subject.h"
#include "model/layers/affine.h"
#include "model/layers/attention.h"
#include "model/layers/dropout.h"
#include "model/layers/embedding.h"
#include "model/layers/lstm.h"
#include "model/layers/multilabel.h"
#include "model/layers/rnn.h"
#include "model/layers/softmax_loss.h"

enum {
    N = GRADCHECK_N,
    T = GRADCHECK_T,
    V = GRADCHECK_V,
    D = 6,
    H = 5,
    P = 4,
    A = 3,
    G = LSTM_GATES,
    SCORES = T * N * V
};

/* Sequences of three lengths: 4, 3 and 2 steps. */
static const int step_rows[T] = {3, 3, 2, 1};
static const sequence_steps steps = {T, step_rows};
enum { R = 3 + 3 + 2 + 1 };

static double *take(gradcheck_bench *b, size_t n)
{
    return arena_take(&b->scratch, n, sizeof(double));
}

static double *copy_of(gradcheck_bench *b, const double *x, size_t n)
{
    return memcpy(take(b, n), x, n * sizeof *x);
}

/* ---- affine, embedding, dropout ------------------------------------------------------------------- */

static void affine(gradcheck_bench *b)
{
    X(affine_forward)(T * N, D, H, b->in[0], b->in[1], b->in[2], b->out);
}

static void affine_back(gradcheck_bench *b)
{
    X(affine_backward)(T * N, D, H, b->in[0], b->in[1], b->dout, b->gradient[0], b->gradient[1], b->gradient[2]);
}

static void embedding(gradcheck_bench *b)
{
    X(embedding_forward)(T * N, D, b->ids, b->in[0], b->out);
}

static void embedding_back(gradcheck_bench *b)
{
    X(embedding_backward)(T * N, D, b->ids, b->dout, b->gradient[0]);
}

static void dropped(const double *x, double *y)
{
    static const int order[N] = {1, 2, 0};
    memcpy(y, x, R * H * sizeof *y);
    X(dropout)(&steps, order, H, y, 0.3, 1);
}

static void dropout(gradcheck_bench *b)
{
    dropped(b->in[0], b->out);
}

static void dropout_back(gradcheck_bench *b)
{
    dropped(b->dout, b->gradient[0]);
}

/* ---- attention: inputs query, keys, values ---------------------------------------------------------------------- */

static const attention_shape look_shape = {.rows = T * N, .positions = P, .keys = A, .values = H};

static void attention(gradcheck_bench *b)
{
    X(attention_forward)(&look_shape, b->in[0], b->in[1], b->in[2], take(b, T * N * P), b->out);
}

static void attention_back(gradcheck_bench *b)
{
    double *looks = take(b, T * N * P);
    X(attention_forward)(&look_shape, b->in[0], b->in[1], b->in[2], looks, take(b, T * N * H));
    X(attention_backward)(&look_shape, b->in[0], b->in[1], b->in[2], looks, b->dout, take(b, T * N * P), b->gradient[0],
                          b->gradient[1], b->gradient[2]);
}

/* ---- softmax loss ----------------------------------------------------------------------------------------------- */

static const double reward[N] = {1.5, -0.7, 0.2}; /* of either sign */
static const int caption_of_row[T * N] = {0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2};

#define SOFTMAX_LOSS(name, weights, smoothing)                                                                         \
    static double name##_of(const gradcheck_bench *b, double *scores)                                                  \
    {                                                                                                                  \
        return X(softmax_loss)(T * N, V, scores, b->ids, caption_of_row, weights, smoothing, N);                       \
    }                                                                                                                  \
    static void name(gradcheck_bench *b)                                                                               \
    {                                                                                                                  \
        b->out[0] = name##_of(b, copy_of(b, b->in[0], SCORES));                                                        \
    }                                                                                                                  \
    static void name##_back(gradcheck_bench *b)                                                                        \
    {                                                                                                                  \
        name##_of(b, memcpy(b->gradient[0], b->in[0], SCORES * sizeof(double)));                                       \
    }
SOFTMAX_LOSS(softmax_loss, NULL, 0)
SOFTMAX_LOSS(weighted_loss, reward, 0)
SOFTMAX_LOSS(smoothed_loss, NULL, 0.1)

/* ---- recurrent layers: inputs x, h0, (c0,) Wx, Wh, b ------------------------------------------------------------- */

static X(recurrent_weights) weights_at(const gradcheck_bench *b, int first)
{
    return (X(recurrent_weights)){D, H, b->in[first], b->in[first + 1], b->in[first + 2]};
}

static X(recurrent_gradients) gradients_at(const gradcheck_bench *b, int first)
{
    return (X(recurrent_gradients)){b->gradient[first], b->gradient[first + 1], b->gradient[first + 2]};
}

/* Outputs: h. */
static void rnn_step(gradcheck_bench *b)
{
    X(recurrent_weights) w = weights_at(b, 2);
    X(rnn_step_forward)(&w, N, b->in[0], b->in[1], b->out);
}

static void rnn_step_back(gradcheck_bench *b)
{
    X(recurrent_weights) w = weights_at(b, 2);
    X(recurrent_gradients) dw = gradients_at(b, 2);
    rnn_step(b);
    X(rnn_step_backward)(&w, N, b->in[0], b->in[1], b->out, copy_of(b, b->dout, N * H), b->gradient[0], b->gradient[1],
                         &dw);
}

/* States [N + R, H] of which the first are given. */
static double *states_from(gradcheck_bench *b, const double *initial)
{
    double *states = take(b, (N + R) * H);
    memcpy(states, initial, N * H * sizeof *states);
    return states;
}

/* Gradients of states [N + R, H] as a sequence's backward pass receives them: none from outside for the first. */
static double *state_gradients(gradcheck_bench *b)
{
    double *dh = take(b, (N + R) * H);
    memset(dh, 0, N * H * sizeof *dh);
    memcpy(dh + N * H, b->dout, R * H * sizeof *dh);
    return dh;
}

/* Outputs: h behind each step. */
static double *rnn_states(gradcheck_bench *b)
{
    X(recurrent_weights) w = weights_at(b, 2);
    double *h = states_from(b, b->in[1]);
    X(rnn_forward)(&w, &steps, b->in[0], h);
    return h;
}

static void rnn(gradcheck_bench *b)
{
    memcpy(b->out, rnn_states(b) + N * H, R * H * sizeof(double));
}

static void rnn_back(gradcheck_bench *b)
{
    X(recurrent_weights) w = weights_at(b, 2);
    X(recurrent_gradients) dw = gradients_at(b, 2);
    double *h = rnn_states(b), *dh = state_gradients(b);
    X(rnn_backward)(&w, &steps, b->in[0], h, dh, take(b, R * H), b->gradient[0], &dw);
    memcpy(b->gradient[1], dh, N * H * sizeof *dh);
}

/* Outputs: h, then c. */
static double *lstm_step_gates(gradcheck_bench *b)
{
    X(recurrent_weights) w = weights_at(b, 3);
    double *gates = take(b, N * G * H);
    X(lstm_step_forward)(&w, N, b->in[0], b->in[1], b->in[2], gates, b->out, b->out + N * H);
    return gates;
}

static void lstm_step(gradcheck_bench *b)
{
    lstm_step_gates(b);
}

static void lstm_step_back(gradcheck_bench *b)
{
    X(recurrent_weights) w = weights_at(b, 3);
    X(recurrent_gradients) dw = gradients_at(b, 3);
    double *gates = lstm_step_gates(b), *dc = memcpy(b->gradient[2], b->dout + N * H, N * H * sizeof *dc);
    X(lstm_step_backward)(&w, N, b->in[0], b->in[1], b->in[2], gates, b->out + N * H, b->dout, dc, take(b, N * G * H),
                          b->gradient[0], b->gradient[1], &dw);
}

typedef struct lstm_states {
    double *h, *c, *gates;
} lstm_states;

/* Outputs: h behind each step, then the last c of each sequence, longest first. */
static lstm_states lstm_states_of(gradcheck_bench *b)
{
    X(recurrent_weights) w = weights_at(b, 3);
    lstm_states s = {states_from(b, b->in[1]), states_from(b, b->in[2]), take(b, R * G * H)};
    X(lstm_forward)(&w, &steps, b->in[0], s.h, s.c, s.gates);
    return s;
}

/* Rows of each sequence's last state: behind step 3, 2 and 1. */
static const int last_state[N] = {N + 3 + 3 + 2, N + 3 + 3 + 1, N + 3 + 2};

static void lstm(gradcheck_bench *b)
{
    lstm_states s = lstm_states_of(b);
    memcpy(b->out, s.h + N * H, R * H * sizeof(double));
    for (int i = 0; i < N; i++)
        memcpy(b->out + (R + i) * H, s.c + last_state[i] * H, H * sizeof(double));
}

static void lstm_back(gradcheck_bench *b)
{
    X(recurrent_weights) w = weights_at(b, 3);
    X(recurrent_gradients) dw = gradients_at(b, 3);
    lstm_states s = lstm_states_of(b);
    double *dh = state_gradients(b), *dc = memcpy(b->gradient[2], b->dout + R * H, N * H * sizeof *dc);
    X(lstm_backward)(&w, &steps, b->in[0], s.h, s.c, s.gates, dh, dc, take(b, R * G * H), take(b, R * H),
                     b->gradient[0], &dw);
    memcpy(b->gradient[1], dh, N * H * sizeof *dh);
}

/* Labels of both kinds, from the numbers of the words. */
static void multilabel_labels(const gradcheck_bench *b, double *y)
{
    for (int i = 0; i < N * V; i++)
        y[i] = b->ids[i % GRADCHECK_IDS] % 2;
}

static double *multilabel_p(gradcheck_bench *b)
{
    double *p = take(b, N * V);
    X(multilabel_forward)(N, D, V, b->in[0], b->in[1], b->in[2], p);
    return p;
}

static void multilabel_loss(gradcheck_bench *b)
{
    double *p = multilabel_p(b), *y = take(b, N * V);
    multilabel_labels(b, y);
    b->out[0] = X(multilabel_loss)(N, V, p, y, take(b, N * V));
}

static void multilabel_loss_back(gradcheck_bench *b)
{
    double *p = multilabel_p(b), *y = take(b, N * V), *dlogit = take(b, N * V);
    multilabel_labels(b, y);
    X(multilabel_loss)(N, V, p, y, dlogit);
    X(affine_backward)(N, D, V, b->in[0], b->in[1], dlogit, b->gradient[0], b->gradient[1], b->gradient[2]);
}

static void multilabel(gradcheck_bench *b)
{
    X(multilabel_forward)(N, D, V, b->in[0], b->in[1], b->in[2], b->out);
}

static void multilabel_back(gradcheck_bench *b)
{
    double *p = multilabel_p(b), *dp = memcpy(take(b, N * V), b->dout, N * V * sizeof *dp);
    X(multilabel_backward)(N, D, V, b->in[0], b->in[1], p, dp, b->gradient[0], b->gradient[1], b->gradient[2]);
}

/* ---- the table ----------------------------------------------------------------------------------------------------
 */

/* clang-format off */
static const gradcheck_subject layers[] = {
    {"affine", 0.5,
     {{"dx", 1e-9, SETS, {T, N, D}}, {"dw", 1e-9, ADDS, {D, H}}, {"db", 1e-9, ADDS, {H}}},
     T * N * H, affine, affine_back},
    {"multilabel", 1e-3,
     {{"dx", 1e-7, SETS, {N, D}}, {"dw", 1e-7, ADDS, {D, V}}, {"db", 1e-7, ADDS, {V}}}, N * V, multilabel,
     multilabel_back},
    {"multilabel_loss", 1e-3,
     {{"dx", 1e-7, SETS, {N, D}}, {"dw", 1e-7, ADDS, {D, V}}, {"db", 1e-7, ADDS, {V}}}, 1, multilabel_loss,
     multilabel_loss_back},
    {"embedding", 0.5, {{"dw", 1e-11, ADDS, {V, D}}}, T * N * D, embedding, embedding_back},
    {"dropout", 0.5, {{"dx", 1e-9, SETS, {R, H}}}, R * H, dropout, dropout_back},
    {"attention", 1e-3,
     {{"dquery", 1e-7, SETS, {T, N, A}}, {"dkeys", 1e-7, SETS, {P, A}}, {"dvalues", 1e-7, SETS, {P, H}}},
     T * N * H, attention, attention_back},
    {"softmax_loss", 1e-3, {{"dx", 1e-7, SETS, {T, N, V}}}, 1, softmax_loss, softmax_loss_back},
    {"weighted_softmax_loss", 1e-3, {{"dx", 1e-7, SETS, {T, N, V}}}, 1, weighted_loss, weighted_loss_back},
    {"smoothed_softmax_loss", 1e-3, {{"dx", 1e-7, SETS, {T, N, V}}}, 1, smoothed_loss, smoothed_loss_back},
    {"rnn_step", 1e-3,
     {{"dx", 1e-8, SETS, {N, D}}, {"dh", 1e-8, SETS, {N, H}},
      {"dwx", 1e-8, ADDS, {D, H}}, {"dwh", 1e-8, ADDS, {H, H}}, {"db", 1e-8, ADDS, {H}}},
     N * H, rnn_step, rnn_step_back},
    {"rnn", 1e-3,
     {{"dx", 1e-6, SETS, {R, D}}, {"dh0", 1e-6, SETS, {N, H}},
      {"dwx", 1e-6, ADDS, {D, H}}, {"dwh", 1e-6, ADDS, {H, H}}, {"db", 1e-6, ADDS, {H}}},
     R * H, rnn, rnn_back},
    {"lstm_step", 1e-3,
     {{"dx", 1e-7, SETS, {N, D}}, {"dh", 1e-7, SETS, {N, H}}, {"dc", 1e-7, SETS, {N, H}},
      {"dwx", 1e-7, ADDS, {D, G * H}}, {"dwh", 1e-7, ADDS, {H, G * H}}, {"db", 1e-7, ADDS, {G * H}}},
     2 * N * H, lstm_step, lstm_step_back},
    {"lstm", 1e-3,
     {{"dx", 1e-8, SETS, {R, D}}, {"dh0", 1e-8, SETS, {N, H}}, {"dc0", 1e-8, SETS, {N, H}},
      {"dwx", 1e-8, ADDS, {D, G * H}}, {"dwh", 1e-6, ADDS, {H, G * H}}, {"db", 1e-8, ADDS, {G * H}}},
     (R + N) * H, lstm, lstm_back},
};
/* clang-format on */

const gradcheck_subject *gradcheck_layer(size_t i)
{
    return i < sizeof layers / sizeof *layers ? &layers[i] : NULL;
}
