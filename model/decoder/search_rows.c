/* search_rows.c: captions that grow by themselves, a row each: greedily, or by sampling. */
#include "model/decoder/fluency.h"
#include "model/decoder/search.h"

/* Ends a caption that has all its words where it could best have ended: at the most probable end in its second half. */
static void cut_back(const search *s, hypothesis *h)
{
    int at = -1;
    for (int t = h->n; t > h->n / 2; t--)
        if (fluency_may_end(s->fluency, h->word, t) && (at < 0 || h->end[t] > h->end[at]))
            at = t;
    if (at < 0)
        return;
    h->n = at;
    h->finished = 1;
    h->word[at] = VOCABULARY_END;
    h->each[at] = h->end[at];
    h->logprob = 0;
    for (int t = 0; t <= at; t++)
        h->logprob += (double)h->each[t];
}

/* The caption of row r ends with its last word. */
static void close_unfinished(const search *s, int r, hypothesis *closed)
{
    *closed = s->open[r];
    closed->row[closed->n] = r;
    if (s->options.decode == CAPTION_SAMPLE && !s->options.plain)
        cut_back(s, closed);
}

/* The word that row r goes on with. Where the rules leave none, the end. */
static int choose(search *s, int r, const sampler *draws)
{
    if (s->options.decode != CAPTION_SAMPLE)
        return search_best(s, r);
    int word = sampler_draw(draws, s->model->shape.vocabulary, search_scores(s, r), &s->open[r].random);
    return word < 0 ? VOCABULARY_END : word;
}

void search_rows(search *s, hypothesis *closed)
{
    sampler draws = sampler_take(&s->options, s->model->shape.vocabulary, s->scratch);
    for (int r = 0; r < s->n; r++) /* the k-th caption of an image draws the same numbers in any batch */
        s->open[r].random = random_seeded(random_mix(s->options.seed) + (uint64_t)(r % s->options.n));
    while (s->n > 0) {
        int kept = 0;
        search_step(s);
        search_forbid(s);
        for (int r = 0; r < s->n; r++) {
            int word = choose(s, r, &draws), slot = s->open[r].slot;
            if (word == VOCABULARY_END) {
                search_extend(s, r, word, &closed[slot]);
            } else if (s->open[r].n == s->options.max_words) {
                close_unfinished(s, r, &closed[slot]);
            } else {
                search_extend(s, r, word, &s->other[kept]);
                s->from[kept++] = r;
            }
        }
        search_go_on(s, kept);
    }
}
