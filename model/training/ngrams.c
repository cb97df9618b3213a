/* ngrams.c: counts n-grams as stretches of the sentence, sorted (ngrams.h). */
#include "model/training/ngrams.h"

#include <stdlib.h>
#include <string.h>

/* Any total order serves; comparing lengths first settles most pairs without touching the text. */
static int compare(const void *a, const void *b)
{
    const ngram *x = a, *y = b;
    if (x->length != y->length)
        return x->length < y->length ? -1 : 1;
    return memcmp(x->text, y->text, x->length);
}

int ngram_equal(const ngram *a, const ngram *b)
{
    return compare(a, b) == 0;
}

int ngram_bag_init(ngram_bag *bag, size_t capacity, caption_error *err)
{
    *bag = (ngram_bag){.grams = calloc(capacity + 1, sizeof *bag->grams), .capacity = capacity};
    return bag->grams ? CAPTION_OK : caption_fail(err, CAPTION_ENOMEM, "out of memory for %zu n-grams", capacity);
}

void ngram_bag_free(ngram_bag *bag)
{
    free(bag->grams);
    *bag = (ngram_bag){0};
}

size_t ngram_words(const char *sentence)
{
    size_t words = *sentence != '\0';
    for (; *sentence; sentence++)
        words += *sentence == ' ';
    return words;
}

static const char *word_end(const char *word)
{
    return word + strcspn(word, " ");
}

void ngram_bag_add(ngram_bag *bag, const char *sentence, int order)
{
    const char *start = sentence, *end = word_end(start);
    for (int words = 1; words < order; words++) {
        if (!*end)
            return;
        end = word_end(end + 1);
    }
    while (end > start) {
        bag->grams[bag->n++] = (ngram){.text = start, .length = (size_t)(end - start), .count = 1};
        if (!*end)
            return;
        start = word_end(start) + 1;
        end = word_end(end + 1);
    }
}

void ngram_bag_collect(ngram_bag *bag)
{
    if (bag->n == 0)
        return;
    qsort(bag->grams, bag->n, sizeof *bag->grams, compare);
    size_t kept = 0;
    for (size_t i = 1; i < bag->n; i++) {
        if (compare(&bag->grams[kept], &bag->grams[i]) == 0)
            bag->grams[kept].count += bag->grams[i].count;
        else
            bag->grams[++kept] = bag->grams[i];
    }
    bag->n = kept + 1;
}

const ngram *ngram_bag_find(const ngram_bag *bag, const ngram *gram)
{
    return bsearch(gram, bag->grams, bag->n, sizeof *bag->grams, compare);
}
