/* trainer.c: the run itself: batches and steps, reports, checkpoints, and after each epoch the dev scores that decide
 * which weights are kept.
 *
 * Everything random is drawn from (seed, step), never from a generator that runs along, so that the counters of a
 * checkpoint are enough to go on exactly where a killed run stopped. The weights written are those that were scored:
 * each epoch's candidate is saved, opened as a server would open it, and scored. */
#include "model/train.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "model/arena.h"
#include "model/decoder/decoder_init.h"
#include "model/decoder/model.h"
#include "model/training/checkpoint.h"
#include "model/training/curriculum.h"
#include "model/training/evaluate.h"
#include "model/training/fine_tune.h"
#include "model/training/train_data.h"
#include "model/training/train_options.h"

/* Sums since the last report. */
struct window {
    double loss, reward, started;
    size_t captions, words;
};

typedef struct trainer {
    const caption_train_options *options;
    caption_encoder *encoder;
    caption_model *base; /* NULL: none */
    train_data data;
    curriculum curriculum;
    decoder_shape shape;
    size_t n_parameters;
    float *parameters, *gradients; /* [n_parameters] */
    float *folded;                 /* [n_parameters] the weights to save (fold_standardisation) */
    optimizer optimizer;
    arena scratch;
    caption_session *session;
    checkpoint state;
    char *description; /* of the options */
    char *run;         /* description and data digest */
    char *checkpoint_path, *candidate_path;
    struct window window;
    double started, checkpointed; /* seconds */
    long first_step;              /* of this process, for the estimate of the time left */
} trainer;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- counters --------------------------------------------------------------------------------------------------- */

static long batches_per_epoch(const trainer *t)
{
    return (long)curriculum_count(&t->curriculum);
}

static long step_of(const trainer *t)
{
    return t->state.epoch * batches_per_epoch(t) + t->state.batch;
}

static long all_steps(const trainer *t)
{
    return t->options->epochs * batches_per_epoch(t);
}

/* Linear warm-up, then half a cosine down to 0. */
static double learning_rate(const trainer *t)
{
    double step = (double)step_of(t), all = (double)all_steps(t);
    double warmup = fmin(t->options->warmup * (double)batches_per_epoch(t), all / 2);
    if (step < warmup)
        return t->options->learning_rate * (step + 1) / (warmup + 1);
    return t->options->learning_rate * 0.5 * (1 + cos(M_PI * (step - warmup) / (all - warmup)));
}

/* ---- reports and checkpoints ------------------------------------------------------------------------------------ */

static int write_checkpoint(trainer *t, caption_error *err)
{
    t->checkpointed = now();
    return checkpoint_write(t->checkpoint_path, t->run, &t->state, &t->optimizer, t->parameters, err);
}

static void restart_window(trainer *t)
{
    t->window = (struct window){.started = now()};
}

/* Tells the caller, who may want to stop: CAPTION_ECANCELLED. e: the scored epoch, or NULL. */
static int report(trainer *t, const evaluation *e, int best)
{
    const struct window *w = &t->window;
    double time = now(), elapsed = time - w->started;
    long step = step_of(t), steps = all_steps(t);
    if (!t->options->progress)
        return CAPTION_OK;
    const caption_train_progress progress = {
        .stage = CAPTION_TRAIN_LEARNING,
        .done = step,
        .total = steps,
        .seconds_left =
            step > t->first_step ? (time - t->started) / (double)(step - t->first_step) * (double)(steps - step) : 0,
        .epoch = (int)((step - 1) / batches_per_epoch(t)) + 1,
        .epochs = t->options->epochs,
        .loss = w->words ? w->loss / (double)w->words : 0,
        .reward = w->captions ? w->reward / (double)w->captions : 0,
        .learning_rate = learning_rate(t),
        .captions_per_second = elapsed > 0 ? (double)w->captions / elapsed : 0,
        .dev = e ? &e->scores : NULL,
        .captions = e ? (const char *const *)e->captions : NULL,
        .best = best,
    };
    int stop = t->options->progress(t->options->context, &progress);
    restart_window(t);
    return stop ? CAPTION_ECANCELLED : CAPTION_OK;
}

/* ---- learning --------------------------------------------------------------------------------------------------- */

static int learn_batch(trainer *t, caption_error *err)
{
    random_stream r = random_seeded(random_mix(t->options->seed) ^ random_mix((uint64_t)step_of(t)));
    size_t words;
    double reward;
    decoder_batch_f batch =
        curriculum_batch(&t->curriculum, (size_t)t->state.batch, t->parameters, &r, &words, &reward);
    batch.seed = random_bits(&r);
    double loss = decoder_loss_f(&t->shape, t->parameters, &batch, t->gradients, NULL, &t->scratch);
    if (!isfinite(loss))
        return caption_fail(err, CAPTION_EINVAL, "the loss is no longer finite in epoch %ld: lower the learning rate",
                            t->state.epoch + 1);
    optimizer_step(&t->optimizer, learning_rate(t), t->parameters, t->gradients);
    t->window.loss += loss * batch.n;
    t->window.reward += reward * batch.n;
    t->window.words += words;
    t->window.captions += (size_t)batch.n;
    t->state.batch++;
    return CAPTION_OK;
}

static int learn_epoch(trainer *t, caption_error *err)
{
    int status = CAPTION_OK;
    curriculum_shuffle(&t->curriculum, (int)t->state.epoch);
    while (t->state.batch < batches_per_epoch(t) && status == CAPTION_OK) {
        status = train_options_stop(t->options) ? CAPTION_ECANCELLED : learn_batch(t, err);
        if (status == CAPTION_OK && now() - t->window.started >= t->options->report_seconds)
            status = report(t, NULL, 0);
        if (status == CAPTION_OK && now() - t->checkpointed >= 60 * t->options->checkpoint_minutes)
            status = write_checkpoint(t, err);
    }
    return status;
}

/* ---- saving and scoring ----------------------------------------------------------------------------------------- */

/* The network learnt from (x - mean) * scale; its users have x. So W_proj' = scale W_proj by rows, and
 * b_proj' = b_proj - mean W_proj'. */
static void fold_standardisation(trainer *t)
{
    decoder_tensor tensors[DECODER_MAX_TENSORS];
    size_t total, hidden = (size_t)t->shape.hidden;
    const float *learnt = t->optimizer.average ? t->optimizer.average : t->parameters;
    memcpy(t->folded, learnt, t->n_parameters * sizeof *t->folded);
    decoder_layout(&t->shape, tensors, &total);
    float *w = t->folded + tensors[DECODER_W_PROJ].offset, *b = t->folded + tensors[DECODER_B_PROJ].offset;
    for (size_t d = 0; d < CAPTION_FEATURES; d++)
        for (size_t h = 0; h < hidden; h++) {
            w[d * hidden + h] *= t->data.scale[d];
            b[h] -= t->data.mean[d] * w[d * hidden + h];
        }
}

/* Writes the folded weights, with the run's facts and, once known, its scores. */
static int save(trainer *t, const char *path, const caption_scores *dev, caption_error *err)
{
    enum { NUMBER = 32 };
    char epoch[NUMBER], bleu[NUMBER] = "", rouge[NUMBER] = "", cider[NUMBER] = "";
    snprintf(epoch, sizeof epoch, "%ld", t->state.epoch + 1);
    if (dev) {
        snprintf(bleu, sizeof bleu, "%.4f", dev->bleu[3]);
        snprintf(rouge, sizeof rouge, "%.4f", dev->rouge_l);
        snprintf(cider, sizeof cider, "%.4f", dev->cider);
    }
    const char *const metadata[][2] = {
        {"training", t->description},
        {"training_data_sha256", t->data.digest},
        {"epoch", epoch},
        {dev ? "dev_bleu_4" : NULL, bleu},
        {"dev_rouge_l", rouge},
        {"dev_cider", cider},
        {NULL, NULL},
    };
    return model_write(path, &t->shape, t->data.words, caption_encoder_sha256(t->encoder), t->folded, SAFETENSORS_F16,
                       metadata, err);
}

/* Scores what a server would load: the candidate file. */
static int score_candidate(trainer *t, evaluation *e, caption_error *err)
{
    caption_model *model = NULL;
    int status = save(t, t->candidate_path, NULL, err);
    if (status == CAPTION_OK)
        status = caption_model_open(&model, t->candidate_path, err);
    if (status == CAPTION_OK)
        status = evaluate(e, t->session, model, t->options, t->data.cache, t->data.dev_records, err);
    caption_model_release(model);
    unlink(t->candidate_path);
    return status;
}

/* Keeps the folded weights if they are the best so far; the epoch is then done. e: its scores, NULL without dev. */
static int close_epoch(trainer *t, const evaluation *e, caption_error *err)
{
    int best = !e || t->state.best_epoch == 0 || e->scores.cider > t->state.best_score;
    int status = best ? save(t, t->options->out, e ? &e->scores : NULL, err) : CAPTION_OK;
    if (status != CAPTION_OK)
        return status;
    t->state.epoch++;
    t->state.batch = 0;
    if (best) {
        t->state.best_epoch = t->state.epoch;
        t->state.best_score = e ? e->scores.cider : 0;
    }
    status = write_checkpoint(t, err);
    return status == CAPTION_OK ? report(t, e, best) : status;
}

static int finish_epoch(trainer *t, caption_error *err)
{
    evaluation e = {.captions = NULL};
    fold_standardisation(t);
    if (!t->options->dev)
        return close_epoch(t, NULL, err);
    int status = score_candidate(t, &e, err);
    if (status == CAPTION_OK)
        status = close_epoch(t, &e, err);
    evaluation_free(&e);
    return status;
}

static int is_done(const trainer *t)
{
    long stale = t->state.epoch - t->state.best_epoch;
    return t->state.epoch >= t->options->epochs || (t->options->patience > 0 && stale >= t->options->patience);
}

static int run(trainer *t, caption_error *err)
{
    int status = CAPTION_OK;
    t->started = t->checkpointed = now();
    t->first_step = step_of(t);
    restart_window(t);
    while (status == CAPTION_OK && !is_done(t)) {
        status = learn_epoch(t, err);
        if (status == CAPTION_OK)
            status = finish_epoch(t, err);
    }
    if (status == CAPTION_ECANCELLED && (status = write_checkpoint(t, err)) == CAPTION_OK)
        return caption_fail(err, CAPTION_ECANCELLED, "stopped after epoch %ld, batch %ld", t->state.epoch,
                            t->state.batch);
    if (status == CAPTION_OK && unlink(t->checkpoint_path) != 0 && errno != ENOENT)
        return caption_fail(err, CAPTION_EIO, "%s: cannot remove: %s", t->checkpoint_path, strerror(errno));
    return status;
}

/* ---- setting up ------------------------------------------------------------------------------------------------- */

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

/* Parameters, gradients, folded weights, Adam's three vectors, and the scratch of a batch. */
static int check_memory(const trainer *t, size_t scratch, caption_error *err)
{
    enum { VECTORS = 6 };
    size_t needed = VECTORS * t->n_parameters * sizeof(float) + scratch, limit = t->options->memory;
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
    decoder_layout(&t->shape, tensors, &t->n_parameters);
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
    if ((status = check_memory(t, scratch, err)) != CAPTION_OK)
        return status;
    t->parameters = calloc(t->n_parameters, sizeof *t->parameters);
    t->gradients = calloc(t->n_parameters, sizeof *t->gradients);
    t->folded = calloc(t->n_parameters, sizeof *t->folded);
    if (!t->parameters || !t->gradients || !t->folded)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for %zu parameters", t->n_parameters);
    if (t->base)
        fine_tune_start(t->base, &t->shape, &t->data, t->parameters);
    else
        decoder_init(&t->shape, o->seed, t->parameters);
    status = optimizer_init(&t->optimizer, &adam, t->n_parameters, t->parameters, err);
    return status == CAPTION_OK ? arena_reserve(&t->scratch, scratch, err) : status;
}

static int resume(trainer *t, caption_error *err)
{
    if (!t->options->resume || (access(t->checkpoint_path, F_OK) != 0 && errno == ENOENT))
        return CAPTION_OK;
    int status = checkpoint_read(t->checkpoint_path, t->run, &t->state, &t->optimizer, t->parameters, err);
    if (status != CAPTION_OK)
        return status;
    if (t->state.batch > batches_per_epoch(t) || t->state.best_epoch > t->state.epoch)
        return caption_fail(err, CAPTION_EFORMAT, "%s: its counters contradict each other", t->checkpoint_path);
    if (t->state.best_epoch > 0 && access(t->options->out, R_OK) != 0)
        return caption_fail(err, CAPTION_EIO, "%s: the best weights of the run to resume: %s", t->options->out,
                            strerror(errno));
    return CAPTION_OK;
}

static void trainer_free(trainer *t)
{
    curriculum_close(&t->curriculum);
    train_data_close(&t->data);
    optimizer_free(&t->optimizer);
    arena_free(&t->scratch);
    caption_session_free(t->session);
    caption_model_release(t->base);
    free(t->parameters);
    free(t->gradients);
    free(t->folded);
    free(t->description);
    free(t->run);
    free(t->checkpoint_path);
    free(t->candidate_path);
}

int caption_train(const caption_train_options *options, caption_encoder *encoder, caption_error *err)
{
    int status = caption_train_check(options, err);
    if (status != CAPTION_OK)
        return status;
    trainer *t = calloc(1, sizeof *t);
    if (!t)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for a training run");
    t->options = options;
    t->encoder = encoder;
    if ((status = fine_tune_open(&t->base, options, encoder, err)) == CAPTION_OK &&
        (status = train_data_open(&t->data, options, t->base ? t->base->words : NULL, encoder, err)) == CAPTION_OK &&
        (status = make_names(t, err)) == CAPTION_OK && (status = make_network(t, err)) == CAPTION_OK &&
        (status = resume(t, err)) == CAPTION_OK &&
        (status = caption_session_new(&t->session, NULL, EVALUATE_BATCH, err)) == CAPTION_OK)
        status = run(t, err);
    trainer_free(t);
    free(t);
    return status;
}
