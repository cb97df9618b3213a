/* search_beam.c: beams: the best few captions of each image, held at a time.
 *
 * In every step the captions still open of an image, with each word that may follow, compete by log-probability for the
 * places of its beam. One that wins its place with the end is closed and keeps the place; so a beam of one is greedy
 * decoding. Closed captions compare by
 *     logprob / ((5 + words + 1) / 6)^length_penalty          (Wu et al. 2016, equation 14; the end counts)
 * and a beam stops as soon as no open caption can come before the n best closed ones: a log-probability only falls, and
 * no caption gains more by its length than one of max_words. */
#include <math.h>

#include "model/decoder/search.h"

typedef struct candidate {
    double logprob; /* of the caption with that word */
    int row, word;
} candidate;

typedef struct beams {
    search *s;
    int width;
    hypothesis *closed; /* [images, width] */
    int *count;         /* [images] */
    candidate best[CAPTION_MAX_BEAM];
    int n; /* candidates */
} beams;

static double normalised(const beams *b, double logprob, int words)
{
    return logprob / pow((5 + words + 1) / 6.0, b->s->options.length_penalty);
}

/* Keeps the best `room` candidates in order; of equal ones the first to come is before. */
static void offer(beams *b, int room, candidate c)
{
    if (b->n == room && !(c.logprob > b->best[room - 1].logprob))
        return;
    int at = b->n < room ? b->n++ : room - 1;
    for (; at > 0 && c.logprob > b->best[at - 1].logprob; at--)
        b->best[at] = b->best[at - 1];
    b->best[at] = c;
}

static void offer_row(beams *b, int r, int room)
{
    const search *s = b->s;
    const hypothesis *h = &s->open[r];
    const float *scores = search_scores(s, r);
    int last = h->n < s->options.max_words ? s->model->shape.vocabulary : 0;
    if (scores[VOCABULARY_END] > -INFINITY)
        offer(b, room, (candidate){h->logprob + (double)search_logprob(s, r, VOCABULARY_END), r, VOCABULARY_END});
    for (int v = VOCABULARY_SPECIALS; v < last; v++)
        if (scores[v] > -INFINITY)
            offer(b, room, (candidate){h->logprob + (double)(scores[v] - s->norm[r]), r, v});
}

/* Can no open caption that is at most that probable come before the n best closed ones of the image? */
static int is_decided(const beams *b, int image, double logprob)
{
    double bound = normalised(b, logprob, b->s->options.max_words);
    int before = 0;
    for (int i = 0; i < b->count[image]; i++) {
        const hypothesis *h = &b->closed[image * b->width + i];
        before += normalised(b, h->logprob, h->n) >= bound;
    }
    return before >= b->s->options.n;
}

/* The rows first .. first + rows - 1 of one image take their next words; those that stay open go to other[kept ..].
 * Returns the new `kept`. */
static int branch(beams *b, int first, int rows, int kept)
{
    search *s = b->s;
    int image = s->open[first].slot, *count = &b->count[image], open = 0;
    hypothesis *closed = b->closed + (size_t)image * b->width;
    b->n = 0;
    for (int r = first; r < first + rows; r++)
        offer_row(b, r, b->width - *count);
    for (int i = 0; i < b->n; i++) {
        const candidate *c = &b->best[i];
        if (c->word == VOCABULARY_END) {
            search_extend(s, c->row, c->word, &closed[(*count)++]);
        } else {
            search_extend(s, c->row, c->word, &s->other[kept + open]);
            s->from[kept + open++] = c->row;
        }
    }
    if (*count == 0 && open == 0) /* nothing may follow: better cut than nothing */
        closed[(*count)++] = s->open[first];
    return open > 0 && is_decided(b, image, s->other[kept].logprob) ? kept : kept + open;
}

static void sort(const beams *b, hypothesis *closed, int n)
{
    for (int i = 1; i < n; i++) {
        hypothesis h = closed[i];
        double value = normalised(b, h.logprob, h.n);
        int at = i;
        for (; at > 0 && value > normalised(b, closed[at - 1].logprob, closed[at - 1].n); at--)
            closed[at] = closed[at - 1];
        closed[at] = h;
    }
}

void search_beam(search *s, int images, int width, hypothesis *closed, int *count)
{
    beams b = {.s = s, .width = width, .closed = closed, .count = count};
    for (int i = 0; i < images; i++)
        count[i] = 0;
    while (s->n > 0) {
        int kept = 0, rows;
        search_step(s);
        search_forbid(s);
        for (int first = 0; first < s->n; first += rows) {
            for (rows = 1; first + rows < s->n && s->open[first + rows].slot == s->open[first].slot;)
                rows++;
            kept = branch(&b, first, rows, kept);
        }
        search_go_on(s, kept);
    }
    for (int i = 0; i < images; i++)
        sort(&b, closed + (size_t)i * width, count[i]);
}
