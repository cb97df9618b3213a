/* test_decoder.c: what must hold between the training loss and the single steps of captioning, and of dropout, whatever
 * the parameters; in float, as it trains and serves. The published losses are in test_layers_golden.c. */
#include "model/decoder/concepts.h"
#include "model/decoder/decoder.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/kernels/activation.h"
#include "model/random.h"

enum { N = 4, T = 6, D = 7, W = 5, H = 9, V = 11, P = 6, M = 4, A = 3, C = 5, K = 2 };

/* A batch with captions of 2 to 5 words, so with masked rows. */
typedef struct fixture {
    decoder_shape shape;
    size_t total;
    float *parameters, *gradients, features[N * D], map[N * P * M], concepts[N * C];
    int tags[N * K];
    decoder_images_f images;
    int captions[(T + 1) * N];
    decoder_batch_f batch;
    arena scratch;
} fixture;

static void fill(random_stream *random, size_t n, float *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(2 * random_uniform(random) - 1);
}

static const int concept_words[C] = {9, 4, 7, 5, 10};

/* The images from the i-th on. */
static decoder_images_f images_from(const fixture *f, int i)
{
    return (decoder_images_f){f->features + i * D, f->map + i * P * M, f->concepts + i * C, f->tags + i * K,
                              concept_words};
}

static fixture *make_fixture(decoder_kind kind)
{
    fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->shape = (decoder_shape){.kind = kind, .features = D, .words = W, .hidden = H, .vocabulary = V};
    if (decoder_looks(kind))
        f->shape.positions = P, f->shape.channels = M, f->shape.attention = A, f->shape.tags = K;
    f->shape.concepts = C, f->shape.evidence = 1;
    decoder_tensor tensors[DECODER_MAX_TENSORS];
    decoder_layout(&f->shape, tensors, &f->total);
    f->parameters = malloc(f->total * sizeof *f->parameters);
    f->gradients = malloc(f->total * sizeof *f->gradients);
    assert_true(f->parameters && f->gradients);
    random_stream random = random_seeded(1);
    fill(&random, f->total, f->parameters);
    fill(&random, N * D, f->features);
    fill(&random, N * P * M, f->map);
    for (int i = 0; i < N * C; i++)
        f->concepts[i] = (float)random_uniform(&random);
    concepts_rank(N, C, f->concepts, K, f->tags);
    f->images = images_from(f, 0);
    for (int i = 0; i < (T + 1) * N; i++) {
        int t = i / N, length = 2 + i % N;
        f->captions[i] = t == 0 ? 1 : t <= length ? 4 + (int)random_below(&random, V - 4) : t == length + 1 ? 2 : 0;
    }
    f->batch = (decoder_batch_f){.n = N, .t = T, .images = f->images, .captions = f->captions};
    assert_int_equal(arena_reserve(&f->scratch, decoder_loss_scratch_f(&f->shape, N, T), NULL), CAPTION_OK);
    return f;
}

static void free_fixture(fixture *f)
{
    arena_free(&f->scratch);
    free(f->parameters);
    free(f->gradients);
    free(f);
}

static float loss_of(fixture *f, float *gradients, float *dfeatures)
{
    return decoder_loss_f(&f->shape, f->parameters, &f->batch, gradients,
                          &(decoder_image_gradients_f){.features = dfeatures}, &f->scratch);
}

/* The loss again, from decoder_start and decoder_step fed with the words of the captions. */
static double loss_by_steps(fixture *f)
{
    float scores[N * V];
    double loss = 0;
    assert_int_equal(arena_reserve(&f->scratch, decoder_step_scratch_f(&f->shape, N, N), NULL), CAPTION_OK);
    decoder_state_f state = decoder_start_f(&f->shape, f->parameters, N, N, &f->images, &f->scratch);
    for (int t = 0; t < T; t++) {
        decoder_step_f(&f->shape, f->parameters, f->captions + t * N, &state, scores, &f->scratch);
        for (int i = 0; i < N; i++) {
            int target = f->captions[(t + 1) * N + i];
            double score = scores[i * V + target];
            if (target)
                loss += vector_softmax_f(V, scores + i * V) - score;
        }
    }
    return loss / N;
}

static void single_steps_add_up_to_the_training_loss(void **state)
{
    (void)state;
    for (decoder_kind kind = DECODER_RNN; kind < DECODER_KINDS; kind++) {
        fixture *f = make_fixture(kind);
        float loss = loss_of(f, NULL, NULL);
        assert_true(isfinite(loss) && fabs(loss_by_steps(f) - loss) < 1e-5 * loss);
        free_fixture(f);
    }
}

static void a_batch_is_the_mean_of_its_captions(void **state)
{
    (void)state;
    fixture *f = make_fixture(DECODER_ATTENTION);
    double whole = loss_of(f, NULL, NULL), sum = 0;
    for (int i = 0; i < N; i++) {
        int words[T + 1];
        for (int t = 0; t <= T; t++)
            words[t] = f->captions[t * N + i];
        f->batch = (decoder_batch_f){.n = 1, .t = T, .images = images_from(f, i), .captions = words};
        sum += loss_of(f, NULL, NULL);
    }
    assert_true(fabs(sum / N - whole) < 1e-5 * whole);
    free_fixture(f);
}

static void captions_of_one_image_may_share_what_is_known_of_it(void **state)
{
    (void)state;
    fixture *f = make_fixture(DECODER_ATTENTION);
    for (int i = 1; i < N; i += 2) { /* images 1 and 3 become copies of 0 and 2 */
        memcpy(f->features + i * D, f->features + (i - 1) * D, D * sizeof *f->features);
        memcpy(f->map + i * P * M, f->map + (i - 1) * P * M, P * M * sizeof *f->map);
        memcpy(f->concepts + i * C, f->concepts + (i - 1) * C, C * sizeof *f->concepts);
        memcpy(f->tags + i * K, f->tags + (i - 1) * K, K * sizeof *f->tags);
    }
    float apart = loss_of(f, f->gradients, NULL), *gradients = malloc(f->total * sizeof *gradients);
    memcpy(gradients, f->gradients, f->total * sizeof *gradients);
    memcpy(f->features + D, f->features + 2 * D, D * sizeof *f->features);
    memcpy(f->map + P * M, f->map + 2 * P * M, P * M * sizeof *f->map);
    memcpy(f->concepts + C, f->concepts + 2 * C, C * sizeof *f->concepts);
    memcpy(f->tags + K, f->tags + 2 * K, K * sizeof *f->tags);
    f->batch.per_image = 2;
    assert_float_equal(loss_of(f, f->gradients, NULL), apart, 1e-5);
    for (size_t i = 0; i < f->total; i++)
        assert_float_equal(f->gradients[i], gradients[i], 1e-5);
    free(gradients);
    free_fixture(f);
}

static void where_it_looks_sums_to_one(void **state)
{
    (void)state;
    fixture *f = make_fixture(DECODER_ATTENTION);
    float scores[2 * N * V], differences = 0;
    assert_int_equal(arena_reserve(&f->scratch, decoder_step_scratch_f(&f->shape, N, 2 * N), NULL), CAPTION_OK);
    decoder_state_f s = decoder_start_f(&f->shape, f->parameters, N, 2 * N, &f->images, &f->scratch);
    const int twice[2 * N] = {0, 0, 1, 1, 2, 2, 3, 3}, words[2 * N] = {4, 4, 5, 5, 6, 6, 7, 7};
    decoder_select_f(&f->shape, &s, 2 * N, twice);
    decoder_step_f(&f->shape, f->parameters, words, &s, scores, &f->scratch);
    for (int r = 0; r < 2 * N; r++) {
        float sum = 0;
        for (int p = 0; p < P; p++) {
            sum += s.looks[r * P + p];
            differences += fabsf(s.looks[r * P + p] - s.looks[p]);
        }
        assert_float_equal(sum, 1, 1e-5);
        assert_int_equal(s.image[r], r / 2);
        assert_memory_equal(scores + r * V, scores + r / 2 * 2 * V, V * sizeof *scores); /* copies stay copies */
    }
    assert_true(differences > 0.1f);
    free_fixture(f);
}

/* So that several processes can share a batch out. */
static void each_caption_has_its_dropout_wherever_it_is_computed(void **state)
{
    (void)state;
    fixture *f = make_fixture(DECODER_LSTM);
    f->batch.dropout = 0.4f, f->batch.seed = 3;
    double whole = loss_of(f, NULL, NULL), sum = 0, misplaced = 0;
    for (int i = 0; i < N; i++) {
        int words[T + 1];
        for (int t = 0; t <= T; t++)
            words[t] = f->captions[t * N + i];
        f->batch.n = 1, f->batch.images = images_from(f, i), f->batch.captions = words;
        f->batch.first = i;
        sum += loss_of(f, NULL, NULL);
        f->batch.first = 0;
        misplaced += loss_of(f, NULL, NULL);
    }
    assert_true(fabs(sum / N - whole) < 1e-5 * whole);
    assert_false(fabs(misplaced / N - whole) < 1e-5 * whole);
    free_fixture(f);
}

static void gradients_wanted_or_not_change_nothing_else(void **state)
{
    (void)state;
    fixture *f = make_fixture(DECODER_LSTM);
    float dfeatures[N * D], alone[N * D];
    f->batch.dropout = 0.3f, f->batch.seed = 5;
    float loss = loss_of(f, NULL, NULL);
    assert_true(loss_of(f, f->gradients, dfeatures) == loss);
    assert_true(loss_of(f, NULL, alone) == loss);
    assert_memory_equal(dfeatures, alone, sizeof alone);
    free_fixture(f);
}

static void dropout_follows_its_seed(void **state)
{
    (void)state;
    fixture *f = make_fixture(DECODER_RNN);
    float plain = loss_of(f, NULL, NULL);
    f->batch.dropout = 0.5f, f->batch.seed = 1;
    float first = loss_of(f, NULL, NULL), again = loss_of(f, NULL, NULL);
    f->batch.seed = 2;
    float second = loss_of(f, NULL, NULL);
    assert_true(first == again);
    assert_true(first != second && first != plain);
    free_fixture(f);
}

static void kinds_have_names(void **state)
{
    (void)state;
    decoder_kind kind;
    assert_true(decoder_kind_parse("lstm", &kind) && kind == DECODER_LSTM);
    assert_true(decoder_kind_parse("attention", &kind) && kind == DECODER_ATTENTION);
    assert_true(decoder_kind_parse("rnn", &kind) && kind == DECODER_RNN);
    assert_string_equal(decoder_kind_name(DECODER_LSTM), "lstm");
    assert_false(decoder_kind_parse("gru", &kind));
    assert_false(decoder_kind_parse("", &kind));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(single_steps_add_up_to_the_training_loss),
        cmocka_unit_test(a_batch_is_the_mean_of_its_captions),
        cmocka_unit_test(captions_of_one_image_may_share_what_is_known_of_it),
        cmocka_unit_test(where_it_looks_sums_to_one),
        cmocka_unit_test(each_caption_has_its_dropout_wherever_it_is_computed),
        cmocka_unit_test(gradients_wanted_or_not_change_nothing_else),
        cmocka_unit_test(dropout_follows_its_seed),
        cmocka_unit_test(kinds_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
