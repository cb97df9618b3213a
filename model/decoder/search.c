/* search.c: from features to the words of a caption, greedily: the most probable next word until <END>.
 *
 * All images of a batch are decoded together, a word a step, so that every product is one GEMM. A finished caption
 * leaves the batch at once: the rows still being written close up, and the products shrink. <NULL>, <START> and <UNK>
 * are never chosen, but keep their share of the probability. All memory is taken before the first word. */
#include <string.h>

#include "model/decoder/model.h"
#include "model/kernels/activation.h"
#include "model/session.h"

enum { DEFAULT_MAX_WORDS = 20 };

/* The captions still being written: row r of the arrays belongs to results[image[r]]. */
typedef struct search {
    const caption_model *model;
    int n; /* rows */
    decoder_state_f state;
    float *scores; /* [n, V] */
    int *word;     /* [n] last word of each row */
    int *image;    /* [n] */
    int *kept;     /* [n] rows that go on */
    caption_result *results;
} search;

static size_t search_scratch(const decoder_shape *shape, int n)
{
    return decoder_step_scratch_f(shape, n, n) + arena_slice((size_t)n * shape->vocabulary, sizeof(float)) +
           3 * arena_slice((size_t)n, sizeof(int));
}

static void start(search *s, const float *features, const float *map, arena *scratch)
{
    const caption_model *m = s->model;
    s->state = decoder_start_f(&m->shape, m->parameters, s->n, s->n, features, map, scratch);
    s->scores = arena_take(scratch, (size_t)s->n * m->shape.vocabulary, sizeof *s->scores);
    s->word = arena_take(scratch, (size_t)s->n, sizeof *s->word);
    s->image = arena_take(scratch, (size_t)s->n, sizeof *s->image);
    s->kept = arena_take(scratch, (size_t)s->n, sizeof *s->kept);
    for (int r = 0; r < s->n; r++) {
        s->word[r] = VOCABULARY_START;
        s->image[r] = r;
        s->results[r] = (caption_result){.text = ""};
    }
}

static int best_word(int n, const float *scores)
{
    int best = VOCABULARY_END;
    for (int v = VOCABULARY_SPECIALS; v < n; v++)
        if (scores[v] > scores[best])
            best = v;
    return best;
}

/* Appends a word if there is room; returns 0 if the caption is full. */
static int append(caption_result *result, const char *word, int max_words)
{
    size_t used = strlen(result->text), length = strlen(word), space = used > 0;
    if (result->words == max_words || used + space + length >= sizeof result->text)
        return 0;
    if (space)
        result->text[used] = ' ';
    memcpy(result->text + used + space, word, length + 1);
    result->words++;
    return 1;
}

/* Writes the next word of row r; returns 0 if its caption ends here. */
static int extend(search *s, int r, int max_words)
{
    int n = s->model->shape.vocabulary;
    float *scores = s->scores + (size_t)r * n;
    caption_result *result = &s->results[s->image[r]];
    int word = best_word(n, scores);
    float score = scores[word], logprob = score - vector_softmax_f((size_t)n, scores);
    result->finished = word == VOCABULARY_END;
    if (!result->finished && !append(result, vocabulary_word(s->model->words, word), max_words))
        return 0;
    s->word[r] = word;
    result->logprob += logprob;
    return !result->finished;
}

/* One word more for every row; rows whose captions end are closed up. */
static void extend_all(search *s, int max_words)
{
    int kept = 0;
    for (int r = 0; r < s->n; r++) {
        if (!extend(s, r, max_words))
            continue;
        s->word[kept] = s->word[r];
        s->image[kept] = s->image[r];
        s->kept[kept++] = r;
    }
    if (kept < s->n)
        decoder_select_f(&s->model->shape, &s->state, kept, s->kept);
    s->n = kept;
}

int caption_generate(caption_session *session, const caption_model *model, const caption_options *options,
                     caption_result *results, caption_error *err)
{
    int max_words = options && options->max_words ? options->max_words : DEFAULT_MAX_WORDS;
    if (max_words < 1 || max_words > CAPTION_MAX_WORDS)
        return caption_fail(err, CAPTION_EINVAL, "max_words is %d; expected 1 to %d", max_words, CAPTION_MAX_WORDS);
    if (!session->n)
        return caption_fail(err, CAPTION_EINVAL, "no image was encoded in this session");
    if (decoder_looks(model->shape.kind) && !session->has_map)
        return caption_fail(err, CAPTION_EINVAL, "the captioner looks at maps, and the session has none");
    int status = arena_reserve(&session->words, search_scratch(&model->shape, session->n), err);
    if (status != CAPTION_OK)
        return status;
    search s = {.model = model, .n = session->n, .results = results};
    start(&s, session->features, session->map, &session->words);
    while (s.n > 0) {
        decoder_step_f(&model->shape, model->parameters, s.word, &s.state, s.scores, &session->words);
        extend_all(&s, max_words);
    }
    return CAPTION_OK;
}
