#include "model/evaluate.h"

#include <stdlib.h>
#include <string.h>

/* What one batch needs besides the session. */
struct scratch {
    float features[EVALUATE_BATCH * CAPTION_FEATURES];
    caption_result results[EVALUATE_BATCH];
};

/* captions [n] are malloc'd. */
static int caption_batch(caption_session *session, const caption_model *model, int max_words,
                         const feature_cache *cache, const long *records, int n, struct scratch *scratch,
                         char **captions, caption_error *err)
{
    const caption_options options = {.max_words = max_words};
    for (int i = 0; i < n; i++)
        memcpy(scratch->features + (size_t)i * CAPTION_FEATURES, feature_cache_at(cache, records[i]),
               CAPTION_FEATURES * sizeof(float));
    int status = caption_session_set_features(session, n, scratch->features, err);
    if (status == CAPTION_OK)
        status = caption_generate(session, model, &options, scratch->results, err);
    for (int i = 0; i < n && status == CAPTION_OK; i++)
        if (!(captions[i] = strdup(scratch->results[i].text)))
            status = caption_fail(err, CAPTION_ENOMEM, "out of memory for the captions to score");
    return status;
}

int evaluate(caption_session *session, const caption_model *model, int max_words, const caption_dataset *dataset,
             const feature_cache *cache, const long *records, caption_scores *scores, char *sample, caption_error *err)
{
    size_t images = caption_dataset_size(dataset);
    struct scratch *scratch = malloc(sizeof *scratch);
    char **captions = calloc(images, sizeof *captions);
    int status = CAPTION_OK;
    if (!scratch || !captions)
        status = caption_fail(err, CAPTION_ENOMEM, "out of memory to caption %zu images", images);
    for (size_t i = 0; i < images && status == CAPTION_OK; i += EVALUATE_BATCH) {
        int n = images - i < EVALUATE_BATCH ? (int)(images - i) : EVALUATE_BATCH;
        status = caption_batch(session, model, max_words, cache, records + i, n, scratch, captions + i, err);
    }
    if (status == CAPTION_OK) {
        strcpy(sample, captions[0]);
        status = caption_score(scores, dataset, (const char *const *)captions, err);
    }
    for (size_t i = 0; captions && i < images; i++)
        free(captions[i]);
    free(captions);
    free(scratch);
    return status;
}
