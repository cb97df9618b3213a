/* trainer.c: the run itself: batches and steps, reports, checkpoints, and after each epoch the dev scores that decide
 * which weights are kept.
 *
 * Everything random is drawn from (seed, step), never from a generator that runs along, so that the counters of a
 * checkpoint are enough to go on exactly where a killed run stopped. The weights written are those that were scored:
 * each epoch's candidate is saved, opened as a server would open it, and scored.
 *
 * Several processes (ranks.h) take the same steps on the same weights: each computes the gradients of its share of the
 * batch, and their sum is what all go by. Whatever else there is to do, the first does while the others wait. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "model/kernels/watch.h"
#include "model/seconds.h"
#include "model/training/evaluate.h"
#include "model/training/ranks.h"
#include "model/training/train_options.h"
#include "model/training/trainer.h"

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

/* Is there a base whose score is known? */
static int has_base_score(const trainer *t)
{
    return t->base && t->options->dev;
}

static int is_done(const trainer *t)
{
    long stale = t->state.epoch - t->state.best_epoch;
    return t->state.epoch >= t->options->epochs || (t->options->patience > 0 && stale >= t->options->patience);
}

enum { WHY_BYTES = 96 };

/* Why a run that is done is. */
static const char *say_why(const trainer *t, char out[WHY_BYTES])
{
    if (t->state.epoch >= t->options->epochs)
        snprintf(out, WHY_BYTES, t->options->epochs == 1 ? "its one epoch is done" : "all %d epochs are done",
                 t->options->epochs);
    else
        snprintf(out, WHY_BYTES, "no better dev CIDEr in %d epoch%s (patience)", t->options->patience,
                 t->options->patience == 1 ? "" : "s");
    return out;
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
    t->checkpointed = seconds_now();
    int status = checkpoint_write(t->checkpoint_path, t->run, &t->state, &t->optimizer, t->parameters, err);
    if (status == CAPTION_OK)
        t->kept = t->state;
    return status;
}

static void restart_window(trainer *t)
{
    t->window = (struct window){.started = seconds_now()};
}

static int stopped(caption_error *err)
{
    return caption_fail(err, CAPTION_ECANCELLED, "stopped");
}

/* Tells the caller, who may want to stop: CAPTION_ECANCELLED. e: the scored epoch, or NULL. */
static int report(trainer *t, const evaluation *e, int best, caption_error *err)
{
    const struct window *w = &t->window;
    double time = seconds_now(), elapsed = time - w->started;
    long step = step_of(t), steps = all_steps(t);
    char why[WHY_BYTES];
    if (!t->options->progress)
        return CAPTION_OK;
    const caption_train_progress progress = {
        .stage = CAPTION_TRAIN_LEARNING,
        .done = step,
        .total = steps,
        .seconds_left =
            step > t->first_step ? (time - t->started) / (double)(step - t->first_step) * (double)(steps - step) : 0,
        .epoch = step == 0 ? 0 : (int)((step - 1) / batches_per_epoch(t)) + 1,
        .epochs = t->options->epochs,
        .loss = w->words ? w->loss / (double)w->words : 0,
        .reward = w->captions ? w->reward / (double)w->captions : 0,
        .learning_rate = learning_rate(t),
        .captions_per_second = elapsed > 0 ? (double)w->captions / elapsed : 0,
        .dev = e ? &e->scores : NULL,
        .captions = e ? (const char *const *)e->captions : NULL,
        .best = best,
        .low = e ? e->low : 0,
        .high = e ? e->high : 0,
        .best_epoch = t->state.best_epoch == 0 && !has_base_score(t) ? -1 : (int)t->state.best_epoch,
        .best_cider = t->state.best_score,
        .best_low = t->state.best_low,
        .best_high = t->state.best_high,
        .base_cider = has_base_score(t) ? t->state.base_score : -1,
        .last = is_done(t),
        .why = is_done(t) ? say_why(t, why) : NULL,
    };
    int stop = t->options->progress(t->options->context, &progress);
    restart_window(t);
    return stop ? stopped(err) : CAPTION_OK;
}

/* ---- learning --------------------------------------------------------------------------------------------------- */

/* Of a batch, over all processes; floats, because they are summed as gradients are. */
enum { TOTAL_LOSS, TOTAL_REWARD, TOTAL_WORDS, TOTAL_CAPTIONS, TOTAL_STOPPED, TOTAL_FAILED, TOTALS };

/* Gradients and totals of this process's share of the batch. */
static void compute_share(trainer *t, float totals[TOTALS])
{
    random_stream r = random_seeded(random_mix(t->options->seed) ^ random_mix((uint64_t)step_of(t)));
    size_t words;
    double reward;
    mixed_begin(t->mixed, t->parameters, t->n_parameters);
    decoder_batch_f batch =
        curriculum_batch(&t->curriculum, (size_t)t->state.batch, t->parameters, &r, &words, &reward);
    batch.seed = random_bits(&r);
    totals[TOTAL_REWARD] = (float)(reward * batch.n);
    totals[TOTAL_WORDS] = (float)words;
    totals[TOTAL_CAPTIONS] = (float)batch.n;
    totals[TOTAL_FAILED] = t->data.fault != CAPTION_OK;
    if (batch.n > 0 && !t->data.fault)
        totals[TOTAL_LOSS] = decoder_loss_f(&t->shape, t->parameters, &batch, t->gradients, NULL, &t->scratch);
    else
        memset(t->gradients, 0, t->n_parameters * sizeof *t->gradients);
    mixed_end();
}

/* The same, unless the caller wants to stop before it is done: TOTAL_STOPPED. */
static void learn_share(trainer *t, float totals[TOTALS])
{
    watch share = {t->options->stop, t->options->context, 0};
    watch_begin(&share);
    if (!watch_stopped())
        compute_share(t, totals);
    watch_end();
    totals[TOTAL_STOPPED] = (float)share.stopped;
}

/* Why this process could not read its share of the batch, if it could not. */
static int read_fault(const trainer *t, caption_error *err)
{
    return t->data.fault ? caption_fail(err, (enum caption_status)t->data.fault, "%s", t->data.reason.message)
                         : CAPTION_OK;
}

/* A batch in which somebody wants to stop is one that nobody has learnt: it is for the next run. */
static int learn_batch(trainer *t, caption_error *err)
{
    float totals[TOTALS] = {0};
    int status;
    learn_share(t, totals);
    if ((status = ranks_sum(t->options->ranks, totals, TOTALS, err)))
        return status;
    if (totals[TOTAL_FAILED] > 0)
        return ranks_agree(t->options->ranks, read_fault(t, err), err);
    if (totals[TOTAL_STOPPED] > 0)
        return stopped(err);
    if ((status = ranks_sum(t->options->ranks, t->gradients, t->n_parameters, err)))
        return status;
    if (!isfinite(totals[TOTAL_LOSS]))
        return caption_fail(err, CAPTION_EINVAL, "the loss is no longer finite in epoch %ld: lower the learning rate",
                            t->state.epoch + 1);
    optimizer_step(&t->optimizer, learning_rate(t), t->parameters, t->gradients);
    t->window.loss += (double)totals[TOTAL_LOSS] * totals[TOTAL_CAPTIONS];
    t->window.reward += totals[TOTAL_REWARD];
    t->window.words += (size_t)totals[TOTAL_WORDS];
    t->window.captions += (size_t)totals[TOTAL_CAPTIONS];
    t->state.batch++;
    return CAPTION_OK;
}

/* Behind a batch: what is due now, and whether all go on. */
static int look_around(trainer *t, caption_error *err)
{
    int first = caption_ranks_is_first(t->options->ranks);
    int status = train_options_stop(t->options) ? stopped(err) : CAPTION_OK;
    if (status == CAPTION_OK && first && seconds_now() - t->window.started >= t->options->report_seconds)
        status = report(t, NULL, 0, err);
    if (status == CAPTION_OK && first && seconds_now() - t->checkpointed >= 60 * t->options->checkpoint_minutes)
        status = write_checkpoint(t, err);
    return ranks_agree(t->options->ranks, status, err);
}

static int learn_epoch(trainer *t, caption_error *err)
{
    int status = CAPTION_OK;
    curriculum_shuffle(&t->curriculum, (int)t->state.epoch);
    while (t->state.batch < batches_per_epoch(t) && status == CAPTION_OK) {
        status = learn_batch(t, err);
        if (status == CAPTION_OK)
            status = look_around(t, err);
    }
    return status;
}

/* ---- saving and scoring ----------------------------------------------------------------------------------------- */

/* What its users need: weights for plain features. */
static void fold_standardisation(trainer *t)
{
    const float *learnt = t->optimizer.average ? t->optimizer.average : t->parameters;
    memcpy(t->folded, learnt, t->n_parameters * sizeof *t->folded);
    standardise_fold(&t->data.standardiser, &t->shape, t->folded);
}

/* Fitted to the captions of dev, else as the base has it. */
static const confidence *confidence_to_save(const trainer *t, const evaluation *e)
{
    static const confidence none = {0};
    return e && e->confidence.fitted ? &e->confidence : t->base ? &t->base->confidence : &none;
}

/* Metadata being gathered: pairs, whose last one is NULL. */
enum { MAX_FACTS = 12, FACT_TEXT = 32 };
typedef struct facts {
    const char *pair[MAX_FACTS][2];
    char number[MAX_FACTS][FACT_TEXT];
    int n;
} facts;

static void add_fact(facts *f, const char *name, const char *value)
{
    f->pair[f->n][0] = name;
    f->pair[f->n++][1] = value;
}

static void add_score(facts *f, const char *name, double score)
{
    snprintf(f->number[f->n], FACT_TEXT, "%.4f", score);
    add_fact(f, name, f->number[f->n]);
}

/* Writes the folded weights of that epoch, with the run's facts and, once known, its scores. */
static int save(trainer *t, const char *path, long epoch, const evaluation *e, caption_error *err)
{
    facts f = {.n = 0};
    char sure[CONFIDENCE_TEXT];
    const confidence *fitted = confidence_to_save(t, e);
    add_fact(&f, "training", t->description);
    add_fact(&f, "training_data_sha256", t->data.digest);
    snprintf(f.number[f.n], FACT_TEXT, "%ld", epoch);
    add_fact(&f, "epoch", f.number[f.n]);
    if (fitted->fitted) {
        confidence_print(fitted, sure);
        add_fact(&f, "confidence", sure);
    }
    if (e) {
        add_score(&f, "dev_bleu_4", e->scores.bleu[3]);
        add_score(&f, "dev_rouge_l", e->scores.rouge_l);
        add_score(&f, "dev_cider", e->scores.cider);
        add_score(&f, "dev_cider_low", e->low);
        add_score(&f, "dev_cider_high", e->high);
        if (has_base_score(t))
            add_score(&f, "base_dev_cider", t->state.base_score);
    }
    return model_write(path, &t->shape, t->data.words, &t->data.concepts.head, caption_encoder_sha256(t->encoder),
                       t->folded, SAFETENSORS_F16, (const char *const(*)[2])f.pair, err);
}

/* Scores what a server would load: the candidate file. */
static int score_candidate(trainer *t, evaluation *e, caption_error *err)
{
    caption_model *model = NULL;
    int status = save(t, t->candidate_path, t->state.epoch, NULL, err);
    if (status == CAPTION_OK)
        status = caption_model_open(&model, t->candidate_path, err);
    if (status == CAPTION_OK)
        status = evaluate(e, t->session, model, t->options, t->data.cache, t->data.dev_records, err);
    caption_model_release(model);
    unlink(t->candidate_path);
    return status;
}

/* The weights of this epoch are those that `out` holds. */
static void remember_best(trainer *t, const evaluation *e)
{
    t->state.best_epoch = t->state.epoch;
    t->state.best_score = e ? e->scores.cider : 0;
    t->state.best_low = e ? e->low : 0;
    t->state.best_high = e ? e->high : 0;
}

/* Keeps the folded weights if they are the best so far; the epoch is then done. e: its scores, NULL without dev. */
static int close_epoch(trainer *t, const evaluation *e, caption_error *err)
{
    int first = t->state.best_epoch == 0 && !has_base_score(t);
    int best = !e || first || e->scores.cider > t->state.best_score;
    int status = best ? save(t, t->options->out, t->state.epoch + 1, e, err) : CAPTION_OK;
    if (status != CAPTION_OK)
        return status;
    t->state.epoch++;
    t->state.batch = 0;
    if (best)
        remember_best(t, e);
    /* The last epoch's would go at once. Without it, who goes on behind a crash before the report was taken learns that
     * epoch again and tells of it. */
    if (!is_done(t))
        status = write_checkpoint(t, err);
    return status == CAPTION_OK ? report(t, e, best, err) : status;
}

/* Epoch 0 of a run that goes on from a captioner: the base's own score, which later epochs must beat, or the base is
 * what is kept. */
static int score_base(trainer *t, caption_error *err)
{
    evaluation e = {.captions = NULL};
    if (!has_base_score(t) || step_of(t) > 0)
        return CAPTION_OK;
    fold_standardisation(t);
    int status = score_candidate(t, &e, err);
    if (status == CAPTION_OK) {
        t->state.base_score = e.scores.cider;
        remember_best(t, &e);
        status = save(t, t->options->out, 0, &e, err);
    }
    if (status == CAPTION_OK)
        status = report(t, &e, 1, err);
    evaluation_free(&e);
    return status;
}

static int score_epoch(trainer *t, caption_error *err)
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

static int follow_first(trainer *t, caption_error *err)
{
    return checkpoint_follow(t->options->ranks, &t->state, &t->optimizer, t->parameters, err);
}

static int begin(trainer *t, caption_error *err)
{
    int status = caption_ranks_is_first(t->options->ranks) ? score_base(t, err) : CAPTION_OK;
    status = ranks_agree(t->options->ranks, status, err);
    return status == CAPTION_OK ? follow_first(t, err) : status;
}

static int finish_epoch(trainer *t, caption_error *err)
{
    int status = caption_ranks_is_first(t->options->ranks) ? score_epoch(t, err) : CAPTION_OK;
    status = ranks_agree(t->options->ranks, status, err);
    return status == CAPTION_OK ? follow_first(t, err) : status;
}

static int is_kept(const trainer *t)
{
    return t->kept.epoch == t->state.epoch && t->kept.batch == t->state.batch;
}

/* The end of the first process's run: the checkpoint stays or goes. */
static int conclude(trainer *t, int status, caption_error *err)
{
    if (status == CAPTION_ECANCELLED && train_options_stop(t->options) == CAPTION_TRAIN_ABANDON)
        return status;
    if (status == CAPTION_ECANCELLED && (status = is_kept(t) ? CAPTION_OK : write_checkpoint(t, err)) == CAPTION_OK)
        return caption_fail(err, CAPTION_ECANCELLED, "stopped after epoch %ld, batch %ld", t->state.epoch,
                            t->state.batch);
    if (status == CAPTION_OK && unlink(t->checkpoint_path) != 0 && errno != ENOENT)
        return caption_fail(err, CAPTION_EIO, "%s: cannot remove: %s", t->checkpoint_path, strerror(errno));
    return status;
}

static int run(trainer *t, caption_error *err)
{
    int status = CAPTION_OK;
    t->started = t->checkpointed = seconds_now();
    t->first_step = step_of(t);
    restart_window(t);
    status = begin(t, err);
    while (status == CAPTION_OK && !is_done(t)) {
        status = learn_epoch(t, err);
        if (status == CAPTION_OK)
            status = finish_epoch(t, err);
    }
    if (caption_ranks_is_first(t->options->ranks))
        status = conclude(t, status, err);
    return ranks_agree(t->options->ranks, status, err);
}

int caption_train(const caption_train_options *options, caption_encoder *encoder, caption_error *err)
{
    caption_train_options mine = *options;
    caption_error unread;
    err = err ? err : &unread;
    if (!caption_ranks_is_first(options->ranks))
        mine.progress = NULL;
    trainer *t = calloc(1, sizeof *t);
    int status =
        t ? caption_train_check(options, err) : caption_fail(err, CAPTION_ENOMEM, "out of memory for a training run");
    status = ranks_agree(options->ranks, status, err);
    if (status == CAPTION_OK) {
        t->options = &mine;
        t->encoder = encoder;
        status = trainer_open(t, err);
        if (status == CAPTION_OK)
            status = run(t, err);
        trainer_close(t);
    }
    free(t);
    return status;
}
