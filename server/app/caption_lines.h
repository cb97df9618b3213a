/* caption_lines.h: how `captiond caption` tells what it found: one line a photo.
 *
 *     tsv    FILE<TAB>caption, a line for each caption; with log-probabilities two columns more. A photo that failed is
 *            FILE<TAB><TAB>what is wrong. Backslash, tab and line breaks in a name are \\ \t \n \r
 *     csv    RFC 4180, with a head: file,caption,error; with log-probabilities file,caption,logprob,words,error
 *     jsonl  {"file": ..., "caption": ..., "logprob": ...} or {"file": ..., "error": ...}; several captions are also in
 *            "captions". A byte of a name that is not UTF-8 is \udcXX, as Python has it
 *
 * The name comes first in each, and can be read back. */
#ifndef SERVER_CAPTION_LINES_H
#define SERVER_CAPTION_LINES_H

#include <stdio.h>

#include "model/caption.h"

#define CAPTION_LINES_CHOICES "tsv|csv|jsonl"

typedef enum caption_lines_format { CAPTION_LINES_TSV, CAPTION_LINES_CSV, CAPTION_LINES_JSONL } caption_lines_format;

/* The format of a choice. */
caption_lines_format caption_lines_parse(const char *choice);

typedef struct caption_lines {
    caption_lines_format format;
    int logprobs, concepts; /* 1: they are told, too */
} caption_lines;

/* What stands before all lines, if anything. */
void caption_lines_head(const caption_lines *lines, FILE *out);

/* results [n]; those without words (logprob -INFINITY) are left out. */
void caption_lines_result(const caption_lines *lines, FILE *out, const char *name, int n,
                          const caption_result *results);

void caption_lines_error(const caption_lines *lines, FILE *out, const char *name, const char *message);

/* Behind the line that begins at `text`; NULL: its end is not among the `size` bytes. */
const char *caption_lines_end(const caption_lines *lines, const char *text, size_t size);

/* The name in a whole line, "" in the head; NULL: it is no line of this format, or there is no memory. The caller
 * frees. */
char *caption_lines_name(const caption_lines *lines, const char *line, const char *end);

#endif
