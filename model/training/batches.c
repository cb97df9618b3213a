/* batches.c: shuffles the captions of an epoch, sorts windows of them by length and cuts those into batches
 * (batches.h). */
#include "model/training/batches.h"

#include <stdlib.h>
#include <string.h>

#include "model/random.h"

enum { WINDOW = 50 }; /* batches sorted together */

struct example {
    size_t image, ids; /* ids: where its words begin */
    int words;
};

struct batches {
    int *ids; /* the words of all captions */
    struct example *examples;
    size_t n_examples, count; /* of an epoch */
    size_t n_captions, n_all; /* captions of images, which come first; all there are */
    int size, longest;
    size_t *order;  /* [count] shuffled batch numbers */
    int *captions;  /* [longest + 1, size] and */
    size_t *images; /* [size] of the current batch */
};

static int fail_memory(size_t captions, caption_error *err)
{
    return caption_fail(err, CAPTION_ENOMEM, "out of memory for batches of %zu captions", captions);
}

static void add_example(batches *b, const char *caption, size_t image, const vocabulary *v, int max_words, size_t *used)
{
    int words = vocabulary_encode(v, caption, b->ids + *used, max_words);
    b->examples[b->n_all++] = (struct example){image, *used, words};
    *used += (size_t)words;
    if (words + 1 > b->longest)
        b->longest = words + 1;
}

static void encode(batches *b, const caption_dataset *dataset, const batch_texts *texts, const vocabulary *v,
                   int max_words)
{
    size_t used = 0, images = caption_dataset_size(dataset);
    for (size_t i = 0; i < images; i++) {
        const caption_dataset_image *image = caption_dataset_at(dataset, i);
        for (size_t k = 0; k < image->n_captions; k++)
            add_example(b, image->captions[k], i, v, max_words, &used);
    }
    b->n_captions = b->n_all;
    for (size_t i = 0; i < texts->n; i++)
        add_example(b, texts->captions[i], images + i, v, max_words, &used);
}

/* Captions of an epoch. */
static size_t epoch_size(const batch_texts *texts, size_t captions)
{
    size_t wanted = (size_t)((double)captions * texts->share / (1 - texts->share));
    return captions + (wanted < texts->n ? wanted : texts->n);
}

int batches_new(batches **out, const caption_dataset *dataset, const batch_texts *texts, const vocabulary *v,
                int max_words, int size, caption_error *err)
{
    size_t n = caption_dataset_captions(dataset), all = n + texts->n;
    *out = NULL;
    batches *b = calloc(1, sizeof *b);
    if (!b)
        return fail_memory(n, err);
    b->size = size;
    b->n_examples = epoch_size(texts, n);
    b->count = (b->n_examples + (size_t)size - 1) / (size_t)size;
    b->ids = calloc(all * (size_t)max_words, sizeof *b->ids);
    b->examples = calloc(all, sizeof *b->examples);
    b->order = calloc(b->count, sizeof *b->order);
    b->images = calloc((size_t)size, sizeof *b->images);
    if (b->ids && b->examples)
        encode(b, dataset, texts, v, max_words);
    b->captions = calloc((size_t)(b->longest + 1) * (size_t)size, sizeof *b->captions);
    if (!b->ids || !b->examples || !b->order || !b->images || !b->captions) {
        batches_free(b);
        return fail_memory(n, err);
    }
    *out = b;
    return CAPTION_OK;
}

void batches_free(batches *b)
{
    if (!b)
        return;
    free(b->ids);
    free(b->examples);
    free(b->order);
    free(b->captions);
    free(b->images);
    free(b);
}

size_t batches_count(const batches *b)
{
    return b->count;
}

int batches_longest(const batches *b)
{
    return b->longest;
}

/* By length; ties by place in the file, so that the result does not depend on the sort's own manner. */
static int compare_examples(const void *a, const void *b)
{
    const struct example *x = a, *y = b;
    if (x->words != y->words)
        return x->words < y->words ? -1 : 1;
    return (x->ids > y->ids) - (x->ids < y->ids);
}

static int compare_places(const void *a, const void *b)
{
    const struct example *x = a, *y = b;
    return (x->ids > y->ids) - (x->ids < y->ids);
}

/* Fisher-Yates. */
static void shuffle_examples(struct example *examples, size_t n, random_stream *r)
{
    for (size_t i = n; i > 1; i--) {
        size_t k = random_below(r, i);
        struct example swap = examples[k];
        examples[k] = examples[i - 1];
        examples[i - 1] = swap;
    }
}

void batches_shuffle(batches *b, uint64_t seed, int epoch)
{
    random_stream r = random_seeded(random_mix(seed) + (uint64_t)epoch);
    qsort(b->examples, b->n_all, sizeof *b->examples, compare_places); /* forget the epoch before */
    if (b->n_all > b->n_examples)
        shuffle_examples(b->examples + b->n_captions, b->n_all - b->n_captions, &r);
    shuffle_examples(b->examples, b->n_examples, &r);
    size_t window = (size_t)b->size * WINDOW;
    for (size_t start = 0; start < b->n_examples; start += window) {
        size_t left = b->n_examples - start;
        qsort(b->examples + start, left < window ? left : window, sizeof *b->examples, compare_examples);
    }
    random_order(&r, b->order, b->count);
}

batch_view batches_get(batches *b, size_t i, batch_share share)
{
    const batch_share next = {share.index + 1, share.count};
    size_t start = b->order[i] * (size_t)b->size, left = b->n_examples - start;
    size_t all = left < (size_t)b->size ? left : (size_t)b->size, first = batch_share_start(share, all);
    const struct example *examples = b->examples + start + first;
    int n = (int)(batch_share_start(next, all) - first);
    int t = n ? examples[n - 1].words + 1 : 0; /* the last of a sorted stretch is the longest */
    batch_view view = {.first = (int)first,
                       .all = (int)all,
                       .n = n,
                       .t = t,
                       .per_image = 1,
                       .captions = b->captions,
                       .images = b->images};
    _Static_assert(VOCABULARY_NULL == 0, "zeroed ids are padding");
    memset(b->captions, 0, (size_t)(t + 1) * (size_t)n * sizeof *b->captions);
    for (int k = 0; k < n; k++) {
        const int *ids = b->ids + examples[k].ids;
        int words = examples[k].words;
        b->captions[k] = VOCABULARY_START;
        for (int w = 0; w < words; w++)
            b->captions[(w + 1) * n + k] = ids[w];
        b->captions[(words + 1) * n + k] = VOCABULARY_END;
        b->images[k] = examples[k].image;
        view.words += (size_t)words + 1;
    }
    return view;
}
