/* search_sample.c: drawing a word by its probability: temperature, then top-k, then top-p. */
#include <math.h>

#include "model/decoder/search.h"
#include "model/kernels/activation.h"

size_t sampler_scratch(int words)
{
    return arena_slice((size_t)words, sizeof(float)) + arena_slice((size_t)words, sizeof(int));
}

sampler sampler_take(const caption_options *options, int words, arena *scratch)
{
    return (sampler){.temperature = options->temperature,
                     .top_p = options->top_p,
                     .top_k = options->top_k,
                     .weight = arena_take(scratch, (size_t)words, sizeof(float)),
                     .order = arena_take(scratch, (size_t)words, sizeof(int))};
}

/* ---- the most probable words first: a heap that gives up only as many as are asked for ------------------------------
 */

/* Of equal words the one with the smaller id, so that draws do not depend on the order of the heap. */
static int comes_before(const float *weight, int a, int b)
{
    return weight[a] != weight[b] ? weight[a] > weight[b] : a < b;
}

static void sift_down(const float *weight, int *heap, int n, int i)
{
    for (int child; (child = 2 * i + 1) < n; i = child) {
        child += child + 1 < n && comes_before(weight, heap[child + 1], heap[child]);
        if (!comes_before(weight, heap[child], heap[i]))
            return;
        int word = heap[i];
        heap[i] = heap[child];
        heap[child] = word;
    }
}

/* Moves the top of a heap of n behind its end, heap[n - 1], and returns it. */
static int pop(const float *weight, int *heap, int n)
{
    int top = heap[0];
    heap[0] = heap[n - 1];
    heap[n - 1] = top;
    sift_down(weight, heap, n - 1, 0);
    return top;
}

/* ---- drawing --------------------------------------------------------------------------------------------------------
 */

/* weight becomes e^(score / temperature), scaled to sum to 1; order the n words whose score is not -INFINITY. */
static int weigh(const sampler *s, int n, const float *scores)
{
    int words = 0;
    float largest = -INFINITY;
    for (int v = 0; v < n; v++)
        largest = scores[v] > largest ? scores[v] : largest;
    for (int v = 0; v < n; v++) {
        s->weight[v] = (float)((scores[v] - largest) / s->temperature);
        if (scores[v] > -INFINITY)
            s->order[words++] = v;
    }
    if (words > 0)
        vector_softmax_f((size_t)n, s->weight);
    return words;
}

static double sum_of(const sampler *s, const int *words, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += (double)s->weight[words[i]];
    return sum;
}

/* Leaves the top_k and top_p of the n words in order; they begin at the returned pointer, *n of them. */
static const int *narrow(const sampler *s, int *n)
{
    int *heap = s->order, all = *n, most = s->top_k > 0 && s->top_k < all ? s->top_k : all, kept = 0;
    double sum = 0, wanted;
    if (most == all && s->top_p >= 1)
        return heap;
    for (int i = all / 2 - 1; i >= 0; i--)
        sift_down(s->weight, heap, all, i);
    if (most < all) { /* top_p is a share of what top_k leaves */
        for (; kept < most; kept++)
            sum += (double)s->weight[pop(s->weight, heap, all - kept)];
        wanted = s->top_p * sum;
        for (sum = 0, *n = 0; *n < most && (*n == 0 || sum < wanted); ++*n)
            sum += (double)s->weight[heap[all - 1 - *n]];
    } else {
        wanted = s->top_p * sum_of(s, heap, all);
        for (*n = 0; *n < all && (*n == 0 || sum < wanted); ++*n)
            sum += (double)s->weight[pop(s->weight, heap, all - *n)];
    }
    return heap + all - *n;
}

int sampler_draw(const sampler *s, int n, const float *scores, random_stream *random)
{
    double draw = random_uniform(random);
    int words = weigh(s, n, scores);
    if (words == 0)
        return -1;
    const int *word = narrow(s, &words);
    double left = draw * sum_of(s, word, words);
    for (int i = 0; i < words; i++)
        if ((left -= (double)s->weight[word[i]]) < 0)
            return word[i];
    return word[words - 1];
}
