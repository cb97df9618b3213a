/* job_report.c: see job_report.h. */
#include "server/jobs/job_report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIGITS = 4 };

/* ---- a curve --------------------------------------------------------------------------------------------------- */

static void halve(curve *c)
{
    c->n /= 2;
    for (int i = 0; i < c->n; i++) {
        c->x[i] = c->x[2 * i + 1];
        c->y[i] = (c->y[2 * i] + c->y[2 * i + 1]) / 2;
    }
    c->stride *= 2;
}

void curve_add(curve *c, double x, double y)
{
    if (c->stride == 0)
        c->stride = 1;
    while (c->n > 0 && c->x[c->n - 1] >= x)
        c->n--;
    if (c->n == CURVE_POINTS && c->pending == 0)
        halve(c);
    c->sum += y;
    if (++c->pending < c->stride)
        return;
    c->x[c->n] = x;
    c->y[c->n++] = c->sum / c->pending;
    c->sum = c->pending = 0;
}

cJSON *curve_json(const curve *c)
{
    cJSON *points = cJSON_CreateArray();
    int good = points != NULL;
    for (int i = 0; good && i < c->n; i++) {
        char point[64];
        snprintf(point, sizeof point, "[%.0f,%.4f]", c->x[i], c->y[i]);
        good = cJSON_AddItemToArray(points, cJSON_CreateRaw(point));
    }
    return json_checked(points, good);
}

void curve_restore(curve *c, const cJSON *points)
{
    const cJSON *point;
    cJSON_ArrayForEach(point, points)
    {
        const cJSON *x = cJSON_GetArrayItem(point, 0), *y = cJSON_GetArrayItem(point, 1);
        if (cJSON_IsNumber(x) && cJSON_IsNumber(y))
            curve_add(c, x->valuedouble, y->valuedouble);
    }
}

/* ---- a job that makes pictures -------------------------------------------------------------------------------- */

/* What an untouched picture scores is no point of the curve. */
void picture_report_add(picture_report *r, const caption_visual_progress *p)
{
    snprintf(r->stage, sizeof r->stage, "%s", p->stage);
    snprintf(r->name, sizeof r->name, "%s", p->name);
    r->step = p->step;
    r->steps = p->steps;
    r->value = p->value;
    if (isfinite(p->value))
        curve_add(&r->history, p->step, p->value);
}

static int add_history(cJSON *object, const picture_report *r)
{
    cJSON *history = curve_json(&r->history);
    if (history && cJSON_AddItemToObject(object, "history", history))
        return 1;
    cJSON_Delete(history);
    return 0;
}

char *picture_report_json(const picture_report *r, int with_history)
{
    cJSON *object = cJSON_CreateObject();
    return json_finish(object, cJSON_AddStringToObject(object, "stage", r->stage) &&
                                   cJSON_AddNumberToObject(object, "step", r->step) &&
                                   cJSON_AddNumberToObject(object, "steps", r->steps) &&
                                   json_add_rounded(object, r->name, r->value, DIGITS) &&
                                   (!with_history || add_history(object, r)) &&
                                   (!*r->preview || cJSON_AddStringToObject(object, "preview", r->preview)));
}

/* ---- a training job --------------------------------------------------------------------------------------------- */

enum { EPOCHS = 256, SAMPLES = 4, ENDED = 128 };

struct train_report {
    const caption_dataset *dev;
    int rewards;
    caption_train_progress now; /* its pointers are not used */
    char ended[ENDED];          /* why; "": it is not over */
    curve losses;
    cJSON *epochs;  /* array: the scores of the last EPOCHS epochs */
    cJSON *samples; /* array: of the last epoch */
};

/* ---- making ------------------------------------------------------------------------------------------------------ */

/* The array `name` of what an earlier attempt told, or an empty one. */
static cJSON *take_array(cJSON *progress, const char *name)
{
    cJSON *array = cJSON_DetachItemFromObjectCaseSensitive(progress, name);
    if (cJSON_IsArray(array))
        return array;
    cJSON_Delete(array);
    return cJSON_CreateArray();
}

train_report *train_report_new(const caption_dataset *dev, int rewards, const char *progress)
{
    train_report *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    cJSON *before = progress ? cJSON_Parse(progress) : NULL;
    r->dev = dev;
    r->rewards = rewards;
    r->epochs = take_array(before, "dev_scores");
    r->samples = take_array(before, "samples");
    curve_restore(&r->losses, cJSON_GetObjectItemCaseSensitive(before, "loss_history"));
    cJSON_Delete(before);
    if (r->epochs && r->samples)
        return r;
    train_report_free(r);
    return NULL;
}

void train_report_free(train_report *r)
{
    if (!r)
        return;
    cJSON_Delete(r->epochs);
    cJSON_Delete(r->samples);
    free(r);
}

/* ---- an epoch's scores: each function returns 0 when out of memory ----------------------------------------------- */

static int add_scores(cJSON *object, const caption_train_progress *p)
{
    return cJSON_AddNumberToObject(object, "epoch", p->epoch) &&
           json_add_rounded(object, "cider", p->dev->cider, DIGITS) &&
           json_add_rounded(object, "cider_low", p->low, DIGITS) &&
           json_add_rounded(object, "cider_high", p->high, DIGITS) &&
           json_add_rounded(object, "bleu_1", p->dev->bleu[0], DIGITS) &&
           json_add_rounded(object, "bleu_4", p->dev->bleu[3], DIGITS) &&
           json_add_rounded(object, "rouge_l", p->dev->rouge_l, DIGITS) &&
           cJSON_AddBoolToObject(object, "best", p->best);
}

/* Epochs that were scored before and are run again, behind a checkpoint, are replaced. */
static void drop_epochs(cJSON *epochs, int from)
{
    for (int i = cJSON_GetArraySize(epochs) - 1; i >= 0; i--) {
        const cJSON *epoch = cJSON_GetObjectItemCaseSensitive(cJSON_GetArrayItem(epochs, i), "epoch");
        if (cJSON_IsNumber(epoch) && epoch->valuedouble < from)
            return;
        cJSON_DeleteItemFromArray(epochs, i);
    }
}

static void add_epoch(train_report *r, const caption_train_progress *p)
{
    cJSON *scores = cJSON_CreateObject();
    drop_epochs(r->epochs, p->epoch);
    if (cJSON_GetArraySize(r->epochs) == EPOCHS)
        cJSON_DeleteItemFromArray(r->epochs, 0);
    if (!scores || !add_scores(scores, p) || !cJSON_AddItemToArray(r->epochs, scores))
        cJSON_Delete(scores);
}

static cJSON *sample_json(const caption_dataset_image *image, const char *caption)
{
    cJSON *sample = cJSON_CreateObject();
    return json_checked(sample, cJSON_AddStringToObject(sample, "image", image->file) &&
                                    cJSON_AddStringToObject(sample, "caption", caption) &&
                                    cJSON_AddStringToObject(sample, "reference", image->captions[0]));
}

/* The same few images in every epoch, spread over the dev images. */
static void add_samples(train_report *r, const caption_train_progress *p)
{
    size_t n = caption_dataset_size(r->dev), few = n < SAMPLES ? n : SAMPLES;
    cJSON *samples = cJSON_CreateArray();
    for (size_t i = 0; samples && i < few; i++) {
        size_t at = i * n / few;
        cJSON_AddItemToArray(samples, sample_json(caption_dataset_at(r->dev, at), p->captions[at]));
    }
    if (samples) {
        cJSON_Delete(r->samples);
        r->samples = samples;
    }
}

void train_report_add(train_report *r, const caption_train_progress *p)
{
    caption_train_progress before = r->now;
    r->now = *p;
    if (p->stage == CAPTION_TRAIN_LEARNING && p->captions_per_second > 0) { /* a loss by rewards may be below 0 */
        curve_add(&r->losses, (double)p->done, p->loss);
    } else { /* the report of an epoch may come right behind one of its batches, with nothing learnt in between */
        r->now.loss = before.loss;
        r->now.reward = before.reward;
        r->now.captions_per_second = before.captions_per_second;
    }
    if (p->last)
        snprintf(r->ended, sizeof r->ended, "%s", p->why);
    if (p->dev) {
        add_epoch(r, p);
        add_samples(r, p);
    }
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static int add_now(cJSON *object, const train_report *r)
{
    const caption_train_progress *p = &r->now;
    int learning = p->stage == CAPTION_TRAIN_LEARNING;
    int good = cJSON_AddStringToObject(object, "stage", learning ? "learning" : "features") != NULL;
    if (!learning)
        return good && cJSON_AddNumberToObject(object, "images", (double)p->done) &&
               cJSON_AddNumberToObject(object, "images_in_all", (double)p->total) &&
               json_add_rounded(object, "seconds_left", p->seconds_left, 0);
    return good && cJSON_AddNumberToObject(object, "epoch", p->epoch) &&
           cJSON_AddNumberToObject(object, "epochs", p->epochs) &&
           cJSON_AddNumberToObject(object, "iteration", (double)p->done) &&
           cJSON_AddNumberToObject(object, "iterations", (double)p->total) &&
           json_add_rounded(object, "loss", p->loss, DIGITS) &&
           (!r->rewards || json_add_rounded(object, "reward", p->reward, DIGITS)) &&
           json_add_rounded(object, "learning_rate", p->learning_rate, 8) &&
           json_add_rounded(object, "captions_per_second", p->captions_per_second, 1) &&
           json_add_rounded(object, "seconds_left", p->seconds_left, 0) &&
           (!*r->ended || cJSON_AddStringToObject(object, "ended", r->ended));
}

static int add_copy(cJSON *object, const char *name, const cJSON *item)
{
    cJSON *copy = cJSON_Duplicate(item, 1);
    if (copy && cJSON_AddItemToObject(object, name, copy))
        return 1;
    cJSON_Delete(copy);
    return 0;
}

char *train_report_event(const train_report *r)
{
    cJSON *object = cJSON_CreateObject();
    return json_finish(object, object && add_now(object, r));
}

char *train_report_progress(const train_report *r)
{
    cJSON *object = cJSON_CreateObject(), *losses = curve_json(&r->losses);
    int good = object && losses && add_now(object, r);
    if (!good || !cJSON_AddItemToObject(object, "loss_history", losses)) {
        cJSON_Delete(losses);
        return json_finish(object, 0);
    }
    return json_finish(object, add_copy(object, "dev_scores", r->epochs) && add_copy(object, "samples", r->samples));
}

char *train_report_scores(const train_report *r)
{
    cJSON *last = cJSON_GetArrayItem(r->epochs, cJSON_GetArraySize(r->epochs) - 1);
    cJSON *object = last ? cJSON_Duplicate(last, 1) : NULL;
    return json_finish(object, object && add_copy(object, "samples", r->samples));
}
