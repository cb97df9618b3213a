/* train_data.c: opens the two datasets of a run, builds the vocabulary and computes the features that are missing
 * (train_data.h). */
#include "model/training/train_data.h"

#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <nettle/base16.h>
#include <nettle/sha2.h>

#include "model/features/feature_extract.h"
#include "model/features/feature_picture.h"
#include "model/seconds.h"
#include "model/training/ranks.h"
#include "model/training/train_options.h"

enum { D = CAPTION_FEATURES };

/* ---- words ------------------------------------------------------------------------------------------------------ */

/* Leaves the most frequent words. */
static int limit_words(train_data *data, caption_error *err)
{
    const int most = data->options->most_words;
    vocabulary *all = data->words;
    if (most == 0 || vocabulary_size(all) <= most)
        return CAPTION_OK;
    if (most <= VOCABULARY_SPECIALS)
        return caption_fail(err, CAPTION_EINVAL, "most-words: %d leaves no word", most);
    int status = vocabulary_cut(&data->words, all, most, err);
    vocabulary_free(all);
    return status;
}

static int build_words(train_data *data, const vocabulary *base, caption_error *err)
{
    const caption_dataset *train = data->options->train;
    size_t n = 0;
    const char **captions = calloc(caption_dataset_captions(train) + data->texts.n, sizeof *captions);
    if (!captions)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the training captions");
    for (size_t i = 0; i < caption_dataset_size(train); i++) {
        const caption_dataset_image *image = caption_dataset_at(train, i);
        for (size_t k = 0; k < image->n_captions; k++)
            captions[n++] = image->captions[k];
    }
    for (size_t i = 0; i < data->texts.n; i++)
        captions[n++] = data->texts.line[i];
    int minimum = data->options->minimum_count;
    int status = base ? vocabulary_extend(&data->words, base, captions, n, minimum, err)
                      : vocabulary_build(&data->words, captions, n, minimum, err);
    free(captions);
    return status == CAPTION_OK ? limit_words(data, err) : status;
}

static void digest_dataset(struct sha256_ctx *sha, const caption_dataset *dataset)
{
    for (size_t i = 0; dataset && i < caption_dataset_size(dataset); i++) {
        const caption_dataset_image *image = caption_dataset_at(dataset, i);
        sha256_update(sha, strlen(image->file) + 1, (const uint8_t *)image->file);
        for (size_t k = 0; k < image->n_captions; k++)
            sha256_update(sha, strlen(image->captions[k]) + 1, (const uint8_t *)image->captions[k]);
    }
    sha256_update(sha, 1, (const uint8_t *)"");
}

static void digest_data(train_data *data, caption_encoder *encoder)
{
    uint8_t digest[SHA256_DIGEST_SIZE];
    struct sha256_ctx sha;
    sha256_init(&sha);
    digest_dataset(&sha, data->options->train);
    digest_dataset(&sha, data->options->dev);
    for (size_t i = 0; i < data->texts.n; i++)
        sha256_update(&sha, strlen(data->texts.line[i]) + 1, (const uint8_t *)data->texts.line[i]);
    sha256_update(&sha, 64, (const uint8_t *)caption_encoder_sha256(encoder));
    sha256_digest(&sha, sizeof digest, digest);
    base16_encode_update(data->digest, sizeof digest, digest);
    data->digest[2 * sizeof digest] = '\0';
}

/* ---- features --------------------------------------------------------------------------------------------------- */

/* Turns pictures done into the caller's progress, at most every report_seconds. */
struct reporter {
    const caption_train_options *options;
    double started, reported;
};

static int report_features(void *context, size_t done, size_t total)
{
    struct reporter *r = context;
    double time = seconds_now();
    if (train_options_stop(r->options))
        return 1;
    if (!r->options->progress || time - r->reported < r->options->report_seconds)
        return 0;
    r->reported = time;
    const caption_train_progress progress = {
        .stage = CAPTION_TRAIN_FEATURES,
        .done = (long)done,
        .total = (long)total,
        .seconds_left = (time - r->started) / (double)done * (double)(total - done),
    };
    return r->options->progress(r->options->context, &progress);
}

/* Of several processes each computes its share before all of them look for everything: with a cache that they share
 * the second pass finds it, without one it computes the rest. */
static int extract_share(train_data *data, feature_work work, caption_error *err)
{
    caption_ranks *ranks = data->options->ranks;
    work.share = ranks_index(ranks);
    work.shares = ranks_count(ranks);
    if (work.shares == 1)
        return CAPTION_OK;
    int status = ranks_agree(ranks, feature_extract(data->cache, &work, NULL, err), err);
    return status == CAPTION_OK ? feature_cache_sync(data->cache, err) : status;
}

/* records: malloc'd. */
static int extract(train_data *data, caption_encoder *encoder, const caption_dataset *dataset, feature_choice choice,
                   long **records, caption_error *err)
{
    struct reporter reporter = {data->options, seconds_now(), seconds_now()};
    const feature_work work = {.encoder = encoder,
                               .decoder = data->options->decoder,
                               .dataset = dataset,
                               .choice = choice,
                               .threads = data->options->threads,
                               .shares = 1,
                               .progress = report_features,
                               .context = &reporter};
    *records = calloc(caption_dataset_size(dataset) * (size_t)feature_views(choice), sizeof **records);
    if (!*records)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the features of the pictures");
    int status = extract_share(data, work, err);
    return status == CAPTION_OK ? feature_extract(data->cache, &work, *records, err) : status;
}

static int open_cache(train_data *data, caption_encoder *encoder, caption_error *err)
{
    char *out = strdup(data->options->out);
    if (!out)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the feature cache");
    const char *directory = data->options->cache ? data->options->cache : dirname(out);
    int status = feature_cache_open(&data->cache, directory, caption_encoder_sha256(encoder), FEATURE_FLOATS, err);
    free(out);
    return status;
}

/* Zeroes a random share of x [n]; the others grow so that the mean stays. */
static void drop(double dropout, size_t n, float *x, random_stream *r)
{
    float kept = (float)(1 / (1 - dropout));
    for (size_t i = 0; i < n && dropout > 0; i++)
        x[i] *= random_uniform(r) < dropout ? 0 : kept;
}

/* The i-th image of the batch is `image` of the dataset. */
static void read_image(train_data *data, size_t i, size_t image, random_stream *r)
{
    const size_t view = random_below(r, data->views), n = (size_t)data->concepts.head.n;
    const long record = data->train_records[image * data->views + view];
    float *features = data->features + i * D, *map = data->map ? data->map + i * CAPTION_MAP : NULL;
    data->fault = feature_cache_read(data->cache, record, 0, map ? FEATURE_FLOATS : D, data->record, &data->reason);
    if (data->fault)
        return;
    standardise_record(&data->standardiser, data->record, features, map);
    drop(data->options->feature_dropout, D, features, r);
    if (map)
        drop(data->options->feature_dropout, CAPTION_MAP, map, r);
    if (n > 0)
        memcpy(data->concept_p + i * n, data->concepts.p + (image * data->views + view) * n, n * sizeof(float));
}

/* The i-th image of the batch is that of a caption without one: the mean image is zero in standardised features. */
static void imagine_image(train_data *data, size_t i, const char *caption, random_stream *r)
{
    int ids[CAPTION_MAX_WORDS];
    memset(data->features + i * D, 0, D * sizeof *data->features);
    if (data->map)
        memset(data->map + i * CAPTION_MAP, 0, CAPTION_MAP * sizeof *data->map);
    if (data->concepts.head.n > 0)
        concept_data_imagine(&data->concepts, ids, vocabulary_encode(data->words, caption, ids, CAPTION_MAX_WORDS), r,
                             data->concept_p + i * (size_t)data->concepts.head.n);
}

decoder_images_f train_data_images(train_data *data, const batch_view *view, uint64_t seed)
{
    const size_t images = caption_dataset_size(data->options->train);
    const concept_head *head = &data->concepts.head;
    for (int k = 0; k < view->n && !data->fault; k += view->per_image) {
        const size_t i = (size_t)(k / view->per_image), image = view->images[k];
        random_stream r = random_seeded(seed + (uint64_t)(view->first + k));
        if (image < images)
            read_image(data, i, image, &r);
        else
            imagine_image(data, i, data->texts.line[image - images], &r);
    }
    if (data->n_tags > 0 && view->n > 0)
        concepts_rank(view->n / view->per_image, head->n, data->concept_p, data->n_tags, data->tags);
    return (decoder_images_f){data->features, data->map, data->concept_p, data->tags, head->words};
}

/* Concepts, and room for those of a batch. */
static int open_concepts(train_data *data, const concept_head *base, int looks, caption_error *err)
{
    const caption_train_options *o = data->options;
    const concept_source source = {o,           data->words,        base, data->cache, data->train_records,
                                   data->views, &data->standardiser};
    for (int c = 0; base && c < base->n; c++)
        if (base->words[c] >= vocabulary_size(data->words))
            return caption_fail(err, CAPTION_EINVAL, "most-words: %d leaves out words that the base's concepts are of",
                                o->most_words);
    int status = concept_data_open(&data->concepts, &source, err);
    const int n = data->concepts.head.n;
    if (status != CAPTION_OK || n == 0)
        return status;
    data->n_tags = !looks ? 0 : o->tags < n ? o->tags : n;
    data->concept_p = calloc((size_t)o->batch * (size_t)n, sizeof *data->concept_p);
    data->tags = calloc((size_t)o->batch * (size_t)data->n_tags + 1, sizeof *data->tags);
    return data->concept_p && data->tags
               ? CAPTION_OK
               : caption_fail(err, CAPTION_ENOMEM, "out of memory for the concepts of %d images", o->batch);
}

/* ---- all of it -------------------------------------------------------------------------------------------------- */

int train_data_open(train_data *data, const caption_train_options *options, const caption_model *base,
                    caption_encoder *encoder, caption_error *err)
{
    int status;
    const feature_choice choice = {options->crops, options->flip};
    *data = (train_data){.options = options, .views = (size_t)feature_views(choice)};
    if (options->text && (status = texts_open(&data->texts, options->text, err)))
        return status;
    digest_data(data, encoder);
    if ((status = build_words(data, base ? base->words : NULL, err)) || (status = open_cache(data, encoder, err)) ||
        (status = extract(data, encoder, options->train, choice, &data->train_records, err)))
        return status;
    if (options->dev && (status = extract(data, encoder, options->dev, (feature_choice){0}, &data->dev_records, err)))
        return status;
    decoder_kind kind;
    int looks = decoder_kind_parse(options->kind, &kind) && decoder_looks(kind);
    data->features = calloc((size_t)options->batch * D, sizeof *data->features);
    data->map = looks ? calloc((size_t)options->batch * CAPTION_MAP, sizeof *data->map) : NULL;
    data->record = calloc(FEATURE_FLOATS, sizeof *data->record);
    if (!data->features || !data->record || (looks && !data->map))
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for a batch of %d captions", options->batch);
    status = standardise_measure(&data->standardiser, data->cache, data->train_records,
                                 caption_dataset_size(options->train), data->views, options, err);
    if (status != CAPTION_OK || (base && !base->concepts.n))
        return status;
    return open_concepts(data, base ? &base->concepts : NULL, looks, err);
}

void train_data_close(train_data *data)
{
    vocabulary_free(data->words);
    feature_cache_close(data->cache);
    free(data->train_records);
    free(data->dev_records);
    free(data->record);
    free(data->features);
    free(data->map);
    texts_close(&data->texts);
    concept_data_close(&data->concepts);
    free(data->concept_p);
    free(data->tags);
}
