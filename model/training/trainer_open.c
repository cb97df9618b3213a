/* trainer_open.c: what a run has before its first step: data, names, the network, and the state of the run that it
 * resumes. */
#include "model/training/trainer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>

#include "model/decoder/decoder_init.h"
#include "model/training/evaluate.h"
#include "model/training/fine_tune.h"
#include "model/training/ranks.h"
#include "model/training/train_options.h"

static int make_names(trainer *t, caption_error *err)
{
    const caption_train_options *o = t->options;
    t->description = train_options_describe(o, t->base ? caption_model_sha256(t->base) : NULL);
    if (!t->description || asprintf(&t->run, "%s data=%s", t->description, t->data.digest) < 0 ||
        asprintf(&t->candidate_path, "%s.candidate", o->out) < 0 ||
        asprintf(&t->checkpoint_path, "%s%s", o->checkpoint ? o->checkpoint : o->out,
                 o->checkpoint ? "" : ".checkpoint") < 0)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the run's file names");
    return CAPTION_OK;
}

/* Parameters, gradients, folded weights, rates, Adam's three vectors, and the scratch of a batch. */
static int check_memory(const trainer *t, size_t scratch, caption_error *err)
{
    enum { VECTORS = 7 };
    size_t needed = VECTORS * t->n_parameters * sizeof(float) + scratch, limit = t->options->memory;
    needed += t->options->mixed ? mixed_size(t->n_parameters) : 0;
    if (limit == 0 || needed <= limit)
        return CAPTION_OK;
    return caption_fail(err, CAPTION_ELIMIT, "training this network would take %zu MiB, the limit is %zu MiB",
                        needed >> 20, limit >> 20);
}

static void shape_network(trainer *t)
{
    const caption_train_options *o = t->options;
    decoder_tensor tensors[DECODER_MAX_TENSORS];
    t->shape = (decoder_shape){.features = CAPTION_FEATURES,
                               .words = o->words,
                               .hidden = o->hidden,
                               .vocabulary = vocabulary_size(t->data.words)};
    decoder_kind_parse(o->kind, &t->shape.kind);
    model_shape_look(&t->shape, o->attention);
    t->shape.concepts = t->data.concepts.head.n;
    t->shape.tags = t->data.n_tags;
    t->shape.evidence = t->shape.concepts > 0; /* zero at first if the base has none */
    decoder_layout(&t->shape, tensors, &t->n_parameters);
}

/* New words learn faster than what the base knows. */
static int make_rates(trainer *t, caption_error *err)
{
    if (t->shape.vocabulary <= t->base->shape.vocabulary || t->options->new_words == 1)
        return CAPTION_OK;
    t->rates = malloc(t->n_parameters * sizeof *t->rates);
    if (!t->rates)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for %zu parameters", t->n_parameters);
    fine_tune_rates(t->base, &t->shape, (float)t->options->new_words, t->rates);
    t->optimizer.rates = t->rates;
    return CAPTION_OK;
}

static int make_network(trainer *t, caption_error *err)
{
    const caption_train_options *o = t->options;
    optimizer_options adam = optimizer_defaults();
    adam.weight_decay = o->weight_decay;
    adam.clip = o->clip;
    adam.average = o->average;
    shape_network(t);
    int status = curriculum_open(&t->curriculum, &t->data, &t->shape, err);
    if (status != CAPTION_OK)
        return status;
    size_t scratch = decoder_loss_scratch_f(&t->shape, o->batch, curriculum_longest(&t->curriculum));
    if ((status = check_memory(t, scratch, err)) != CAPTION_OK ||
        (o->mixed && (status = mixed_new(&t->mixed, t->n_parameters, err)) != CAPTION_OK))
        return status;
    t->parameters = calloc(t->n_parameters, sizeof *t->parameters);
    t->gradients = calloc(t->n_parameters, sizeof *t->gradients);
    t->folded = calloc(t->n_parameters, sizeof *t->folded);
    if (!t->parameters || !t->gradients || !t->folded)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for %zu parameters", t->n_parameters);
    if (!t->base)
        decoder_init(&t->shape, o->seed, t->parameters);
    else if ((status = fine_tune_start(t->base, &t->shape, &t->data, t->parameters, err)))
        return status;
    status = optimizer_init(&t->optimizer, &adam, t->n_parameters, t->parameters, err);
    if (status == CAPTION_OK && t->base)
        status = make_rates(t, err);
    return status == CAPTION_OK ? arena_reserve(&t->scratch, scratch, err) : status;
}

static int resume(trainer *t, caption_error *err)
{
    t->kept.epoch = -1; /* there is none */
    if (!t->options->resume || (access(t->checkpoint_path, F_OK) != 0 && errno == ENOENT))
        return CAPTION_OK;
    int status = checkpoint_read(t->checkpoint_path, t->run, &t->state, &t->optimizer, t->parameters, err);
    if (status != CAPTION_OK)
        return status;
    if (t->state.batch > (long)curriculum_count(&t->curriculum) || t->state.best_epoch > t->state.epoch)
        return caption_fail(err, CAPTION_EFORMAT, "%s: its counters contradict each other", t->checkpoint_path);
    if (t->state.best_epoch > 0 && access(t->options->out, R_OK) != 0)
        return caption_fail(err, CAPTION_EIO, "%s: the best weights of the run to resume: %s", t->options->out,
                            strerror(errno));
    t->kept = t->state;
    return CAPTION_OK;
}

/* What is learnt from a few captions alone is gibberish. */
static int check_enough(const caption_train_options *o, caption_error *err)
{
    size_t n = caption_dataset_captions(o->train);
    if (o->base || n >= (size_t)o->minimum_captions)
        return CAPTION_OK;
    return caption_fail(
        err, CAPTION_EINVAL,
        "%zu captions are too few to learn from scratch, %d are needed (minimum-captions): go on from a base, "
        "a captioner that knows the language already, or give more captions",
        n, o->minimum_captions);
}

static int prepare(trainer *t, caption_error *err)
{
    int status;
    if ((status = check_enough(t->options, err)) || (status = fine_tune_open(&t->base, t->options, t->encoder, err)) ||
        (status = train_data_open(&t->data, t->options, t->base, t->encoder, err)) || (status = make_names(t, err)) ||
        (status = make_network(t, err)))
        return status;
    return caption_session_new(&t->session, NULL, EVALUATE_BATCH, err);
}

/* All processes must have the same before them, or they would take steps of different runs. */
static int compare_runs(trainer *t, caption_error *err)
{
    unsigned long mine = crc32_z(0, (const Bytef *)t->run, strlen(t->run)), first = mine;
    int status = ranks_follow(t->options->ranks, &first, sizeof first, err);
    if (status == CAPTION_OK && first != mine)
        status = caption_fail(err, CAPTION_EINVAL, "other options or data than in the first process");
    return ranks_agree(t->options->ranks, status, err);
}

/* Every process begins where the first one does. */
int trainer_open(trainer *t, caption_error *err)
{
    int status;
    if ((status = ranks_agree(t->options->ranks, prepare(t, err), err)) || (status = compare_runs(t, err)))
        return status;
    if (caption_ranks_is_first(t->options->ranks))
        status = resume(t, err);
    status = ranks_agree(t->options->ranks, status, err);
    return status == CAPTION_OK ? checkpoint_follow(t->options->ranks, &t->state, &t->optimizer, t->parameters, err)
                                : status;
}

void trainer_close(trainer *t)
{
    curriculum_close(&t->curriculum);
    train_data_close(&t->data);
    optimizer_free(&t->optimizer);
    arena_free(&t->scratch);
    mixed_free(t->mixed);
    caption_session_free(t->session);
    caption_model_release(t->base);
    free(t->parameters);
    free(t->gradients);
    free(t->folded);
    free(t->rates);
    free(t->description);
    free(t->run);
    free(t->checkpoint_path);
    free(t->candidate_path);
}
