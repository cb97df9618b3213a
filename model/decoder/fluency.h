/* fluency.h: what keeps a caption reading like a sentence: which words may come next.
 *
 *     1. no word twice, but for those that sentences need again and again (articles, prepositions, ...), and none of
 *        these twice in a row
 *     2. no phrase twice: no two words in the same order
 *     3. no end before the first word, or behind a word that ends no sentence (articles, "with", "is", ...), and no
 *        such word in the last place there is room for; nor where a thing is described and missing ("in a
 *        red and white", "in a fenced")
 *
 * Which words those are is a list of English; where the vocabulary is not English, all words may stand again, though
 * not twice in a row, and all may end. */
#ifndef CAPTION_FLUENCY_H
#define CAPTION_FLUENCY_H

#include "model/decoder/vocabulary.h"

enum fluency_word {
    FLUENCY_REPEATS = 1, /* may stand again */
    FLUENCY_DANGLES = 2, /* ends no sentence */
    FLUENCY_ARTICLE = 4,
    FLUENCY_DESCRIBES = 8, /* a thing to come */
    FLUENCY_JOINS = 16,    /* "and" */
};

/* flags [V]: what of fluency_word holds for each word. */
void fluency_flags(const vocabulary *words, unsigned char *flags);

/* May a caption of these n words end there? */
int fluency_may_end(const unsigned char *flags, const int *written, int n);

/* Sets the scores [V] of the words that must not follow the n words written so far to -INFINITY, <END> among them,
 * where there is room for `room` more. */
void fluency_forbid(const unsigned char *flags, int size, const int *written, int n, int room, float *scores);

#endif
