/* train_measure.c: how fast a captioner learns: the training step of trainer.c alone, over and over, on made-up
 * captions. What is left out (shuffling, reading the cache, scoring on dev) is small beside it. */
#include <stdlib.h>

#include "model/bench.h"
#include "model/decoder/decoder_init.h"
#include "model/decoder/model.h"
#include "model/decoder/vocabulary.h"
#include "model/kernels/mixed.h"
#include "model/random.h"
#include "model/seconds.h"
#include "model/train.h"
#include "model/training/optimizer.h"

typedef struct bench {
    decoder_shape shape;
    size_t n_parameters;
    float *parameters, *gradients; /* [n_parameters] */
    float *features, *map;         /* [N, D]; [N, P, M] for attention captioners */
    int *captions;                 /* [T+1, N] */
    optimizer optimizer;
    arena scratch;
    mixed *mixed;
} bench;

/* Multiplications and additions a caption of so many words costs. Every product of the forward pass has two in the
 * backward pass, for its input and its weights; only the features want no gradient. */
static double operations(const decoder_shape *s, double steps)
{
    double project = (double)s->features * s->hidden;
    double gates = (double)(s->words + s->hidden) * decoder_gates(s->kind) * s->hidden;
    double scores = (double)s->hidden * s->vocabulary;
    double reads = (double)s->attention * (s->hidden + s->positions) + (double)s->positions * s->hidden;
    double tile = (double)s->channels * s->attention, keys = (double)s->attention * (s->attention + s->hidden);
    return 2 * (2 * project + 3 * steps * (gates + scores + reads) + s->positions * (2 * tile + 3 * keys));
}

/* Words of caption n, its end included: the lengths in turns. */
static int caption_length(const caption_train_load *load, int n)
{
    return load->shortest + n % (load->steps - load->shortest + 1);
}

static double mean_length(const caption_train_load *load)
{
    double sum = 0;
    for (int n = 0; n < load->batch; n++)
        sum += caption_length(load, n);
    return sum / load->batch;
}

/* captions [T+1, N], zeroed: NULL behind each end. */
static void make_up_captions(const caption_train_load *load, random_stream *random, int *captions)
{
    const size_t drawn = (size_t)load->vocabulary - VOCABULARY_SPECIALS;
    for (int t = 0; t <= load->steps; t++)
        for (int n = 0; n < load->batch; n++, captions++)
            if (t <= caption_length(load, n))
                *captions = VOCABULARY_SPECIALS + (int)random_below(random, drawn);
}

static int bench_init(bench *b, const caption_train_load *load, caption_error *err)
{
    decoder_tensor tensors[DECODER_MAX_TENSORS];
    optimizer_options adam = optimizer_defaults();
    random_stream random = random_seeded(1);
    size_t features = (size_t)load->batch * CAPTION_FEATURES, words = (size_t)load->batch * (size_t)(load->steps + 1);
    size_t map = (size_t)load->batch * (size_t)b->shape.positions * (size_t)b->shape.channels;
    adam.clip = 5;
    decoder_layout(&b->shape, tensors, &b->n_parameters);
    b->parameters = calloc(b->n_parameters, sizeof *b->parameters);
    b->gradients = calloc(b->n_parameters, sizeof *b->gradients);
    b->features = calloc(features, sizeof *b->features);
    b->map = calloc(map + 1, sizeof *b->map);
    b->captions = calloc(words, sizeof *b->captions);
    if (!b->parameters || !b->gradients || !b->features || !b->map || !b->captions)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for %zu parameters", b->n_parameters);
    decoder_init(&b->shape, 1, b->parameters);
    for (size_t i = 0; i < features; i++)
        b->features[i] = (float)(2 * random_uniform(&random) - 1);
    for (size_t i = 0; i < map; i++)
        b->map[i] = (float)(2 * random_uniform(&random) - 1);
    make_up_captions(load, &random, b->captions);
    int status = optimizer_init(&b->optimizer, &adam, b->n_parameters, b->parameters, err);
    if (status != CAPTION_OK || (load->mixed && (status = mixed_new(&b->mixed, b->n_parameters, err)) != CAPTION_OK))
        return status;
    return arena_reserve(&b->scratch, decoder_loss_scratch_f(&b->shape, load->batch, load->steps), err);
}

static void bench_free(bench *b)
{
    optimizer_free(&b->optimizer);
    arena_free(&b->scratch);
    mixed_free(b->mixed);
    free(b->parameters);
    free(b->gradients);
    free(b->features);
    free(b->map);
    free(b->captions);
}

static void learn(bench *b, const caption_train_load *load, uint64_t seed)
{
    const decoder_batch_f batch = {
        .n = load->batch,
        .t = load->steps,
        .images = {.features = b->features, .map = b->map},
        .captions = b->captions,
        .dropout = 0.5f,
        .label_smoothing = 0.1f,
        .seed = seed,
    };
    mixed_begin(b->mixed, b->parameters, b->n_parameters);
    decoder_loss_f(&b->shape, b->parameters, &batch, b->gradients, NULL, &b->scratch);
    mixed_end();
    optimizer_step(&b->optimizer, 1e-3, b->parameters, b->gradients);
}

int caption_train_measure(caption_train_speed *out, const caption_train_load *load, double seconds, caption_error *err)
{
    bench b = {.shape = {.features = CAPTION_FEATURES,
                         .words = load->words,
                         .hidden = load->hidden,
                         .vocabulary = load->vocabulary}};
    if (!decoder_kind_parse(load->kind, &b.shape.kind))
        return caption_fail(err, CAPTION_EINVAL, "there is no kind of captioner called %s", load->kind);
    if (load->batch < 1 || load->shortest < 1 || load->steps < load->shortest || load->words < 1 || load->hidden < 1 ||
        load->vocabulary <= VOCABULARY_SPECIALS)
        return caption_fail(err, CAPTION_EINVAL,
                            "sizes must be positive, with words to learn, and the longest caption not the shorter one");
    model_shape_look(&b.shape, caption_train_defaults(load->kind).attention);
    int status = bench_init(&b, load, err);
    if (status == CAPTION_OK) {
        uint64_t steps = 0;
        double begin, end;
        learn(&b, load, steps); /* warms the caches */
        for (begin = end = seconds_now(); end - begin < seconds || steps == 0; end = seconds_now())
            learn(&b, load, ++steps);
        out->captions_per_second = (double)steps * load->batch / (end - begin);
        out->operations = operations(&b.shape, mean_length(load));
    }
    bench_free(&b);
    return status;
}
