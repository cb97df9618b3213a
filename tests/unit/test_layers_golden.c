/* test_layers_golden.c: the layers and the captioning loss against the published numbers of CS231n (Stanford),
 * assignment 3, notebooks RNN_Captioning.ipynb and LSTM_Captioning.ipynb: inputs and outputs as printed there, eight
 * digits, float64.
 *
 * linspace(a, b) fills a tensor row-major with evenly spaced numbers. The notebooks order sequences (N, T, .); ours are
 * time-major, so those are transposed here. */
#define REAL_IS_DOUBLE
#include "model/decoder/decoder.h"
#include "model/layers/embedding.h"
#include "model/layers/lstm.h"
#include "model/layers/rnn.h"
#include "model/layers/softmax_loss.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/random.h"

static void linspace(double a, double b, size_t n, double *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = a + (b - a) * (double)i / (double)(n - 1);
}

/* (n, t, width) -> (t, n, width) */
static void time_major(int n, int t, int width, const double *x, double *y)
{
    for (int i = 0; i < n; i++)
        for (int j = 0; j < t; j++)
            memcpy(y + (j * n + i) * width, x + (i * t + j) * width, width * sizeof *y);
}

/* The course's error: max |x - y| / max(1e-8, |x| + |y|). */
static double relative_error(size_t n, const double *x, const double *y)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++)
        worst = fmax(worst, fabs(x[i] - y[i]) / fmax(1e-8, fabs(x[i]) + fabs(y[i])));
    return worst;
}

static void assert_close(size_t n, const double *x, const double *golden, double bound)
{
    double error = relative_error(n, x, golden);
    if (!(error <= bound))
        fail_msg("relative error %g, bound %g", error, bound);
}

static void rnn_step_gives_the_published_state(void **state)
{
    (void)state;
    enum { N = 3, D = 10, H = 4 };
    double x[N * D], prev_h[N * H], wx[D * H], wh[H * H], b[H], next_h[N * H];
    linspace(-0.4, 0.7, N * D, x);
    linspace(-0.2, 0.5, N * H, prev_h);
    linspace(-0.1, 0.9, D * H, wx);
    linspace(-0.3, 0.7, H * H, wh);
    linspace(-0.2, 0.4, H, b);
    rnn_step_forward_d(&(recurrent_weights_d){D, H, wx, wh, b}, N, x, prev_h, next_h);
    static const double golden[N * H] = {
        -0.58172089, -0.50182032, -0.41232771, -0.31410098, 0.66854692, 0.79562378,
        0.87755553,  0.92795967,  0.97934501,  0.99144213,  0.99646691, 0.99854353,
    };
    assert_close(N * H, next_h, golden, 1e-8);
}

static void rnn_gives_the_published_states(void **state)
{
    (void)state;
    enum { N = 2, T = 3, D = 4, H = 5 };
    double x_nt[N * T * D], x[T * N * D], wx[D * H], wh[H * H], b[H], h[(T + 1) * N * H], expected[T * N * H];
    linspace(-0.1, 0.3, N * T * D, x_nt);
    time_major(N, T, D, x_nt, x);
    linspace(-0.3, 0.1, N * H, h);
    linspace(-0.2, 0.4, D * H, wx);
    linspace(-0.4, 0.1, H * H, wh);
    linspace(-0.7, 0.1, H, b);
    const sequence_steps steps = {T, (const int[]){N, N, N}};
    _Static_assert(T == 3, "a number of rows for each step");
    rnn_forward_d(&(recurrent_weights_d){D, H, wx, wh, b}, &steps, x, h);
    static const double golden[N * T * H] = {
        -0.42070749, -0.27279261, -0.11074945, 0.05740409,  0.22236251,  -0.39525808, -0.22554661, -0.0409454,
        0.14649412,  0.32397316,  -0.42305111, -0.24223728, -0.04287027, 0.15997045,  0.35014525,  -0.55857474,
        -0.39065825, -0.19198182, 0.02378408,  0.23735671,  -0.27150199, -0.07088804, 0.13562939,  0.33099728,
        0.50158768,  -0.51014825, -0.30524429, -0.06755202, 0.17806392,  0.40333043,
    };
    time_major(N, T, H, golden, expected);
    assert_close(T * N * H, h + N * H, expected, 1e-7);
}

static void lstm_step_gives_the_published_state(void **state)
{
    (void)state;
    enum { N = 3, D = 4, H = 5, G = LSTM_GATES };
    double x[N * D], prev_h[N * H], prev_c[N * H], wx[D * G * H], wh[H * G * H], b[G * H];
    double gates[N * G * H], next_h[N * H], next_c[N * H];
    linspace(-0.4, 1.2, N * D, x);
    linspace(-0.3, 0.7, N * H, prev_h);
    linspace(-0.4, 0.9, N * H, prev_c);
    linspace(-2.1, 1.3, D * G * H, wx);
    linspace(-0.7, 2.2, H * G * H, wh);
    linspace(0.3, 0.7, G * H, b);
    lstm_step_forward_d(&(recurrent_weights_d){D, H, wx, wh, b}, N, x, prev_h, prev_c, gates, next_h, next_c);
    static const double golden_h[N * H] = {
        0.24635157, 0.28610883, 0.32240467, 0.35525807, 0.38474904, 0.49223563, 0.55611431, 0.61507696,
        0.66844003, 0.7159181,  0.56735664, 0.66310127, 0.74419266, 0.80889665, 0.858299,
    };
    static const double golden_c[N * H] = {
        0.32986176, 0.39145139, 0.451556,   0.51014116, 0.56717407, 0.66382255, 0.76674007, 0.87195994,
        0.97902709, 1.08751345, 0.74192008, 0.90592151, 1.07717006, 1.25120233, 1.42395676,
    };
    assert_close(N * H, next_h, golden_h, 1e-8);
    assert_close(N * H, next_c, golden_c, 1e-8);
}

static void lstm_gives_the_published_states(void **state)
{
    (void)state;
    enum { N = 2, D = 5, H = 4, T = 3, G = LSTM_GATES };
    double x_nt[N * T * D], x[T * N * D], wx[D * G * H], wh[H * G * H], b[G * H];
    double h[(T + 1) * N * H], c[(T + 1) * N * H] = {0}, gates[T * N * G * H], expected[T * N * H];
    linspace(-0.4, 0.6, N * T * D, x_nt);
    time_major(N, T, D, x_nt, x);
    linspace(-0.4, 0.8, N * H, h);
    linspace(-0.2, 0.9, D * G * H, wx);
    linspace(-0.3, 0.6, H * G * H, wh);
    linspace(0.2, 0.7, G * H, b);
    const sequence_steps steps = {T, (const int[]){N, N, N}};
    _Static_assert(T == 3, "a number of rows for each step");
    lstm_forward_d(&(recurrent_weights_d){D, H, wx, wh, b}, &steps, x, h, c, gates);
    static const double golden[N * T * H] = {
        0.01764008, 0.01823233, 0.01882671, 0.0194232,  0.11287491, 0.12146228, 0.13018446, 0.13902939,
        0.31358768, 0.33338627, 0.35304453, 0.37250975, 0.45767879, 0.4761092,  0.4936887,  0.51041945,
        0.6704845,  0.69350089, 0.71486014, 0.7346449,  0.81733511, 0.83677871, 0.85403753, 0.86935314,
    };
    time_major(N, T, H, golden, expected);
    assert_close(T * N * H, h + N * H, expected, 1e-7);
}

static void embedding_looks_up_rows(void **state)
{
    (void)state;
    enum { V = 5, W = 3, ROWS = 8 };
    static const int ids[ROWS] = {0, 3, 1, 2, 2, 1, 0, 3};
    double table[V * W], y[ROWS * W];
    linspace(0, 1, V * W, table);
    embedding_forward_d(ROWS, W, ids, table, y);
    for (int r = 0; r < ROWS; r++)
        assert_memory_equal(y + r * W, table + ids[r] * W, W * sizeof *y);
}

/* The notebook's sanity check of temporal_softmax_loss: scores of order 1e-3 leave log V a word, so that the loss is
 * T kept log V. 2.3 for (N, T) = (100, 1), 23 for (100, 10), and 2.2 to 2.4 for (5000, 10) with a tenth of the words
 * kept. */
static double sanity_loss(int n, int t, double kept)
{
    enum { V = 10 };
    size_t rows = (size_t)n * t;
    double *scores = malloc(rows * V * sizeof *scores);
    int *targets = malloc(rows * sizeof *targets);
    assert_true(scores && targets);
    random_stream random = random_seeded(231);
    for (size_t i = 0; i < rows * V; i++)
        scores[i] = 1e-3 * (2 * random_uniform(&random) - 1);
    for (size_t r = 0; r < rows; r++)
        targets[r] = random_uniform(&random) < kept ? 1 + (int)random_below(&random, V - 1) : 0;
    double loss = softmax_loss_d((int)rows, V, scores, targets, NULL, NULL, 0, n);
    free(scores);
    free(targets);
    return loss;
}

static void untrained_softmax_loss_is_the_log_of_the_classes(void **state)
{
    (void)state;
    assert_true(fabs(sanity_loss(100, 1, 1) - log(10)) < 1e-3);
    assert_true(fabs(sanity_loss(100, 10, 1) - 10 * log(10)) < 1e-2);
    double masked = sanity_loss(5000, 10, 0.1);
    assert_true(masked > 2.2 && masked < 2.4);
}

static void masked_rows_have_neither_loss_nor_gradient(void **state)
{
    (void)state;
    enum { V = 4 };
    double scores[2 * V] = {1, 2, 3, 4, 5, 6, 7, 8}, alone[V] = {5, 6, 7, 8};
    double loss = softmax_loss_d(2, V, scores, (int[]){0, 2}, NULL, NULL, 0.1, 1);
    assert_true(loss == softmax_loss_d(1, V, alone, (int[]){2}, NULL, NULL, 0.1, 1));
    for (int v = 0; v < V; v++) {
        assert_true(scores[v] == 0);
        assert_true(scores[V + v] == alone[v]);
    }
}

static void weights_scale_the_loss_and_gradient_of_their_caption(void **state)
{
    /* Two captions of two words, time-major: rows 0 and 2 belong to the first, 1 and 3 to the second. */
    (void)state;
    enum { V = 3 };
    double scores[4 * V] = {1, 2, 3, 4, 5, 7, 0, 1, 0, 2, 2, 5}, plain[4 * V];
    const int targets[4] = {1, 2, 0, 1};
    memcpy(plain, scores, sizeof scores);
    double first[V] = {1, 2, 3}, second[2 * V] = {4, 5, 7, 2, 2, 5};
    double loss_first = softmax_loss_d(1, V, first, targets, NULL, NULL, 0, 1);
    double loss_second = softmax_loss_d(2, V, second, (const int[]){2, 1}, NULL, NULL, 0, 1);
    double loss = softmax_loss_d(4, V, scores, targets, (const int[]){0, 1, 0, 1}, (const double[]){-2, 0.5}, 0, 2);
    softmax_loss_d(4, V, plain, targets, NULL, NULL, 0, 2);
    assert_true(fabs(loss - (-2 * loss_first + 0.5 * loss_second) / 2) < 1e-12);
    for (int i = 0; i < 4 * V; i++)
        assert_true(fabs(scores[i] - (i / V % 2 ? 0.5 : -2) * plain[i]) < 1e-12);
}

/* The notebooks' captioning loss: every parameter L(-1.4, 1.3) over its own size, captions 0 1 2 0 1 2 ... (N, T), id 0
 * masked, so that both the look-up and the mask of the NULL word are met. */
static double captioning_loss(decoder_kind kind, double first_feature, double last_feature)
{
    enum { N = 10, D = 20, T = 13 };
    const decoder_shape shape = {.kind = kind, .features = D, .words = 30, .hidden = 40, .vocabulary = 3};
    decoder_tensor tensors[DECODER_MAX_TENSORS];
    size_t total;
    int n_tensors = decoder_layout(&shape, tensors, &total), captions[T * N];
    double features[N * D], *parameters = malloc(total * sizeof *parameters);
    arena scratch = {0};
    assert_non_null(parameters);
    for (int i = 0; i < n_tensors; i++) {
        size_t end = i + 1 < n_tensors ? tensors[i + 1].offset : total;
        linspace(-1.4, 1.3, end - tensors[i].offset, parameters + tensors[i].offset);
    }
    linspace(first_feature, last_feature, N * D, features);
    for (int i = 0; i < N * T; i++)
        captions[i % T * N + i / T] = i % shape.vocabulary;
    decoder_batch_d batch = {.n = N, .t = T - 1, .images = {.features = features}, .captions = captions};
    assert_int_equal(arena_reserve(&scratch, decoder_loss_scratch_d(&shape, N, T - 1), NULL), CAPTION_OK);
    double loss = decoder_loss_d(&shape, parameters, &batch, NULL, NULL, &scratch);
    arena_free(&scratch);
    free(parameters);
    return loss;
}

static void captioning_losses_are_the_published_ones(void **state)
{
    (void)state;
    double rnn = captioning_loss(DECODER_RNN, -1.5, 0.3), lstm = captioning_loss(DECODER_LSTM, -0.5, 1.7);
    assert_close(1, &rnn, (double[]){9.83235591003}, 1e-12);
    assert_close(1, &lstm, (double[]){9.82445935443}, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rnn_step_gives_the_published_state),
        cmocka_unit_test(rnn_gives_the_published_states),
        cmocka_unit_test(lstm_step_gives_the_published_state),
        cmocka_unit_test(lstm_gives_the_published_states),
        cmocka_unit_test(embedding_looks_up_rows),
        cmocka_unit_test(untrained_softmax_loss_is_the_log_of_the_classes),
        cmocka_unit_test(masked_rows_have_neither_loss_nor_gradient),
        cmocka_unit_test(weights_scale_the_loss_and_gradient_of_their_caption),
        cmocka_unit_test(captioning_losses_are_the_published_ones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
