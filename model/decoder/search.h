/* search.h: what the ways of choosing words share: captions being written in step, each a row of the decoder.
 *
 *     search_start    takes all memory; a row for each caption wanted, with its image
 *     search_step     feeds each row its last word: scores of the next
 *     search_forbid   rules words out
 *     search_extend   a caption with one word more
 *     search_go_on    the rows that go on, some perhaps twice (beams branch)
 *     search_result   a caption as the caller wants it */
#ifndef CAPTION_SEARCH_H
#define CAPTION_SEARCH_H

#include "model/decoder/model.h"
#include "model/random.h"
#include "model/session.h"

enum { SEARCH_STEPS = CAPTION_MAX_WORDS + 1 }; /* the end is a step too */

typedef struct hypothesis {
    int slot;             /* the caption it is to become, or for beams the image it belongs to */
    int n;                /* words, without the end */
    int finished;         /* the end is its word[n] */
    double logprob;       /* sum of each[] */
    random_stream random; /* of sampling */
    int word[SEARCH_STEPS];
    float each[SEARCH_STEPS]; /* log-probability of each word */
    float end[SEARCH_STEPS];  /* that of the end in its place */
    int row[SEARCH_STEPS];    /* the row that chose it, for its looks */
} hypothesis;

typedef struct search {
    const caption_model *model;
    caption_options options; /* complete: search_defaults */
    arena *scratch;
    int rows;    /* at most */
    int n, step; /* rows now; steps taken */
    decoder_state_f state;
    const float *concepts;    /* [images, C] of the session's images, NULL without */
    int *image;               /* [rows] of each slot */
    float *scores;            /* [rows, V] of the next word */
    float *copy;              /* [V] */
    float *norm;              /* [rows] log of the summed exponentials of its scores, so that log p = score - norm */
    int *word;                /* [rows] read by the next step */
    int *from;                /* [rows] */
    float *looks;             /* [steps, rows, P] NULL for kinds without positions */
    hypothesis *open, *other; /* [rows] */
    unsigned char *fluency;   /* [V] flags of each word (fluency.h) */
} search;

/* The options with defaults for what is 0. options may be NULL. */
caption_options search_defaults(const caption_options *options);

/* Has the session what the captioner reads? */
int search_check(const caption_session *session, const caption_model *model, caption_error *err);

/* Steps that a caption may take: its words, and the end. */
int search_steps(const caption_options *options);

/* Bytes for at most `rows` rows of at most `images` images. */
size_t search_scratch(const decoder_shape *shape, const caption_options *options, int images, int rows);

/* Row r writes about image[r] of the session, for r < n <= rows; its slot is r. */
search search_start(const caption_session *session, const caption_model *model, const caption_options *options,
                    int rows, int n, const int *image, arena *scratch);

/* Feeds every row its word: scores, norm, the end's log-probability and the looks are those of the word to come. */
void search_step(search *s);

/* Sets the scores of words that must not follow to -INFINITY. */
void search_forbid(search *s);

/* Row r becomes a copy of from[r] for r < n, with hypothesis other[r], which the caller has filled. */
void search_go_on(search *s, int n);

/* *to becomes the hypothesis of row r with one word more; the end finishes it. to may be &s->open[r]. */
void search_extend(const search *s, int r, int word, hypothesis *to);

/* The most probable word of row r that may follow; the end if none may. */
int search_best(const search *s, int r);

static inline const float *search_scores(const search *s, int r)
{
    return s->scores + (size_t)r * s->model->shape.vocabulary;
}

/* Log-probability of the word that follows in row r, also of an end that is forbidden. */
static inline float search_logprob(const search *s, int r, int word)
{
    return word == VOCABULARY_END ? s->open[r].end[s->step - 1] : search_scores(s, r)[word] - s->norm[r];
}

/* Fills a result, its tokens among them: [words + finished]. */
void search_result(const search *s, const hypothesis *h, caption_token *tokens, caption_result *result);

/* ---- search_rows.c: rows that grow by themselves ------------------------------------------------------------------
 */

/* Greedily or by sampling, as the options say: closed [rows at the start] becomes the captions. */
void search_rows(search *s, hypothesis *closed);

/* ---- search_sample.c ----------------------------------------------------------------------------------------------
 */

typedef struct sampler {
    double temperature, top_p;
    int top_k;
    float *weight; /* [V] */
    int *order;    /* [V] */
} sampler;

size_t sampler_scratch(int words);
sampler sampler_take(const caption_options *options, int words, arena *scratch);

/* Draws one of n words with probability proportional to e^(score / temperature), among the top_k most probable, and of
 * these among the fewest that make up top_p of their probability (Holtzman et al. 2020). -1 if all scores are
 * -INFINITY. Takes one number from the stream. */
int sampler_draw(const sampler *s, int n, const float *scores, random_stream *random);

/* ---- search_beam.c ------------------------------------------------------------------------------------------------
 */

/* The rows of s, one for each of `images`, branch into beams of `width`: closed [images, width] becomes the captions
 * found for each image, the best first, count [images] how many they are. A caption of max_words words has to end. */
void search_beam(search *s, int images, int width, hypothesis *closed, int *count);

#endif
