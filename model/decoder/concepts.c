/* concepts.c: probabilities of the concepts of an image, and the most probable of them. */
#include "model/decoder/concepts.h"

#include <stddef.h>

#include "model/layers/multilabel.h"

void concepts_infer(const concept_head *head, int features, int images, const float *x, float *p)
{
    multilabel_forward_f(images, features, head->n, x, head->weights, concept_bias(head, features), p);
}

/* Insertion into a short sorted list. */
static void rank(int n, const float *p, int k, int *tags)
{
    int kept = 0;
    for (int c = 0; c < n; c++) {
        if (kept == k && p[c] <= p[tags[k - 1]])
            continue;
        int at = kept < k ? kept++ : k - 1;
        for (; at > 0 && p[c] > p[tags[at - 1]]; at--)
            tags[at] = tags[at - 1];
        tags[at] = c;
    }
}

void concepts_rank(int images, int n, const float *p, int k, int *tags)
{
    for (int i = 0; i < images; i++)
        rank(n, p + (size_t)i * (size_t)n, k, tags + (size_t)i * (size_t)k);
}
