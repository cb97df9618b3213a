/* vocabulary.h: words <-> ids, and the one rule by which text becomes words.
 *
 * Four ids are fixed: 0 <NULL> (padding, masked in the loss), 1 <START>, 2 <END>, 3 <UNK>. Then follow the words seen
 * at least `minimum count` times in the training captions, most frequent first, ties in byte order: the same captions
 * give the same ids. Tokenising: split at white space, lower-case ASCII, keep letters and digits of each token (bytes
 * >= 0x80 of valid UTF-8 are letters), drop what is then empty. Immutable once made, so it may be shared.
 *
 * A word of more than VOCABULARY_WORD_BYTES is no word: it never enters, so that a caption of CAPTION_MAX_WORDS always
 * fits in CAPTION_TEXT_BYTES. */
#ifndef CAPTION_VOCABULARY_H
#define CAPTION_VOCABULARY_H

#include <stddef.h>

#include "model/error.h"

enum { VOCABULARY_NULL, VOCABULARY_START, VOCABULARY_END, VOCABULARY_UNK, VOCABULARY_SPECIALS };

enum { VOCABULARY_WORD_BYTES = 31 };

typedef struct vocabulary vocabulary;

/* Rewrites `text` in place as its tokens, separated by single spaces; returns the number of tokens. */
int vocabulary_tokenise(char *text);

/* Counts the words of `captions` (already tokenised). The caller frees *out. */
int vocabulary_build(vocabulary **out, const char *const *captions, size_t n, int minimum_count, caption_error *err);

/* The words of `base` under their ids, then those it lacks, as vocabulary_build would order them. */
int vocabulary_extend(vocabulary **out, const vocabulary *base, const char *const *captions, size_t n,
                      int minimum_count, caption_error *err);

/* The first `size` words of `v`, specials included, under their ids; all of them if there are no more. */
int vocabulary_cut(vocabulary **out, const vocabulary *v, int size, caption_error *err);

/* The form kept in a model file's metadata: words separated by '\n', specials included. Refuses duplicates, empty,
 * overlong or unprintable words and wrong specials. */
int vocabulary_parse(vocabulary **out, const char *joined, caption_error *err);
char *vocabulary_join(const vocabulary *v); /* malloc'd; NULL when out of memory */

void vocabulary_free(vocabulary *v); /* NULL is allowed */

int vocabulary_size(const vocabulary *v);
const char *vocabulary_word(const vocabulary *v, int id); /* lives as long as v */

/* The id of a word of `length` bytes, or VOCABULARY_UNK. */
int vocabulary_id(const vocabulary *v, const char *word, size_t length);

/* Ids of a tokenised caption, at most `max` of them, without START and END; returns how many. */
int vocabulary_encode(const vocabulary *v, const char *caption, int *ids, int max);

#endif
