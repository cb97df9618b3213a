/* concept_data.c: chooses concepts, fits their heads, one a fold and one on everything, and keeps what they say. */
#include "model/training/concept_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/decoder/fluency.h"
#include "model/layers/affine.h"
#include "model/layers/multilabel.h"
#include "model/training/optimizer.h"
#include "model/training/train_options.h"

enum { D = CAPTION_FEATURES, BATCH = 256, EPOCHS = 8, FEWEST_IMAGES = 10, MAX_WORDS = CAPTION_MAX_WORDS };

static const double RATE = 1e-3, DROPOUT = 0.5;

static int fail_memory(caption_error *err)
{
    return caption_fail(err, CAPTION_ENOMEM, "out of memory for the concepts of the training images");
}

/* ---- which words ------------------------------------------------------------------------------------------------- */

/* Calls each(context, word) for every different word of an image's captions. seen [V]: marks, equal to `mark` when the
 * word was met. */
static void each_word(const caption_dataset_image *image, const vocabulary *words, size_t *seen, size_t mark,
                      void (*each)(void *context, int word), void *context)
{
    int ids[MAX_WORDS];
    for (size_t k = 0; k < image->n_captions; k++) {
        const int n = vocabulary_encode(words, image->captions[k], ids, MAX_WORDS);
        for (int i = 0; i < n; i++)
            if (seen[ids[i]] != mark) {
                seen[ids[i]] = mark;
                each(context, ids[i]);
            }
    }
}

static void count_word(void *context, int word)
{
    ((size_t *)context)[word]++;
}

/* The word with the highest count, which is set to 0; VOCABULARY_UNK if none reaches FEWEST_IMAGES. */
static int take_most_frequent(size_t *count, int n)
{
    int best = VOCABULARY_UNK;
    for (int v = VOCABULARY_SPECIALS; v < n; v++)
        if (count[v] >= FEWEST_IMAGES && (best == VOCABULARY_UNK || count[v] > count[best]))
            best = v;
    if (best != VOCABULARY_UNK)
        count[best] = 0;
    return best;
}

static int choose_words(concept_head *head, const concept_source *source, size_t *seen, caption_error *err)
{
    const int words = vocabulary_size(source->words);
    size_t *count = calloc((size_t)words, sizeof *count);
    unsigned char *flags = malloc((size_t)words);
    head->words = calloc((size_t)source->options->concepts, sizeof *head->words);
    int status = count && flags && head->words ? CAPTION_OK : fail_memory(err);
    if (status == CAPTION_OK) {
        for (size_t i = 0; i < caption_dataset_size(source->options->train); i++)
            each_word(caption_dataset_at(source->options->train, i), source->words, seen, i + 1, count_word, count);
        fluency_flags(source->words, flags);
        for (int v = 0; v < words; v++)
            if (flags[v] & FLUENCY_DANGLES)
                count[v] = 0;
        for (int word;
             head->n < source->options->concepts && (word = take_most_frequent(count, words)) != VOCABULARY_UNK;)
            head->words[head->n++] = word;
    }
    free(count);
    free(flags);
    return status;
}

/* ---- which images have them -------------------------------------------------------------------------------------- */

struct marking {
    const concept_data *data;
    unsigned char *row;
};

static void mark_word(void *context, int word)
{
    const struct marking *m = context;
    if (m->data->of_word[word] >= 0)
        m->row[m->data->of_word[word]] = 1;
}

static void mark_images(concept_data *data, const concept_source *source, size_t *seen)
{
    const size_t n = (size_t)data->head.n, images = data->images;
    for (int v = 0; v < vocabulary_size(source->words); v++)
        data->of_word[v] = -1;
    for (size_t c = 0; c < n; c++)
        data->of_word[data->head.words[c]] = (int)c;
    for (size_t i = 0; i < images; i++)
        each_word(caption_dataset_at(source->options->train, i), source->words, seen, images + i + 1, mark_word,
                  &(struct marking){data, data->applies + i * n});
}

static int index_images(concept_data *data, caption_error *err)
{
    const size_t n = (size_t)data->head.n;
    size_t total = 0, used = 0;
    for (size_t i = 0; i < data->images * n; i++)
        total += data->applies[i];
    data->having = calloc(total + 1, sizeof *data->having);
    data->first = calloc(n + 1, sizeof *data->first);
    if (!data->having || !data->first)
        return fail_memory(err);
    for (size_t c = 0; c < n; c++) {
        data->first[c] = used;
        for (size_t i = 0; i < data->images; i++)
            if (data->applies[i * n + c])
                data->having[used++] = i;
    }
    data->first[n] = used;
    return CAPTION_OK;
}

/* ---- fitting ----------------------------------------------------------------------------------------------------- */

/* The memory of one fit. */
typedef struct fitter {
    const concept_source *source;
    const concept_data *data;
    int n; /* C */
    size_t *order;
    float *x, *y, *p, *dlogit; /* [BATCH, D], [BATCH, C] three times */
    float *gradients;          /* [D + 1, C] */
    float record[D];           /* features as they are in the cache */
    caption_error *err;
    optimizer adam;
} fitter;

static int fitter_init(fitter *f, const concept_source *source, const concept_data *data, caption_error *err)
{
    const size_t n = (size_t)data->head.n;
    *f = (fitter){.source = source, .data = data, .n = data->head.n, .err = err};
    f->order = calloc(data->images, sizeof *f->order);
    f->x = calloc((size_t)BATCH * D, sizeof *f->x);
    f->y = calloc(BATCH * n, sizeof *f->y);
    f->p = calloc(BATCH * n, sizeof *f->p);
    f->dlogit = calloc(BATCH * n, sizeof *f->dlogit);
    f->gradients = calloc((D + 1) * n, sizeof *f->gradients);
    return f->order && f->x && f->y && f->p && f->dlogit && f->gradients ? CAPTION_OK : fail_memory(err);
}

static void fitter_free(fitter *f)
{
    free(f->order);
    free(f->x);
    free(f->y);
    free(f->p);
    free(f->dlogit);
    free(f->gradients);
    optimizer_free(&f->adam);
}

/* x [D]: the standardised features of a view of an image. */
static int read_features(fitter *f, size_t image, size_t view, float *x)
{
    const concept_source *s = f->source;
    int status = feature_cache_read(s->cache, s->records[image * s->views + view], 0, D, f->record, f->err);
    if (status == CAPTION_OK)
        standardise_record(s->standardiser, f->record, x, NULL);
    return status;
}

/* Fills x and y with so many images of the order from `start` on: the whole image or its mirror image. */
static int fill(fitter *f, size_t start, int rows, random_stream *r)
{
    const size_t n = (size_t)f->n, views = f->source->options->flip ? 2 : 1;
    const float kept = (float)(1 / (1 - DROPOUT));
    for (int k = 0; k < rows; k++) {
        float *x = f->x + (size_t)k * D;
        const size_t image = f->order[start + (size_t)k];
        const int status = read_features(f, image, random_below(r, views), x);
        if (status != CAPTION_OK)
            return status;
        for (int i = 0; i < D; i += 64) {
            uint64_t bits = random_bits(r);
            for (int j = 0; j < 64; j++, bits >>= 1)
                x[i + j] *= bits & 1 ? kept : 0;
        }
        for (size_t c = 0; c < n; c++)
            f->y[(size_t)k * n + c] = f->data->applies[image * n + c];
    }
    _Static_assert(D % 64 == 0, "whole words of random bits");
    return CAPTION_OK;
}

/* Weights 0, biases the log-odds of how many images have the concept. */
static void begin(const fitter *f, float *weights)
{
    const concept_data *data = f->data;
    memset(weights, 0, (size_t)D * (size_t)f->n * sizeof *weights);
    for (int c = 0; c < f->n; c++) {
        double share = (double)(data->first[c + 1] - data->first[c] + 1) / (double)(data->images + 2);
        weights[(size_t)D * (size_t)f->n + (size_t)c] = (float)log(share / (1 - share));
    }
}

static void step(fitter *f, int rows, double rate, float *weights)
{
    const size_t bias = (size_t)D * (size_t)f->n;
    multilabel_forward_f(rows, D, f->n, f->x, weights, weights + bias, f->p);
    multilabel_loss_f(rows, f->n, f->p, f->y, f->dlogit);
    memset(f->gradients, 0, (bias + (size_t)f->n) * sizeof *f->gradients);
    affine_backward_f(rows, D, f->n, f->x, weights, f->dlogit, NULL, f->gradients, f->gradients + bias);
    optimizer_step(&f->adam, rate, weights, f->gradients);
}

/* weights [D + 1, C], for standardised features, from the images outside `fold`, or all if that is negative. */
static int fit(fitter *f, int fold, float *weights, caption_error *err)
{
    const optimizer_options adam = optimizer_defaults();
    const size_t folds = (size_t)f->source->options->folds;
    size_t n = 0, done = 0;
    random_stream r = random_seeded(random_mix(f->source->options->seed) + (uint64_t)(fold + 1));
    for (size_t i = 0; i < f->data->images; i++)
        if (fold < 0 || i % folds != (size_t)fold)
            f->order[n++] = i;
    begin(f, weights);
    optimizer_free(&f->adam);
    int status = optimizer_init(&f->adam, &adam, (size_t)(D + 1) * (size_t)f->n, weights, err);
    for (int epoch = 0; epoch < EPOCHS && status == CAPTION_OK; epoch++) {
        for (size_t i = n; i > 1; i--) {
            size_t k = random_below(&r, i), swap = f->order[k];
            f->order[k] = f->order[i - 1];
            f->order[i - 1] = swap;
        }
        for (size_t start = 0; start < n && status == CAPTION_OK; start += BATCH, done++) {
            const int rows = n - start < BATCH ? (int)(n - start) : BATCH;
            status = fill(f, start, rows, &r);
            step(f, rows, RATE * (1 - (double)(done * BATCH) / ((double)n * EPOCHS + BATCH)), weights);
        }
        if (status == CAPTION_OK && train_options_stop(f->source->options))
            status = caption_fail(err, CAPTION_ECANCELLED, "stopped while concepts were learnt");
    }
    return status;
}

/* What the head for standardised features says of the images of `fold`, or all. */
static int predict(fitter *f, int fold, const float *weights, float *p)
{
    int status = CAPTION_OK;
    const size_t n = (size_t)f->n, views = f->source->views, folds = (size_t)f->source->options->folds;
    for (size_t i = 0; i < f->data->images && status == CAPTION_OK; i++) {
        if (fold >= 0 && i % folds != (size_t)fold)
            continue;
        for (size_t start = 0; start < views; start += BATCH) {
            const size_t rows = views - start < BATCH ? views - start : BATCH;
            for (size_t v = 0; v < rows && status == CAPTION_OK; v++)
                status = read_features(f, i, start + v, f->x + v * D);
            multilabel_forward_f((int)rows, D, f->n, f->x, weights, weights + D * n, p + (i * views + start) * n);
        }
    }
    return status;
}

static int fit_folds(fitter *f, concept_data *data, caption_error *err)
{
    int status = CAPTION_OK;
    float *weights = calloc((size_t)(D + 1) * (size_t)f->n, sizeof *weights);
    if (!weights)
        return fail_memory(err);
    for (int fold = 0; fold < f->source->options->folds && status == CAPTION_OK; fold++) {
        status = fit(f, fold, weights, err);
        if (status == CAPTION_OK)
            status = predict(f, fold, weights, data->p);
    }
    free(weights);
    return status;
}

/* The head of the run: fitted on everything, or the base's; and without folds, what it says of the images. */
static int fit_head(fitter *f, concept_data *data, caption_error *err)
{
    const standardiser *s = f->source->standardiser;
    int status = CAPTION_OK;
    if (!f->source->base)
        status = fit(f, -1, data->head.weights, err);
    else
        standardise_unfold_layer(D, f->n, s->mean, s->scale, data->head.weights);
    if (status == CAPTION_OK && f->source->options->folds == 0)
        status = predict(f, -1, data->head.weights, data->p);
    standardise_fold_layer(D, f->n, s->mean, s->scale, data->head.weights);
    return status;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static int copy_head(concept_head *head, const concept_head *base, caption_error *err)
{
    const size_t n = (size_t)base->n;
    head->words = calloc(n + 1, sizeof *head->words);
    if (!head->words)
        return fail_memory(err);
    head->n = base->n;
    memcpy(head->words, base->words, n * sizeof *head->words);
    return CAPTION_OK;
}

static int allocate(concept_data *data, const concept_source *source, caption_error *err)
{
    const size_t n = (size_t)data->head.n;
    data->head.weights = calloc((D + 1) * n, sizeof *data->head.weights);
    data->p = calloc(data->images * data->views * n, sizeof *data->p);
    data->applies = calloc(data->images * n, 1);
    data->of_word = calloc((size_t)vocabulary_size(source->words), sizeof *data->of_word);
    return data->head.weights && data->p && data->applies && data->of_word ? CAPTION_OK : fail_memory(err);
}

static int learn(concept_data *data, const concept_source *source, size_t *seen, caption_error *err)
{
    fitter f;
    int status = allocate(data, source, err);
    if (status != CAPTION_OK)
        return status;
    if (source->base)
        memcpy(data->head.weights, source->base->weights, (size_t)(D + 1) * (size_t)data->head.n * sizeof(float));
    mark_images(data, source, seen);
    status = index_images(data, err);
    if (status != CAPTION_OK)
        return status;
    status = fitter_init(&f, source, data, err);
    if (status == CAPTION_OK)
        status = fit_folds(&f, data, err);
    if (status == CAPTION_OK)
        status = fit_head(&f, data, err);
    fitter_free(&f);
    return status;
}

int concept_data_open(concept_data *out, const concept_source *source, caption_error *err)
{
    *out = (concept_data){.images = caption_dataset_size(source->options->train), .views = source->views};
    if (source->options->concepts == 0 && !source->base)
        return CAPTION_OK;
    size_t *seen = calloc((size_t)vocabulary_size(source->words), sizeof *seen);
    int status = !seen          ? fail_memory(err)
                 : source->base ? copy_head(&out->head, source->base, err)
                                : choose_words(&out->head, source, seen, err);
    if (status == CAPTION_OK && out->head.n > 0)
        status = learn(out, source, seen, err);
    free(seen);
    return status;
}

void concept_data_close(concept_data *data)
{
    free(data->head.words);
    free(data->head.weights);
    free(data->p);
    free(data->applies);
    free(data->of_word);
    free(data->having);
    free(data->first);
    *data = (concept_data){0};
}

void concept_data_imagine(const concept_data *data, const int *ids, int n, random_stream *r, float *p)
{
    static const float ABSENT = 0.01f; /* of a concept that the random image has, but the caption lacks */
    const size_t concepts = (size_t)data->head.n, other = random_below(r, data->images);
    const float *others = data->p + other * data->views * concepts;
    for (size_t c = 0; c < concepts; c++)
        p[c] = data->applies[other * concepts + c] ? ABSENT : others[c];
    for (int i = 0; i < n; i++) {
        const int c = data->of_word[ids[i]];
        if (c < 0 || data->first[c + 1] == data->first[c])
            continue;
        const size_t image = data->having[data->first[c] + random_below(r, data->first[c + 1] - data->first[c])];
        p[c] = data->p[(image * data->views + random_below(r, data->views)) * concepts + (size_t)c];
    }
}
