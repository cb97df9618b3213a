/* safetensors_text.h: reads the text of a safetensors header: the small, fixed part of JSON that the format uses.
 *
 * Strings (with escapes), unsigned integers, flat lists of those, and objects; no numbers with signs or fractions, no
 * literals, no free nesting: a callback says what stands in each object, so depth is bounded by the code, not by the
 * file. Every step is bounds-checked; a failure names the file, the byte and the reason. */
#ifndef CAPTION_SAFETENSORS_TEXT_H
#define CAPTION_SAFETENSORS_TEXT_H

#include <stddef.h>

#include "model/error.h"

typedef struct text_reader {
    const char *path;
    const unsigned char *start, *at, *end;
    char *strings; /* where the next decoded string goes; decoding never lengthens, so end - start bytes are enough */
    caption_error *err;
} text_reader;

/* Fails with the reader's file and position. */
int text_fail(text_reader *text, const char *reason);

/* Skips white space and returns the next byte, or -1 at the end. */
int text_peek(text_reader *text);

/* Takes the byte `wanted`, after white space. */
int text_expect(text_reader *text, char wanted);

/* A string, decoded and NUL-terminated in the reader's string memory; UTF-8 if the text is, which the caller checks. */
int text_string(text_reader *text, const char **out);

/* [a, b, ...] of at most `max` unsigned integers. */
int text_list(text_reader *text, size_t *out, int max, int *count);

/* {"key": value, ...}: calls `member` with the reader standing at each value. */
int text_object(text_reader *text, int (*member)(text_reader *text, const char *key, void *context), void *context);

#endif
