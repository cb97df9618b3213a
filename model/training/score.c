/* score.c: BLEU and ROUGE-L, as coco-caption defines them, and the mean of CIDEr-D (cider.h), over a set of images.
 *
 * All scratch is sized beforehand from the longest sentence. */
#include "model/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/decoder/vocabulary.h"
#include "model/training/cider.h"
#include "model/training/ngrams.h"

enum { ORDERS = 4 };

static const double ROUGE_BETA = 1.2;

typedef struct scorer {
    const caption_dataset *dataset;
    char **candidates;                     /* [images] tokenised */
    size_t images;                         /* candidates that were copied so far, in the end all images */
    ngram_bag candidate, reference;        /* of one sentence */
    size_t *clips;                         /* [longest candidate] BLEU: the largest count in any reference */
    size_t *row;                           /* [longest reference + 1] of the LCS table */
    double matched[ORDERS], total[ORDERS]; /* BLEU: n-grams of all candidates */
} scorer;

/* ---- setting up ------------------------------------------------------------------------------------------------- */

static int copy_candidates(scorer *s, const char *const *candidates, caption_error *err)
{
    size_t images = caption_dataset_size(s->dataset);
    s->candidates = calloc(images, sizeof *s->candidates);
    for (; s->candidates && s->images < images; s->images++) {
        s->candidates[s->images] = strdup(candidates[s->images]);
        if (!s->candidates[s->images])
            break;
        vocabulary_tokenise(s->candidates[s->images]);
    }
    return s->images == images ? CAPTION_OK
                               : caption_fail(err, CAPTION_ENOMEM, "out of memory for %zu captions", images);
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static int make_scratch(scorer *s, caption_error *err)
{
    size_t candidate = 0, reference = 0;
    for (size_t i = 0; i < s->images; i++) {
        const caption_dataset_image *image = caption_dataset_at(s->dataset, i);
        for (size_t k = 0; k < image->n_captions; k++)
            reference = larger(reference, ngram_words(image->captions[k]));
        candidate = larger(candidate, ngram_words(s->candidates[i]));
    }
    int status = ngram_bag_init(&s->candidate, candidate, err);
    if (status == CAPTION_OK)
        status = ngram_bag_init(&s->reference, reference, err);
    if (status != CAPTION_OK)
        return status;
    s->clips = calloc(candidate + 1, sizeof *s->clips);
    s->row = calloc(reference + 1, sizeof *s->row);
    return s->clips && s->row ? CAPTION_OK : caption_fail(err, CAPTION_ENOMEM, "out of memory for the scores");
}

static void scorer_free(scorer *s)
{
    for (size_t i = 0; i < s->images; i++)
        free(s->candidates[i]);
    free(s->candidates);
    ngram_bag_free(&s->candidate);
    ngram_bag_free(&s->reference);
    free(s->clips);
    free(s->row);
}

static void load(ngram_bag *bag, const char *sentence, int order)
{
    bag->n = 0;
    ngram_bag_add(bag, sentence, order);
}

/* ---- BLEU ------------------------------------------------------------------------------------------------------- */

/* Raises each candidate n-gram's clip to its count in the reference. */
static void raise_clips(scorer *s)
{
    for (size_t i = 0; i < s->candidate.n; i++) {
        const ngram *same = ngram_bag_find(&s->reference, &s->candidate.grams[i]);
        if (same)
            s->clips[i] = larger(s->clips[i], same->count);
    }
}

/* What the n-grams of `order` words of image i add to the counts. */
static void count_matches(scorer *s, size_t i, int order)
{
    const caption_dataset_image *image = caption_dataset_at(s->dataset, i);
    load(&s->candidate, s->candidates[i], order);
    ngram_bag_collect(&s->candidate);
    memset(s->clips, 0, s->candidate.n * sizeof *s->clips);
    for (size_t k = 0; k < image->n_captions; k++) {
        load(&s->reference, image->captions[k], order);
        ngram_bag_collect(&s->reference);
        raise_clips(s);
    }
    for (size_t g = 0; g < s->candidate.n; g++) {
        size_t count = s->candidate.grams[g].count;
        s->total[order - 1] += (double)count;
        s->matched[order - 1] += (double)(s->clips[g] < count ? s->clips[g] : count);
    }
}

/* The length of the reference closest to `words`, the shorter of two equally close. */
static size_t closest_length(const caption_dataset_image *image, size_t words)
{
    size_t best = ngram_words(image->captions[0]);
    for (size_t k = 1; k < image->n_captions; k++) {
        size_t length = ngram_words(image->captions[k]);
        size_t away = length > words ? length - words : words - length;
        size_t best_away = best > words ? best - words : words - best;
        if (away < best_away || (away == best_away && length < best))
            best = length;
    }
    return best;
}

/* BLEU-n = min(1, e^(1 - r/c)) * (p_1 ... p_n)^(1/n), c and r the summed candidate and closest reference lengths. */
static void bleu(scorer *s, double out[ORDERS])
{
    double candidate = 0, reference = 0, product = 1;
    for (size_t i = 0; i < s->images; i++) {
        for (int order = 1; order <= ORDERS; order++)
            count_matches(s, i, order);
        size_t words = ngram_words(s->candidates[i]);
        candidate += (double)words;
        reference += (double)closest_length(caption_dataset_at(s->dataset, i), words);
    }
    double brevity = candidate == 0 ? 0 : fmin(1, exp(1 - reference / candidate));
    for (int n = 1; n <= ORDERS; n++) {
        product *= s->total[n - 1] > 0 ? s->matched[n - 1] / s->total[n - 1] : 0;
        out[n - 1] = brevity * pow(product, 1.0 / n);
    }
}

/* ---- ROUGE-L ---------------------------------------------------------------------------------------------------- */

/* The longest common subsequence of the words in s->candidate and s->reference, one row of the table at a time. */
static size_t common_subsequence(scorer *s)
{
    size_t n = s->reference.n;
    memset(s->row, 0, (n + 1) * sizeof *s->row);
    for (size_t i = 0; i < s->candidate.n; i++) {
        size_t diagonal = 0; /* the previous row's value one to the left */
        for (size_t j = 1; j <= n; j++) {
            size_t above = s->row[j];
            s->row[j] = ngram_equal(&s->candidate.grams[i], &s->reference.grams[j - 1]) ? diagonal + 1
                                                                                        : larger(above, s->row[j - 1]);
            diagonal = above;
        }
    }
    return s->row[n];
}

static double rouge_l(scorer *s, size_t i)
{
    const caption_dataset_image *image = caption_dataset_at(s->dataset, i);
    double precision = 0, recall = 0, square = ROUGE_BETA * ROUGE_BETA;
    load(&s->candidate, s->candidates[i], 1);
    if (s->candidate.n == 0)
        return 0;
    for (size_t k = 0; k < image->n_captions; k++) {
        load(&s->reference, image->captions[k], 1);
        double common = (double)common_subsequence(s);
        precision = fmax(precision, common / (double)s->candidate.n);
        recall = fmax(recall, common / (double)s->reference.n);
    }
    return recall > 0 ? (1 + square) * precision * recall / (recall + square * precision) : 0;
}

/* ---- all together ----------------------------------------------------------------------------------------------- */

/* each [images]: every image's own; may be NULL. */
static int score_cider(scorer *s, double *out, double *each, caption_error *err)
{
    cider *c = NULL;
    cider_references *references = calloc(s->images, sizeof *references);
    if (!references)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the scores");
    for (size_t i = 0; i < s->images; i++) {
        const caption_dataset_image *image = caption_dataset_at(s->dataset, i);
        references[i] = (cider_references){image->captions, image->n_captions};
    }
    int status = cider_new(&c, references, s->images, err);
    for (size_t i = 0; i < s->images && status == CAPTION_OK; i++) {
        double score = cider_score(c, i, s->candidates[i], &s->candidate);
        *out += score / (double)s->images;
        if (each)
            each[i] = score;
    }
    cider_free(c);
    free(references);
    return status;
}

static int score_all(scorer *s, caption_scores *out, double *each, caption_error *err)
{
    *out = (caption_scores){.images = s->images};
    bleu(s, out->bleu);
    for (size_t i = 0; i < s->images; i++)
        out->rouge_l += rouge_l(s, i) / (double)s->images;
    return score_cider(s, &out->cider, each, err);
}

int caption_score_each(caption_scores *out, double *each, const caption_dataset *dataset, const char *const *candidates,
                       caption_error *err)
{
    scorer s = {.dataset = dataset};
    int status = copy_candidates(&s, candidates, err);
    if (status == CAPTION_OK)
        status = make_scratch(&s, err);
    if (status == CAPTION_OK)
        status = score_all(&s, out, each, err);
    scorer_free(&s);
    return status;
}

int caption_score(caption_scores *out, const caption_dataset *dataset, const char *const *candidates,
                  caption_error *err)
{
    return caption_score_each(out, NULL, dataset, candidates, err);
}
