/* concepts.h: which words apply to an image: a multi-label head (layers/multilabel.h) over the encoder's features.
 *
 *     p = sigmoid(features W + b)         (I,D)(D,C)         a probability for each of C words of the vocabulary
 *
 * All probabilities enter h0, and the decoder may attend to the most probable concepts (decoder.h). The head is
 * fitted before the decoder learns (training/fit_concepts.h) and stays as it is then; it lies in the model's file. */
#ifndef CAPTION_CONCEPTS_H
#define CAPTION_CONCEPTS_H

typedef struct concept_head {
    int n;          /* C; 0: there is none */
    int *words;     /* [C] vocabulary ids */
    float *weights; /* [D, C], then b [C] */
} concept_head;

static inline float *concept_bias(const concept_head *head, int features)
{
    return head->weights + (long)features * head->n;
}

/* p [images, C] of features [images, D]. */
void concepts_infer(const concept_head *head, int features, int images, const float *x, float *p);

/* The k most probable of n concepts for each image, the most probable first: tags [images, k]; equal ones in their
 * order. k <= n. */
void concepts_rank(int images, int n, const float *p, int k, int *tags);

#endif
