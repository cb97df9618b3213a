/* confidence.c: the evidence for each content word of a caption, and the mean of what it adds up to. */
#include "model/decoder/confidence.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* English words that join others or say where a thing is. */
static const char *const empty[] = {"a",  "an", "the", "of",  "in",  "on",  "with", "and",   "is",   "are",
                                    "to", "at", "by",  "its", "his", "her", "next", "while", "front"};

static const double MAX_LOGIT = 7;

int confidence_is_content(const char *word)
{
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++)
        if (strcmp(word, empty[i]) == 0)
            return 0;
    return 1;
}

static double mean_logprob(const caption_result *result)
{
    double sum = 0;
    for (int t = 0; t < result->words; t++)
        sum += (double)result->tokens[t].logprob;
    return result->words ? sum / result->words : 0;
}

void confidence_evidence(const caption_result *result, int t, double x[CONFIDENCE_WEIGHTS])
{
    const caption_token *token = &result->tokens[t];
    const double p = (double)token->concept;
    x[0] = 1;
    x[1] = (double)token->logprob;
    x[2] = p >= 0;
    x[3] = p >= 0 ? fmin(fmax(log(p / (1 - p)), -MAX_LOGIT), MAX_LOGIT) : 0;
    x[4] = mean_logprob(result);
}

static double probability(const confidence *c, const caption_result *result, int t)
{
    double x[CONFIDENCE_WEIGHTS], sum = 0;
    confidence_evidence(result, t, x);
    for (int i = 0; i < CONFIDENCE_WEIGHTS; i++)
        sum += c->w[i] * x[i];
    return 1 / (1 + exp(-sum));
}

static int stood_before(const caption_result *result, int t)
{
    for (int i = 0; i < t; i++)
        if (strcmp(result->tokens[i].word, result->tokens[t].word) == 0)
            return 1;
    return 0;
}

float confidence_of(const confidence *c, const caption_result *result)
{
    double sum = 0;
    int n = 0;
    for (int t = 0; t < result->words; t++) {
        if (!confidence_is_content(result->tokens[t].word) || stood_before(result, t))
            continue;
        sum += c->fitted ? probability(c, result, t) : exp(mean_logprob(result));
        n++;
    }
    return n ? (float)(sum / n) : 0;
}

void confidence_print(const confidence *c, char text[CONFIDENCE_TEXT])
{
    int used = 0;
    for (int i = 0; i < CONFIDENCE_WEIGHTS; i++)
        used += snprintf(text + used, (size_t)(CONFIDENCE_TEXT - used), "%s%.6g", i ? " " : "", c->w[i]);
}

int confidence_parse(confidence *c, const char *text)
{
    char *end = NULL;
    for (int i = 0; i < CONFIDENCE_WEIGHTS; i++, text = end) {
        c->w[i] = strtod(text, &end);
        if (end == text || !isfinite(c->w[i]) || fabs(c->w[i]) > 1e6)
            return 0;
    }
    c->fitted = *end == '\0';
    return c->fitted;
}
