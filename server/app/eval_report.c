/* eval_report.c: counts what `captiond eval` tells besides scores: lengths, distinct words, repetitions
 * (eval_report.h). */
#include "server/app/eval_report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/score.h"
#include "server/store/caption_file.h"

static int compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void count_faults(eval_report *r, const char *caption)
{
    unsigned faults = caption_faults(caption);
    r->repeated_word += (faults & CAPTION_FAULT_WORD) != 0;
    r->repeated_phrase += (faults & CAPTION_FAULT_PHRASE) != 0;
    r->unfinished += (faults & CAPTION_FAULT_UNFINISHED) != 0;
    r->unknown_word += (faults & CAPTION_FAULT_UNKNOWN) != 0;
    r->faulty += faults != 0;
}

/* Cuts `text` into words; adds them to words and returns the new count. */
static size_t cut(char *text, const char **words, size_t n)
{
    char *rest;
    for (char *word = strtok_r(text, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        words[n++] = word;
    return n;
}

static int count_words(eval_report *r, const char *const *captions, size_t n, caption_error *err)
{
    size_t bytes = 1;
    for (size_t i = 0; i < n; i++)
        bytes += strlen(captions[i]) + 1;
    char *text = malloc(bytes), *end = text;
    const char **words = malloc(bytes * sizeof *words); /* at least as many as words */
    if (text && words) {
        *text = '\0';
        for (size_t i = 0; i < n; i++)
            end += sprintf(end, "%s ", captions[i]);
        r->words = cut(text, words, 0);
        qsort(words, r->words, sizeof *words, compare);
        for (size_t i = 0; i < r->words; i++)
            r->vocabulary += i == 0 || strcmp(words[i], words[i - 1]) != 0;
    }
    int status = text && words ? CAPTION_OK : caption_fail(err, CAPTION_ENOMEM, "out of memory");
    free(text);
    free(words);
    return status;
}

static int count_copies(eval_report *r, const char *const *captions, size_t n, const caption_dataset *training,
                        caption_error *err)
{
    size_t total = caption_dataset_captions(training), k = 0;
    const char **sorted = malloc(total * sizeof *sorted);
    if (!sorted)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory");
    for (size_t i = 0; i < caption_dataset_size(training); i++) {
        const caption_dataset_image *image = caption_dataset_at(training, i);
        for (size_t c = 0; c < image->n_captions; c++)
            sorted[k++] = image->captions[c];
    }
    qsort(sorted, total, sizeof *sorted, compare);
    for (size_t i = 0; i < n; i++)
        r->copies += bsearch(&captions[i], sorted, total, sizeof *sorted, compare) != NULL;
    free(sorted);
    return CAPTION_OK;
}

int eval_report_make(eval_report *out, const char *const *captions, size_t n, const char *training, caption_error *err)
{
    caption_dataset *learnt = NULL;
    *out = (eval_report){.has_training = training != NULL};
    for (size_t i = 0; i < n; i++)
        count_faults(out, captions[i]);
    int status = count_words(out, captions, n, err);
    if (status == CAPTION_OK && training)
        status = caption_file_open(&learnt, NULL, training, CAPTION_PART_TRAIN, NULL, err);
    if (status == CAPTION_OK && training)
        status = count_copies(out, captions, n, learnt, err);
    caption_dataset_free(learnt);
    return status;
}

static void print_faults(FILE *file, unsigned faults)
{
    static const char *const names[] = {"repeated_word", "repeated_phrase", "unfinished", "unknown_word"};
    const char *comma = "";
    for (int bit = 0; bit < 4; bit++)
        if (faults >> bit & 1) {
            fprintf(file, "%s%s", comma, names[bit]);
            comma = ",";
        }
    fputs(faults ? "\n" : "-\n", file);
}

int eval_report_tsv(const char *path, const caption_dataset *dataset, const char *const *captions, const double *cider,
                    const float *confidence, caption_error *err)
{
    FILE *file = fopen(path, "w");
    if (!file)
        return caption_fail(err, CAPTION_EIO, "%s cannot be written", path);
    for (size_t i = 0; i < caption_dataset_size(dataset); i++) {
        fprintf(file, "%s\t%s\t%.6f\t%.4f\t", caption_dataset_at(dataset, i)->file, captions[i], cider[i],
                (double)confidence[i]);
        print_faults(file, caption_faults(captions[i]));
    }
    int failed = ferror(file);
    failed |= fclose(file) != 0;
    return failed ? caption_fail(err, CAPTION_EIO, "%s cannot be written", path) : CAPTION_OK;
}
