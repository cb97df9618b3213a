/* target.c: the score of a class or a word as a function of the encoder's outputs, and its gradient (equations:
 * target.h). */
#include "model/visual/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/decoder/model.h"
#include "model/encoder/encoder.h"
#include "model/layers/multilabel.h"

enum { PAIR = 2 }; /* captions: with the word, and without */

int target_of_class(target *t, int class_index, caption_error *err)
{
    *t = (target){.class_index = class_index};
    int status = arena_reserve(&t->numbers, arena_slice(CAPTION_CLASSES, sizeof(float)), err);
    if (status != CAPTION_OK)
        return status;
    t->dlogits = arena_take(&t->numbers, CAPTION_CLASSES, sizeof *t->dlogits);
    return CAPTION_OK;
}

/* START, words; the second caption ends before the last of them. */
static void write_captions(target *t, const int *words)
{
    t->captions[0] = t->captions[1] = VOCABULARY_START;
    for (int i = 0; i < t->steps; i++) {
        t->captions[PAIR * (i + 1)] = words[i];
        t->captions[PAIR * (i + 1) + 1] = i + 1 < t->steps ? words[i] : VOCABULARY_NULL;
    }
}

int target_of_word(target *t, const caption_model *model, const int *words, int count, caption_error *err)
{
    *t = (target){.model = model, .steps = count};
    const size_t ids = (size_t)(count + 1) * PAIR;
    const size_t bytes =
        arena_slice(ids, sizeof(int)) + arena_slice(CAPTION_FEATURES, sizeof(float)) +
        arena_slice(CAPTION_MAP, sizeof(float)) + 2 * arena_slice((size_t)model->shape.concepts, sizeof(float)) +
        arena_slice(CAPTION_FEATURES, sizeof(float)) + arena_slice((size_t)model->shape.tags, sizeof(int));
    int status = arena_reserve(&t->numbers, bytes, err);
    if (status == CAPTION_OK)
        status = arena_reserve(&t->scratch, decoder_loss_scratch_f(&model->shape, PAIR, count), err);
    if (status != CAPTION_OK)
        return status;
    t->captions = arena_take(&t->numbers, ids, sizeof *t->captions);
    t->dfeatures = arena_take(&t->numbers, CAPTION_FEATURES, sizeof *t->dfeatures);
    t->dmap = arena_take(&t->numbers, CAPTION_MAP, sizeof *t->dmap);
    t->concepts = arena_take(&t->numbers, (size_t)model->shape.concepts, sizeof *t->concepts);
    t->dconcepts = arena_take(&t->numbers, (size_t)model->shape.concepts, sizeof *t->dconcepts);
    t->through = arena_take(&t->numbers, CAPTION_FEATURES, sizeof *t->through);
    t->tags = arena_take(&t->numbers, (size_t)model->shape.tags, sizeof *t->tags);
    write_captions(t, words);
    return CAPTION_OK;
}

static int check_class(const caption_target *wanted, caption_error *err)
{
    return wanted->class_index >= 0 && wanted->class_index < CAPTION_CLASSES
               ? CAPTION_OK
               : caption_fail(err, CAPTION_EINVAL, "class: %d is not between 0 and %d", wanted->class_index,
                              CAPTION_CLASSES - 1);
}

static int is_one_word(const char *text)
{
    char copy[CAPTION_TEXT_BYTES];
    return (size_t)snprintf(copy, sizeof copy, "%s", text) < sizeof copy && vocabulary_tokenise(copy) == 1;
}

/* The words before it, and the word. */
static int encode_words(const caption_target *wanted, int words[CAPTION_MAX_WORDS], int *count, caption_error *err)
{
    char text[CAPTION_TEXT_BYTES];
    const size_t length = (size_t)snprintf(text, sizeof text, "%s %s", wanted->before ? wanted->before : "a",
                                           wanted->word ? wanted->word : "");
    const int tokens = length < sizeof text ? vocabulary_tokenise(text) : 0;
    if (!wanted->word || !is_one_word(wanted->word) || tokens < 1 || tokens > CAPTION_MAX_WORDS)
        return caption_fail(err, CAPTION_EINVAL, "word: expected one word, and at most %d with those before it",
                            CAPTION_MAX_WORDS);
    *count = vocabulary_encode(wanted->model->words, text, words, CAPTION_MAX_WORDS);
    for (int i = 0; i < *count; i++)
        if (words[i] == VOCABULARY_UNK)
            return caption_fail(err, CAPTION_EINVAL, "word: the captioner does not know every word of \"%.200s\"",
                                text);
    return CAPTION_OK;
}

int caption_target_check(const caption_target *wanted, caption_error *err)
{
    int words[CAPTION_MAX_WORDS], count;
    return wanted->model ? encode_words(wanted, words, &count, err) : check_class(wanted, err);
}

int target_of(target *t, const caption_target *wanted, caption_error *err)
{
    int words[CAPTION_MAX_WORDS], count = 0;
    *t = (target){0};
    int status = wanted->model ? encode_words(wanted, words, &count, err) : check_class(wanted, err);
    if (status != CAPTION_OK)
        return status;
    return wanted->model ? target_of_word(t, wanted->model, words, count, err)
                         : target_of_class(t, wanted->class_index, err);
}

void target_free(target *t)
{
    arena_free(&t->numbers);
    arena_free(&t->scratch);
    *t = (target){0};
}

int target_last(const target *t)
{
    return t->model ? ENCODER_HEAD : ENCODER_LOGITS;
}

static double class_score(target *t, const encoder_gradient_f *g, encoder_seeds_f *seeds)
{
    memset(t->dlogits, 0, CAPTION_CLASSES * sizeof *t->dlogits);
    t->dlogits[t->class_index] = 1;
    seeds->logits = t->dlogits;
    return encoder_gradient_logits_f(g)[t->class_index];
}

static void scale(float *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        values[i] *= -PAIR;
}

static void read_concepts(target *t, const float *features)
{
    const decoder_shape *shape = &t->model->shape;
    if (shape->concepts)
        concepts_infer(&t->model->concepts, shape->features, 1, features, t->concepts);
    if (shape->tags)
        concepts_rank(1, shape->concepts, t->concepts, shape->tags, t->tags);
}

/* Adds to dfeatures what reaches them by way of the concepts. */
static void read_concepts_backward(target *t, const float *features)
{
    const concept_head *head = &t->model->concepts;
    if (!head->n)
        return;
    multilabel_backward_f(1, CAPTION_FEATURES, head->n, features, head->weights, t->concepts, t->dconcepts, t->through,
                          NULL, NULL);
    for (int i = 0; i < CAPTION_FEATURES; i++)
        t->dfeatures[i] += t->through[i];
}

/* loss = (-log p(with) + log p(without)) / 2, so the score, log p of the word, is -2 loss. On a picture of another size
 * the map has other positions; the captioner's weights do not mind. */
static double word_score(target *t, const encoder_gradient_f *g, encoder_seeds_f *seeds)
{
    static const float weights[PAIR] = {1, -1};
    const caption_model *m = t->model;
    const encoder_map_f map = encoder_gradient_map_f(g, ENCODER_BLOCKS);
    const int looks = decoder_looks(m->shape.kind), positions = map.height * map.width;
    decoder_shape shape = m->shape;
    shape.positions = looks ? positions : 0;
    const float *features = encoder_gradient_features_f(g);
    read_concepts(t, features);
    const decoder_batch_f batch = {
        .n = PAIR,
        .t = t->steps,
        .per_image = PAIR,
        .images = {features, looks ? map.values : NULL, t->concepts, t->tags, m->concepts.words},
        .captions = t->captions,
        .weights = weights};
    const decoder_image_gradients_f dimages = {t->dfeatures, looks ? t->dmap : NULL,
                                               shape.concepts ? t->dconcepts : NULL};
    const double loss = decoder_loss_f(&shape, m->parameters, &batch, NULL, &dimages, &t->scratch);
    read_concepts_backward(t, features);
    scale(t->dfeatures, CAPTION_FEATURES);
    scale(t->dmap, looks ? (size_t)positions * (size_t)map.channels : 0);
    seeds->features = t->dfeatures;
    seeds->map[ENCODER_BLOCKS] = looks ? t->dmap : NULL;
    return -PAIR * loss;
}

int target_map(const target *t)
{
    return t->model && decoder_looks(t->model->shape.kind) ? ENCODER_BLOCKS : ENCODER_HEAD;
}

double target_score(target *t, const encoder_gradient_f *g, encoder_seeds_f *seeds)
{
    *seeds = (encoder_seeds_f){0};
    return t->model ? word_score(t, g, seeds) : class_score(t, g, seeds);
}
