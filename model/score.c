/* score.c: BLEU, ROUGE-L and CIDEr-D, as coco-caption defines them.
 *
 * The scorer goes through the set once for each n-gram order, because CIDEr's document frequencies are then one table
 * at a time; BLEU's counts are taken on the way. All scratch is sized beforehand from the longest sentence. */
#include "model/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/ngrams.h"
#include "model/vocabulary.h"

enum { ORDERS = 4 };

static const double CIDER_SIGMA = 6, CIDER_SCALE = 10, ROUGE_BETA = 1.2;

typedef struct scorer {
    const caption_dataset *dataset;
    char **candidates;                     /* [images] tokenised */
    size_t images;                         /* candidates that were copied so far, in the end all images */
    ngram_bag candidate, reference;        /* of one sentence */
    ngram_bag image;                       /* of all references of one image */
    ngram_bag documents;                   /* count: images with that n-gram among their references */
    size_t *clips;                         /* [longest candidate] BLEU: the largest count in any reference */
    size_t *row;                           /* [longest reference + 1] of the LCS table */
    double matched[ORDERS], total[ORDERS]; /* BLEU: n-grams of all candidates */
    double cider;                          /* sum over images and orders */
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
    size_t candidate = 0, reference = 0, image = 0, all = 0;
    for (size_t i = 0; i < s->images; i++) {
        const caption_dataset_image *x = caption_dataset_at(s->dataset, i);
        size_t words = 0;
        for (size_t k = 0; k < x->n_captions; k++) {
            reference = larger(reference, ngram_words(x->captions[k]));
            words += ngram_words(x->captions[k]);
        }
        candidate = larger(candidate, ngram_words(s->candidates[i]));
        image = larger(image, words);
        all += words;
    }
    int status = CAPTION_OK;
    if ((status = ngram_bag_init(&s->candidate, candidate, err)) ||
        (status = ngram_bag_init(&s->reference, reference, err)) || (status = ngram_bag_init(&s->image, image, err)) ||
        (status = ngram_bag_init(&s->documents, all, err)))
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
    ngram_bag_free(&s->image);
    ngram_bag_free(&s->documents);
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

static void count_matches(scorer *s, int order)
{
    for (size_t i = 0; i < s->candidate.n; i++) {
        size_t count = s->candidate.grams[i].count;
        s->total[order - 1] += (double)count;
        s->matched[order - 1] += (double)(s->clips[i] < count ? s->clips[i] : count);
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
static void bleu(const scorer *s, double out[ORDERS])
{
    double candidate = 0, reference = 0, product = 1;
    for (size_t i = 0; i < s->images; i++) {
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

/* ---- CIDEr-D ---------------------------------------------------------------------------------------------------- */

/* s->documents: every n-gram of the references with the number of images it occurs in. */
static void count_documents(scorer *s, int order)
{
    s->documents.n = 0;
    for (size_t i = 0; i < s->images; i++) {
        const caption_dataset_image *image = caption_dataset_at(s->dataset, i);
        s->image.n = 0;
        for (size_t k = 0; k < image->n_captions; k++)
            ngram_bag_add(&s->image, image->captions[k], order);
        ngram_bag_collect(&s->image);
        for (size_t k = 0; k < s->image.n; k++) {
            s->image.grams[k].count = 1;
            s->documents.grams[s->documents.n++] = s->image.grams[k];
        }
    }
    ngram_bag_collect(&s->documents);
}

/* Gives each n-gram its TF-IDF weight, count * log(images / max(1, documents)); returns the norm of the weights. */
static double weigh(const scorer *s, ngram_bag *bag)
{
    double squares = 0;
    for (size_t i = 0; i < bag->n; i++) {
        ngram *gram = &bag->grams[i];
        const ngram *document = ngram_bag_find(&s->documents, gram);
        gram->weight = (double)gram->count * log((double)s->images / (double)(document ? document->count : 1));
        squares += gram->weight * gram->weight;
    }
    return sqrt(squares);
}

/* sum over n-grams of min(candidate, reference) * reference: clipped, so that repeating a rare word gains nothing. */
static double clipped_product(const scorer *s)
{
    double sum = 0;
    for (size_t i = 0; i < s->candidate.n; i++) {
        const ngram *same = ngram_bag_find(&s->reference, &s->candidate.grams[i]);
        if (same)
            sum += fmin(s->candidate.grams[i].weight, same->weight) * same->weight;
    }
    return sum;
}

static double length_penalty(const char *candidate, const char *reference)
{
    double difference = (double)ngram_words(candidate) - (double)ngram_words(reference);
    return exp(-difference * difference / (2 * CIDER_SIGMA * CIDER_SIGMA));
}

/* ---- all together ----------------------------------------------------------------------------------------------- */

/* What n-grams of `order` words of image i add to BLEU's counts and to CIDEr. */
static void score_order(scorer *s, size_t i, int order)
{
    const caption_dataset_image *image = caption_dataset_at(s->dataset, i);
    double similarity = 0;
    load(&s->candidate, s->candidates[i], order);
    ngram_bag_collect(&s->candidate);
    memset(s->clips, 0, s->candidate.n * sizeof *s->clips);
    double norm = weigh(s, &s->candidate);
    for (size_t k = 0; k < image->n_captions; k++) {
        load(&s->reference, image->captions[k], order);
        ngram_bag_collect(&s->reference);
        raise_clips(s);
        double norms = norm * weigh(s, &s->reference);
        if (norms > 0)
            similarity += length_penalty(s->candidates[i], image->captions[k]) * clipped_product(s) / norms;
    }
    count_matches(s, order);
    s->cider += similarity / (double)image->n_captions;
}

static void score_all(scorer *s, caption_scores *out)
{
    *out = (caption_scores){.images = s->images};
    for (int order = 1; order <= ORDERS; order++) {
        count_documents(s, order);
        for (size_t i = 0; i < s->images; i++)
            score_order(s, i, order);
    }
    for (size_t i = 0; i < s->images; i++)
        out->rouge_l += rouge_l(s, i) / (double)s->images;
    out->cider = CIDER_SCALE * s->cider / ORDERS / (double)s->images;
    bleu(s, out->bleu);
}

int caption_score(caption_scores *out, const caption_dataset *dataset, const char *const *candidates,
                  caption_error *err)
{
    scorer s = {.dataset = dataset};
    int status = copy_candidates(&s, candidates, err);
    if (status == CAPTION_OK)
        status = make_scratch(&s, err);
    if (status == CAPTION_OK)
        score_all(&s, out);
    scorer_free(&s);
    return status;
}
