/* confidence.h: how many of a caption's content words are probably true.
 *
 *     p_word     = sigmoid(w . x),  x = (1, log-probability of the word, 1 if it is a concept, logit of its probability
 *                                       in the image if so, mean log-probability of the caption's words)
 *     confidence = mean of p_word over the different content words of the caption
 *
 * A content word is one that says something of the image, not "a" or "with"; it is true if one of the people who
 * described the image used it. The weights are fitted on such descriptions (training/calibrate.h) and lie in the
 * model's metadata, as "confidence"; a model without them has the mean probability of its words, e^(mean log p). */
#ifndef CAPTION_CONFIDENCE_H
#define CAPTION_CONFIDENCE_H

#include "model/caption.h"

enum { CONFIDENCE_WEIGHTS = 5 };

typedef struct confidence {
    int fitted; /* 0: the weights mean nothing */
    double w[CONFIDENCE_WEIGHTS];
} confidence;

/* Does the word say something of the image? */
int confidence_is_content(const char *word);

/* x of the t-th word of a caption. */
void confidence_evidence(const caption_result *result, int t, double x[CONFIDENCE_WEIGHTS]);

/* Of a caption whose tokens are filled: 0 to 1; 0 for one without content words. */
float confidence_of(const confidence *c, const caption_result *result);

/* The form kept in metadata: numbers separated by spaces. */
enum { CONFIDENCE_TEXT = 128 };
void confidence_print(const confidence *c, char text[CONFIDENCE_TEXT]);
int confidence_parse(confidence *c, const char *text); /* 0 if it is not one */

#endif
