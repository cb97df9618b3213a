/* ngrams.h: counting the n-grams of tokenised sentences.
 *
 * Tokens are separated by single spaces (vocabulary.h), so an n-gram is simply a stretch of the sentence's own bytes:
 * nothing is copied and no word needs an id. A bag is a sorted array that its owner sizes once. */
#ifndef CAPTION_NGRAMS_H
#define CAPTION_NGRAMS_H

#include <stddef.h>

#include "model/error.h"

typedef struct ngram {
    const char *text; /* inside its sentence, not terminated */
    size_t length;    /* bytes */
    size_t count;
    double weight; /* for the bag's owner */
} ngram;

typedef struct ngram_bag {
    ngram *grams;
    size_t n, capacity;
} ngram_bag;

int ngram_bag_init(ngram_bag *bag, size_t capacity, caption_error *err);
void ngram_bag_free(ngram_bag *bag);

/* The words of a sentence, which are also the most n-grams of any order that it has. */
size_t ngram_words(const char *sentence);

/* Appends the n-grams of `order` words, in the order of the sentence, each with count 1. The bag must have room. */
void ngram_bag_add(ngram_bag *bag, const char *sentence, int order);

/* Sorts, and merges equal n-grams into one with the sum of their counts. */
void ngram_bag_collect(ngram_bag *bag);

/* The gram of a collected bag that has the same text, or NULL. */
const ngram *ngram_bag_find(const ngram_bag *bag, const ngram *gram);

int ngram_equal(const ngram *a, const ngram *b);

#endif
