/* cider.c: CIDEr-D: cosine similarity of tf-idf-weighted n-grams, n = 1..4, with a penalty on length (equations:
 * cider.h). */
#include "model/training/cider.h"

#include <math.h>
#include <stdlib.h>

enum { ORDERS = 4 };

static const double SIGMA = 6, SCALE = 10;

/* A sentence's weighted n-grams of one order. */
struct vector {
    ngram_bag bag;
    double norm;
};

struct reference {
    struct vector vectors[ORDERS];
    size_t words;
};

struct cider {
    size_t images, n_references;
    size_t *first;                /* [images + 1] an image's first reference */
    struct reference *references; /* [n_references] */
    ngram *grams;                 /* the n-grams of all references */
    ngram_bag documents[ORDERS];  /* count: images that have the n-gram in a reference */
};

static void load(ngram_bag *bag, const char *sentence, int order)
{
    bag->n = 0;
    ngram_bag_add(bag, sentence, order);
    ngram_bag_collect(bag);
}

/* Gives each n-gram its weight; returns the norm of the weights. */
static double weigh(const cider *c, int order, ngram_bag *bag)
{
    double squares = 0;
    for (size_t i = 0; i < bag->n; i++) {
        ngram *gram = &bag->grams[i];
        const ngram *document = ngram_bag_find(&c->documents[order - 1], gram);
        gram->weight = (double)gram->count * log((double)c->images / (double)(document ? document->count : 1));
        squares += gram->weight * gram->weight;
    }
    return sqrt(squares);
}

/* ---- what the references say ------------------------------------------------------------------------------------ */

/* image: room for the words of all references of any image. */
static void count_documents(cider *c, const cider_references *references, int order, ngram_bag *image)
{
    ngram_bag *documents = &c->documents[order - 1];
    for (size_t i = 0; i < c->images; i++) {
        image->n = 0;
        for (size_t k = 0; k < references[i].n; k++)
            ngram_bag_add(image, references[i].captions[k], order);
        ngram_bag_collect(image);
        for (size_t k = 0; k < image->n; k++) {
            image->grams[k].count = 1;
            documents->grams[documents->n++] = image->grams[k];
        }
    }
    ngram_bag_collect(documents);
}

/* Lays the reference's n-grams of every order into `grams`; returns how many. */
static size_t fill_reference(const cider *c, struct reference *r, const char *caption, ngram *grams)
{
    size_t used = 0;
    r->words = ngram_words(caption);
    for (int order = 1; order <= ORDERS; order++) {
        struct vector *v = &r->vectors[order - 1];
        v->bag = (ngram_bag){.grams = grams + used, .capacity = r->words};
        load(&v->bag, caption, order);
        v->norm = weigh(c, order, &v->bag);
        used += v->bag.n;
    }
    return used;
}

static void fill(cider *c, const cider_references *references, ngram_bag *image)
{
    size_t used = 0, n = 0;
    for (int order = 1; order <= ORDERS; order++)
        count_documents(c, references, order, image);
    for (size_t i = 0; i < c->images; i++) {
        c->first[i] = n;
        for (size_t k = 0; k < references[i].n; k++)
            used += fill_reference(c, &c->references[n++], references[i].captions[k], c->grams + used);
    }
    c->first[c->images] = n;
}

/* Everything is sized by the words of the references: an order has no more n-grams than that. */
static int allocate(cider *c, const cider_references *references, ngram_bag *image, caption_error *err)
{
    size_t words = 0, most = 0;
    for (size_t i = 0; i < c->images; i++) {
        size_t here = 0;
        for (size_t k = 0; k < references[i].n; k++)
            here += ngram_words(references[i].captions[k]);
        words += here;
        most = here > most ? here : most;
        c->n_references += references[i].n;
    }
    int status = ngram_bag_init(image, most, err);
    for (int order = 1; order <= ORDERS && status == CAPTION_OK; order++)
        status = ngram_bag_init(&c->documents[order - 1], words, err);
    c->first = calloc(c->images + 1, sizeof *c->first);
    c->references = calloc(c->n_references + 1, sizeof *c->references);
    c->grams = calloc(ORDERS * words + 1, sizeof *c->grams);
    if (status == CAPTION_OK && (!c->first || !c->references || !c->grams))
        status = caption_fail(err, CAPTION_ENOMEM, "out of memory for %zu references", c->n_references);
    return status;
}

int cider_new(cider **out, const cider_references *references, size_t images, caption_error *err)
{
    *out = NULL;
    ngram_bag image = {0};
    cider *c = calloc(1, sizeof *c);
    if (!c)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for the references of %zu images", images);
    c->images = images;
    int status = allocate(c, references, &image, err);
    if (status == CAPTION_OK) {
        fill(c, references, &image);
        *out = c;
    } else {
        cider_free(c);
    }
    ngram_bag_free(&image);
    return status;
}

void cider_free(cider *c)
{
    if (!c)
        return;
    for (int order = 1; order <= ORDERS; order++)
        ngram_bag_free(&c->documents[order - 1]);
    free(c->first);
    free(c->references);
    free(c->grams);
    free(c);
}

/* ---- a candidate against them ----------------------------------------------------------------------------------- */

/* sum over n-grams of min(candidate, reference) * reference: clipped, so that repeating a rare word gains nothing. */
static double clipped_product(const ngram_bag *candidate, const ngram_bag *reference)
{
    double sum = 0;
    for (size_t i = 0; i < candidate->n; i++) {
        const ngram *same = ngram_bag_find(reference, &candidate->grams[i]);
        if (same)
            sum += fmin(candidate->grams[i].weight, same->weight) * same->weight;
    }
    return sum;
}

static double length_penalty(size_t candidate, size_t reference)
{
    double difference = (double)candidate - (double)reference;
    return exp(-difference * difference / (2 * SIGMA * SIGMA));
}

double cider_score(const cider *c, size_t i, const char *candidate, ngram_bag *scratch)
{
    double sum = 0;
    size_t words = ngram_words(candidate);
    for (int order = 1; order <= ORDERS; order++) {
        load(scratch, candidate, order);
        double norm = weigh(c, order, scratch);
        for (size_t k = c->first[i]; k < c->first[i + 1]; k++) {
            const struct vector *v = &c->references[k].vectors[order - 1];
            if (norm * v->norm > 0)
                sum += length_penalty(words, c->references[k].words) * clipped_product(scratch, &v->bag) /
                       (norm * v->norm);
        }
    }
    return SCALE * sum / ORDERS / (double)(c->first[i + 1] - c->first[i]);
}
