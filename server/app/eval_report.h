/* eval_report.h: what `captiond eval` says of captions besides their scores. */
#ifndef SERVER_EVAL_REPORT_H
#define SERVER_EVAL_REPORT_H

#include <stddef.h>

#include "model/dataset.h"

typedef struct eval_report {
    size_t words, vocabulary;                                        /* of all captions; different ones */
    int has_training;                                                /* were training captions given? */
    size_t copies;                                                   /* captions that equal one of them */
    size_t repeated_word, repeated_phrase, unfinished, unknown_word; /* captions with that fault (score.h) */
    size_t faulty;                                                   /* captions with any */
} eval_report;

/* training: a TSV whose captions are compared with; NULL: none. */
int eval_report_make(eval_report *out, const char *const *captions, size_t n, const char *training, caption_error *err);

/* Writes a line for each image: file, caption, CIDEr, confidence, its faults separated by commas ("-": none). */
int eval_report_tsv(const char *path, const caption_dataset *dataset, const char *const *captions, const double *cider,
                    const float *confidence, caption_error *err);

#endif
