/* test_overfit.c: layers, decoder and optimiser together learn 50 captions by heart, as in CS231n assignment 3: 100
 * iterations of Adam at 5e-3 on batches of 25, H = 512, W = 256, end with a loss below 0.1 (rnn) and 0.5 (lstm).
 *
 * The course takes captions of MS-COCO with a vocabulary of about 1000 and 512 principal components of VGG features;
 * here both are drawn: 512 random features a picture, captions of 6 to 14 words, frequent and rare ones as in language.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/caption.h"
#include "model/decoder/decoder.h"
#include "model/decoder/decoder_init.h"
#include "model/decoder/vocabulary.h"
#include "model/kernels/mixed.h"
#include "model/random.h"
#include "model/training/optimizer.h"

enum { PICTURES = 50, N = 25, T = 15, D = 512, W = 256, H = 512, V = 1004, SHORTEST = 6, LONGEST = 14, STEPS = 100 };

typedef struct corpus {
    float features[PICTURES][D];
    int captions[PICTURES][T + 1]; /* START, words, END, NULL.. */
} corpus;

/* A word whose frequency falls with its rank. */
static int draw_word(random_stream *random)
{
    double u = random_uniform(random);
    return VOCABULARY_SPECIALS + (int)(pow(V - VOCABULARY_SPECIALS, u)) - 1;
}

static corpus *make_corpus(void)
{
    corpus *c = calloc(1, sizeof *c);
    assert_non_null(c);
    random_stream random = random_seeded(50);
    for (int i = 0; i < PICTURES; i++) {
        int length = SHORTEST + (int)random_below(&random, LONGEST - SHORTEST + 1);
        c->captions[i][0] = VOCABULARY_START;
        for (int t = 1; t <= length; t++)
            c->captions[i][t] = draw_word(&random);
        c->captions[i][length + 1] = VOCABULARY_END;
        for (int d = 0; d < D; d++)
            c->features[i][d] = (float)(2 * random_uniform(&random) - 1);
    }
    return c;
}

/* N different pictures of the corpus, drawn from `random`. */
static void draw_batch(const corpus *c, random_stream *random, float *features, int *captions)
{
    int order[PICTURES];
    for (int i = 0; i < PICTURES; i++)
        order[i] = i;
    for (int i = 0; i < N; i++) {
        int k = i + (int)random_below(random, (size_t)(PICTURES - i)), picture = order[k];
        order[k] = order[i];
        memcpy(features + i * D, c->features[picture], D * sizeof *features);
        for (int t = 0; t <= T; t++)
            captions[t * N + i] = c->captions[picture][t];
    }
}

/* The loss of the last of STEPS batches. in_mixed: in mixed precision. */
static double overfit(decoder_kind kind, int in_mixed)
{
    const decoder_shape shape = {.kind = kind, .features = D, .words = W, .hidden = H, .vocabulary = V};
    const optimizer_options adam = optimizer_defaults();
    decoder_tensor tensors[DECODER_MAX_TENSORS];
    size_t total;
    decoder_layout(&shape, tensors, &total);
    corpus *c = make_corpus();
    float *parameters = malloc(total * sizeof *parameters), *gradients = malloc(total * sizeof *gradients);
    float features[N * D];
    int captions[(T + 1) * N];
    optimizer o;
    arena scratch = {0};
    mixed *m = NULL;
    assert_true(parameters && gradients);
    assert_int_equal(in_mixed ? mixed_new(&m, total, NULL) : CAPTION_OK, CAPTION_OK);
    decoder_init(&shape, 1, parameters);
    assert_int_equal(optimizer_init(&o, &adam, total, parameters, NULL), CAPTION_OK);
    assert_int_equal(arena_reserve(&scratch, decoder_loss_scratch_f(&shape, N, T), NULL), CAPTION_OK);
    random_stream random = random_seeded(2);
    double loss = 0;
    for (int step = 0; step < STEPS; step++) {
        const decoder_batch_f batch = {.n = N, .t = T, .images = {.features = features}, .captions = captions};
        draw_batch(c, &random, features, captions);
        mixed_begin(m, parameters, total);
        loss = decoder_loss_f(&shape, parameters, &batch, gradients, NULL, &scratch);
        mixed_end();
        optimizer_step(&o, 5e-3, parameters, gradients);
    }
    mixed_free(m);
    arena_free(&scratch);
    optimizer_free(&o);
    free(parameters);
    free(gradients);
    free(c);
    return loss;
}

static void assert_learnt(decoder_kind kind, int in_mixed, double bound)
{
    double loss = overfit(kind, in_mixed);
    if (!(loss < bound))
        fail_msg("the %s ends at a loss of %g%s, bound %g", decoder_kind_name(kind), loss,
                 in_mixed ? " in mixed precision" : "", bound);
}

static void rnn_learns_fifty_captions_by_heart(void **state)
{
    (void)state;
    assert_learnt(DECODER_RNN, 0, 0.1);
}

static void lstm_learns_fifty_captions_by_heart(void **state)
{
    (void)state;
    assert_learnt(DECODER_LSTM, 0, 0.5);
}

static void both_learn_them_in_mixed_precision_too(void **state)
{
    (void)state;
    if (!mixed_available()) {
        print_message("this CPU has no AVX512-BF16\n");
        skip();
    }
    assert_learnt(DECODER_RNN, 1, 0.1);
    assert_learnt(DECODER_LSTM, 1, 0.5);
}

int main(void)
{
    caption_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rnn_learns_fifty_captions_by_heart),
        cmocka_unit_test(lstm_learns_fifty_captions_by_heart),
        cmocka_unit_test(both_learn_them_in_mixed_precision_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
