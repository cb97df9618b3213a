/* texts.h: captions without images, one a line of a text file: what the language half of a captioner can learn from.
 *
 * Read whole and tokenised (vocabulary.h); lines without a word are left out. A line that is not UTF-8 is refused by
 * number. Immutable once read. */
#ifndef CAPTION_TEXTS_H
#define CAPTION_TEXTS_H

#include <stddef.h>

#include "model/error.h"

typedef struct caption_texts {
    char *bytes;       /* the file, cut into strings */
    const char **line; /* [n] */
    size_t n;
} caption_texts;

int texts_open(caption_texts *out, const char *path, caption_error *err);
void texts_close(caption_texts *texts); /* also of a zeroed one */

#endif
