/* evaluate.c: captions a dataset from cached features and scores the captions (evaluate.h). */
#include "model/training/evaluate.h"

#include <stdlib.h>
#include <string.h>

#include "model/training/calibrate.h"
#include "model/training/train_options.h"

/* What one batch needs besides the session. */
struct scratch {
    float features[EVALUATE_BATCH * CAPTION_FEATURES], maps[EVALUATE_BATCH * CAPTION_MAP];
    caption_result results[EVALUATE_BATCH];
    calibration words;
};

/* captions [n] are malloc'd. */
static int caption_batch(caption_session *session, const caption_model *model, int max_words,
                         const feature_cache *cache, const long *records, int n, struct scratch *scratch,
                         char **captions, caption_error *err)
{
    const caption_options options = {.max_words = max_words};
    int status = CAPTION_OK;
    for (int i = 0; i < n && status == CAPTION_OK; i++) {
        status = feature_cache_read(cache, records[i], 0, CAPTION_FEATURES,
                                    scratch->features + (size_t)i * CAPTION_FEATURES, err);
        if (status == CAPTION_OK)
            status = feature_cache_read(cache, records[i], CAPTION_FEATURES, CAPTION_MAP,
                                        scratch->maps + (size_t)i * CAPTION_MAP, err);
    }
    if (status == CAPTION_OK)
        status = caption_session_set_features(session, n, scratch->features, scratch->maps, err);
    if (status == CAPTION_OK)
        status = caption_generate(session, model, &options, scratch->results, err);
    for (int i = 0; i < n && status == CAPTION_OK; i++)
        if (!(captions[i] = strdup(scratch->results[i].text)))
            status = caption_fail(err, CAPTION_ENOMEM, "out of memory for the captions to score");
    return status;
}

static int score_captions(evaluation *out, const caption_train_options *options, caption_error *err)
{
    double *each = calloc(out->images, sizeof *each);
    if (!each)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the scores of %zu images", out->images);
    int status = caption_score_each(&out->scores, each, options->dev, (const char *const *)out->captions, err);
    if (status == CAPTION_OK)
        caption_score_interval(each, out->images, &out->low, &out->high);
    free(each);
    return status;
}

int evaluate(evaluation *out, caption_session *session, const caption_model *model,
             const caption_train_options *options, const feature_cache *cache, const long *records, caption_error *err)
{
    size_t images = caption_dataset_size(options->dev);
    struct scratch *scratch = calloc(1, sizeof *scratch);
    int status = CAPTION_OK;
    *out = (evaluation){.images = images, .captions = calloc(images, sizeof *out->captions)};
    if (!scratch || !out->captions)
        status = caption_fail(err, CAPTION_ENOMEM, "out of memory to caption %zu images", images);
    for (size_t i = 0; i < images && status == CAPTION_OK; i += EVALUATE_BATCH) {
        int n = images - i < EVALUATE_BATCH ? (int)(images - i) : EVALUATE_BATCH;
        if (train_options_stop(options))
            status = caption_fail(err, CAPTION_ECANCELLED, "stopped while dev captions were written");
        else
            status = caption_batch(session, model, options->max_words, cache, records + i, n, scratch,
                                   out->captions + i, err);
        for (int k = 0; k < n && status == CAPTION_OK; k++)
            status = calibration_add(&scratch->words, &scratch->results[k],
                                     caption_dataset_at(options->dev, i + (size_t)k), err);
    }
    if (status == CAPTION_OK)
        status = score_captions(out, options, err);
    if (scratch) {
        out->confidence = calibration_fit(&scratch->words);
        calibration_free(&scratch->words);
    }
    free(scratch);
    return status;
}

void evaluation_free(evaluation *e)
{
    for (size_t i = 0; e->captions && i < e->images; i++)
        free(e->captions[i]);
    free(e->captions);
}
