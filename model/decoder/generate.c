/* generate.c: from features to captions: caption_generate.
 *
 * All captions of a batch, and all beams and samples of them, are written in step, a word a step, so that every product
 * is one GEMM. A finished caption leaves the batch at once: the rows still being written close up, and the products
 * shrink. All memory is taken before the first word. */
#include <math.h>

#include "model/decoder/search.h"

/* Width of the beam that writes anew what greedy decoding did not bring to an end. */
enum { RESCUE_BEAM = 5 };

typedef struct generation {
    caption_session *session;
    const caption_model *model;
    caption_options options;
    int images, width;     /* width: rows that an image may need */
    int *image;            /* [images * width] of each first row */
    int *count;            /* [images] */
    hypothesis *closed;    /* [images * width] */
    caption_token *tokens; /* [images * n, steps] */
    caption_result *results;
} generation;

static int needs_rescue(const caption_options *options)
{
    return options->decode == CAPTION_GREEDY && !options->plain;
}

static int rows_of(const caption_options *options)
{
    return options->decode == CAPTION_BEAM ? options->beam : options->n;
}

/* Hypotheses that an image may end with. */
static int most_closed(const generation *g)
{
    return needs_rescue(&g->options) ? RESCUE_BEAM : g->width;
}

/* Concepts to be told of each image. */
static int told_concepts(const generation *g)
{
    const int known = g->model->concepts.n;
    return g->options.concepts < known ? g->options.concepts : known;
}

static size_t concepts_scratch(const generation *g)
{
    const int k = told_concepts(g);
    return k == 0 ? 0
                  : arena_slice((size_t)g->images * g->model->concepts.n, sizeof(float)) +
                        arena_slice((size_t)g->images * k, sizeof(int));
}

static size_t generation_scratch(const generation *g)
{
    const decoder_shape *shape = &g->model->shape;
    const caption_options *o = &g->options;
    size_t rows = (size_t)g->images * most_closed(g), results = (size_t)g->images * o->n;
    size_t bytes = concepts_scratch(g) + arena_slice(rows, sizeof(int)) + arena_slice((size_t)g->images, sizeof(int)) +
                   arena_slice(rows, sizeof(hypothesis)) +
                   arena_slice(results * search_steps(o), sizeof(caption_token));
    if (o->decode == CAPTION_BEAM)
        return bytes + search_scratch(shape, o, g->images, g->images * g->width);
    bytes += search_scratch(shape, o, g->images, g->images * g->width) + sampler_scratch(shape->vocabulary);
    return needs_rescue(o) ? bytes + search_scratch(shape, o, g->images, g->images * RESCUE_BEAM) : bytes;
}

static void take_generation(generation *g, arena *scratch)
{
    const caption_options *o = &g->options;
    size_t most = (size_t)g->images * most_closed(g);
    g->image = arena_take(scratch, most, sizeof *g->image);
    g->count = arena_take(scratch, (size_t)g->images, sizeof *g->count);
    g->closed = arena_take(scratch, most, sizeof *g->closed);
    g->tokens = arena_take(scratch, (size_t)g->images * o->n * search_steps(o), sizeof *g->tokens);
}

/* h NULL: there is no such caption. */
static void put(generation *g, const search *s, int i, const hypothesis *h)
{
    if (h)
        search_result(s, h, g->tokens + (size_t)i * search_steps(&g->options), &g->results[i]);
    else
        g->results[i] = (caption_result){.text = "", .logprob = -INFINITY, .tokens = g->tokens};
}

static void generate_by_beam(generation *g, arena *scratch)
{
    int width = g->width, n = g->options.n;
    for (int i = 0; i < g->images; i++)
        g->image[i] = i;
    search s = search_start(g->session, g->model, &g->options, g->images * width, g->images, g->image, scratch);
    search_beam(&s, g->images, width, g->closed, g->count);
    for (int i = 0; i < g->images; i++)
        for (int k = 0; k < n; k++)
            put(g, &s, i * n + k, k < g->count[i] ? &g->closed[i * width + k] : NULL);
}

/* Writes captions that have no end anew, by a beam. */
static void rescue(generation *g, arena *scratch)
{
    int n = 0;
    for (int i = 0; i < g->images; i++)
        if (!g->results[i].finished)
            g->image[n++] = i;
    if (n == 0)
        return;
    search s = search_start(g->session, g->model, &g->options, g->images * RESCUE_BEAM, n, g->image, scratch);
    search_beam(&s, n, RESCUE_BEAM, g->closed, g->count);
    for (int i = 0; i < n; i++)
        if (g->count[i] > 0 && g->closed[i * RESCUE_BEAM].finished)
            put(g, &s, g->image[i], &g->closed[i * RESCUE_BEAM]);
}

static void generate_by_row(generation *g, arena *scratch)
{
    int rows = g->images * g->width;
    for (int r = 0; r < rows; r++)
        g->image[r] = r / g->width;
    search s = search_start(g->session, g->model, &g->options, rows, rows, g->image, scratch);
    search_rows(&s, g->closed);
    for (int r = 0; r < rows; r++)
        put(g, &s, r, &g->closed[r]);
    if (needs_rescue(&g->options))
        rescue(g, scratch);
}

/* What applies to each image stands with each of its captions. */
static void tell_concepts(generation *g, arena *scratch)
{
    const concept_head *head = &g->model->concepts;
    const int k = told_concepts(g), n = g->options.n;
    if (k == 0)
        return;
    float *p = arena_take(scratch, (size_t)g->images * head->n, sizeof *p);
    int *tags = arena_take(scratch, (size_t)g->images * k, sizeof *tags);
    concepts_infer(head, g->model->shape.features, g->images, g->session->features, p);
    concepts_rank(g->images, head->n, p, k, tags);
    for (int r = 0; r < g->images * n; r++) {
        caption_result *result = &g->results[r];
        const int i = r / n;
        result->n_concepts = k;
        for (int j = 0; j < k; j++) {
            const int c = tags[i * k + j];
            result->concepts[j] =
                (caption_concept){vocabulary_word(g->model->words, head->words[c]), p[(size_t)i * head->n + c]};
        }
    }
}

int caption_generate(caption_session *session, const caption_model *model, const caption_options *options,
                     caption_result *results, caption_error *err)
{
    int status = caption_options_check(options, err);
    if (status == CAPTION_OK)
        status = search_check(session, model, err);
    if (status != CAPTION_OK)
        return status;
    generation g = {.session = session,
                    .model = model,
                    .options = search_defaults(options),
                    .images = session->n,
                    .results = results};
    g.width = rows_of(&g.options);
    status = arena_reserve(&session->words, generation_scratch(&g), err);
    if (status != CAPTION_OK)
        return status;
    take_generation(&g, &session->words);
    if (g.options.decode == CAPTION_BEAM)
        generate_by_beam(&g, &session->words);
    else
        generate_by_row(&g, &session->words);
    tell_concepts(&g, &session->words);
    return CAPTION_OK;
}
