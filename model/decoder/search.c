/* search.c: what the ways of choosing words share; see search.h. */
#include "model/decoder/search.h"

#include <math.h>
#include <string.h>

#include "model/decoder/fluency.h"
#include "model/kernels/activation.h"

int search_check(const caption_session *session, const caption_model *model, caption_error *err)
{
    if (!session->n)
        return caption_fail(err, CAPTION_EINVAL, "no image was encoded in this session");
    if (decoder_looks(model->shape.kind) && !session->has_map)
        return caption_fail(err, CAPTION_EINVAL, "the captioner looks at maps, and the session has none");
    return CAPTION_OK;
}

int search_steps(const caption_options *options)
{
    return options->max_words + 1;
}

static size_t looks_size(const decoder_shape *shape, const caption_options *options, int rows)
{
    return (size_t)search_steps(options) * rows * shape->positions;
}

size_t search_scratch(const decoder_shape *shape, const caption_options *options, int images, int rows)
{
    size_t n = (size_t)rows, words = (size_t)shape->vocabulary;
    return arena_slice((size_t)images * shape->concepts, sizeof(float)) +
           arena_slice((size_t)images * shape->tags, sizeof(int)) + decoder_step_scratch_f(shape, images, rows) +
           arena_slice(n * words, sizeof(float)) + arena_slice(words, sizeof(float)) + arena_slice(n, sizeof(float)) +
           3 * arena_slice(n, sizeof(int)) + arena_slice(looks_size(shape, options, rows), sizeof(float)) +
           2 * arena_slice(n, sizeof(hypothesis)) + arena_slice(words, 1);
}

static void take(search *s, arena *scratch)
{
    const decoder_shape *shape = &s->model->shape;
    size_t n = (size_t)s->rows, words = (size_t)shape->vocabulary;
    s->scores = arena_take(scratch, n * words, sizeof *s->scores);
    s->copy = arena_take(scratch, words, sizeof *s->copy);
    s->norm = arena_take(scratch, n, sizeof *s->norm);
    s->word = arena_take(scratch, n, sizeof *s->word);
    s->from = arena_take(scratch, n, sizeof *s->from);
    s->image = arena_take(scratch, n, sizeof *s->image);
    s->looks = arena_take(scratch, looks_size(shape, &s->options, s->rows), sizeof *s->looks);
    s->open = arena_take(scratch, n, sizeof *s->open);
    s->other = arena_take(scratch, n, sizeof *s->other);
    s->fluency = arena_take(scratch, words, 1);
}

/* The decoder's inputs for the session's images; the concepts are in scratch memory. */
static decoder_images_f read_images(const caption_session *session, const caption_model *model, arena *scratch)
{
    const decoder_shape *shape = &model->shape;
    decoder_images_f images = {.features = session->features, .map = session->map};
    if (!shape->concepts)
        return images;
    float *p = arena_take(scratch, (size_t)session->n * shape->concepts, sizeof *p);
    int *tags = arena_take(scratch, (size_t)session->n * shape->tags, sizeof *tags);
    concepts_infer(&model->concepts, shape->features, session->n, session->features, p);
    if (shape->tags)
        concepts_rank(session->n, shape->concepts, p, shape->tags, tags);
    images.concepts = p;
    images.tags = tags;
    images.concept_words = model->concepts.words;
    return images;
}

search search_start(const caption_session *session, const caption_model *model, const caption_options *options,
                    int rows, int n, const int *image, arena *scratch)
{
    search s = {.model = model, .options = *options, .scratch = scratch, .rows = rows, .n = n};
    const decoder_images_f images = read_images(session, model, scratch);
    s.concepts = images.concepts;
    s.state = decoder_start_f(&model->shape, model->parameters, session->n, rows, &images, scratch);
    decoder_select_f(&model->shape, &s.state, n, image);
    take(&s, scratch);
    fluency_flags(model->words, s.fluency);
    memcpy(s.image, image, (size_t)n * sizeof *s.image);
    for (int r = 0; r < n; r++) {
        s.word[r] = VOCABULARY_START;
        s.open[r] = (hypothesis){.slot = r};
    }
    return s;
}

void search_step(search *s)
{
    const decoder_shape *shape = &s->model->shape;
    size_t words = (size_t)shape->vocabulary, places = (size_t)shape->positions;
    decoder_step_f(shape, s->model->parameters, s->word, &s->state, s->scores, s->scratch);
    for (int r = 0; r < s->n; r++) {
        memcpy(s->copy, search_scores(s, r), words * sizeof *s->copy);
        s->norm[r] = vector_softmax_f(words, s->copy);
        s->open[r].end[s->step] = search_scores(s, r)[VOCABULARY_END] - s->norm[r];
    }
    if (places > 0)
        memcpy(s->looks + (size_t)s->step * s->rows * places, s->state.looks, (size_t)s->n * places * sizeof *s->looks);
    s->step++;
}

void search_forbid(search *s)
{
    int size = s->model->shape.vocabulary, words = s->step - 1, room = s->options.max_words - words;
    for (int r = 0; r < s->n; r++) {
        float *scores = s->scores + (size_t)r * size;
        scores[VOCABULARY_NULL] = scores[VOCABULARY_START] = scores[VOCABULARY_UNK] = -INFINITY;
        if (!s->options.plain)
            fluency_forbid(s->fluency, size, s->open[r].word, words, room, scores);
    }
}

int search_best(const search *s, int r)
{
    const float *scores = search_scores(s, r);
    int best = VOCABULARY_END;
    for (int v = VOCABULARY_SPECIALS; v < s->model->shape.vocabulary; v++)
        if (scores[v] > scores[best])
            best = v;
    return best;
}

void search_extend(const search *s, int r, int word, hypothesis *to)
{
    int t = s->step - 1;
    float logprob = search_logprob(s, r, word);
    if (to != &s->open[r])
        *to = s->open[r];
    to->word[t] = word;
    to->each[t] = logprob;
    to->row[t] = r;
    to->logprob += (double)logprob;
    to->finished = word == VOCABULARY_END;
    to->n += !to->finished;
}

void search_go_on(search *s, int n)
{
    hypothesis *open = s->other;
    s->other = s->open;
    s->open = open;
    s->n = n;
    for (int r = 0; r < n; r++)
        s->word[r] = open[r].word[s->step - 1];
    if (n > 0)
        decoder_select_f(&s->model->shape, &s->state, n, s->from);
}

/* ---- results ------------------------------------------------------------------------------------------------------
 */

static void append(caption_result *result, const char *word)
{
    size_t used = strlen(result->text), length = strlen(word), space = used > 0;
    if (space)
        result->text[used] = ' ';
    memcpy(result->text + used + space, word, length + 1); /* vocabulary.h sees to the room */
}

static float concept_of(const search *s, const hypothesis *h, int word)
{
    const int c = s->concepts ? s->model->concept_of[word] : -1;
    return c < 0 ? -1 : s->concepts[(size_t)s->image[h->slot] * s->model->shape.concepts + c];
}

void search_result(const search *s, const hypothesis *h, caption_token *tokens, caption_result *result)
{
    size_t places = (size_t)s->model->shape.positions;
    *result = (caption_result){
        .logprob = (float)h->logprob, .words = h->n, .finished = h->finished, .tokens = tokens, .text = ""};
    for (int t = 0; t < h->n + h->finished; t++) {
        const float *looks = s->looks + ((size_t)t * s->rows + h->row[t]) * places;
        tokens[t] = (caption_token){.word = vocabulary_word(s->model->words, h->word[t]),
                                    .logprob = h->each[t],
                                    .concept = concept_of(s, h, h->word[t]),
                                    .attention = places > 0 ? looks : NULL};
        if (t < h->n)
            append(result, tokens[t].word);
    }
    result->confidence = confidence_of(&s->model->confidence, result);
    result->unsure = (double)result->confidence < s->options.min_confidence;
    if (result->unsure)
        result->text[0] = '\0';
}
