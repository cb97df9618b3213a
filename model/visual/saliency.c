/* saliency.c: which pixels decide a class or a word? See visualize.h for the three methods. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/decoder/model.h"
#include "model/image/picture.h"
#include "model/session.h"
#include "model/visual/pixels.h"
#include "model/visual/target.h"

enum { SIDE = CAPTION_IMAGE_SIDE };

typedef struct looking {
    const caption_visual_options *options;
    encoder_gradient_f *network; /* the session's */
    pixel_scale scale;
    target target;
    pixels photo, noisy, gradient, sum;
    caption_saliency_map *out;
} looking;

static int prepare(looking *l, caption_session *session, const caption_image *image, caption_error *err)
{
    if (!session->encoder)
        return caption_fail(err, CAPTION_EINVAL, "this session was made without an encoder");
    l->scale = pixels_scale(session->encoder);
    int status = CAPTION_OK;
    if (!session->gradient)
        status = encoder_gradient_new_f(&session->gradient, session->encoder, SIDE, SIDE, err);
    l->network = session->gradient;
    status = status ? status : pixels_new(&l->photo, SIDE, SIDE, err);
    status = status ? status : pixels_new(&l->noisy, SIDE, SIDE, err);
    status = status ? status : pixels_new(&l->gradient, SIDE, SIDE, err);
    status = status ? status : pixels_new(&l->sum, SIDE, SIDE, err);
    if (status == CAPTION_OK)
        pixels_from_levels(&l->scale, image->rgb, &l->photo);
    return status;
}

/* ---- what is asked about ----------------------------------------------------------------------------------------- */

static int best_class(looking *l)
{
    int best = 0;
    encoder_gradient_forward_f(l->network, l->photo.values, ENCODER_LOGITS);
    const float *logits = encoder_gradient_logits_f(l->network);
    for (int i = 1; i < CAPTION_CLASSES; i++)
        best = logits[i] > logits[best] ? i : best;
    return best;
}

/* The position of a word among those of a caption, or -1. */
static int find_word(const caption_model *model, const int *words, int count, const char *word)
{
    const int id = vocabulary_id(model->words, word, strlen(word));
    for (int i = 0; i < count && id != VOCABULARY_UNK; i++)
        if (words[i] == id)
            return i;
    return -1;
}

/* The caption that was given, as words. */
static int take_caption(const char *given, char *caption, caption_error *err)
{
    const size_t length = strnlen(given, CAPTION_TEXT_BYTES);
    if (length == CAPTION_TEXT_BYTES)
        return caption_fail(err, CAPTION_EINVAL, "caption: longer than %d bytes", CAPTION_TEXT_BYTES - 1);
    memcpy(caption, given, length + 1);
    const int words = vocabulary_tokenise(caption);
    return words >= 1 && words <= CAPTION_MAX_WORDS
               ? CAPTION_OK
               : caption_fail(err, CAPTION_EINVAL, "caption: has %d words; expected 1 to %d", words, CAPTION_MAX_WORDS);
}

static int write_caption(caption_session *session, const caption_image *image, const caption_model *model,
                         char *caption, caption_error *err)
{
    caption_result written;
    int status = caption_encode(session, 1, image, err);
    if (status == CAPTION_OK)
        status = caption_generate(session, model, NULL, &written, err);
    if (status == CAPTION_OK)
        strcpy(caption, written.text);
    return status;
}

static int aim_at_word(looking *l, caption_session *session, const caption_image *image, const caption_target *wanted,
                       caption_error *err)
{
    char *caption = l->out->caption;
    int words[CAPTION_MAX_WORDS];
    const int status = wanted->caption ? take_caption(wanted->caption, caption, err)
                                       : write_caption(session, image, wanted->model, caption, err);
    if (status != CAPTION_OK)
        return status;
    const int count = vocabulary_encode(wanted->model->words, caption, words, CAPTION_MAX_WORDS);
    l->out->word = wanted->word ? find_word(wanted->model, words, count, wanted->word) : wanted->index;
    if (wanted->word && l->out->word < 0)
        return caption_fail(err, CAPTION_EINVAL, "word: \"%.64s\" is not in the caption \"%.256s\"", wanted->word,
                            caption);
    if (l->out->word < 0 || l->out->word >= count)
        return caption_fail(err, CAPTION_EINVAL, "word: the caption \"%.256s\" has no word %d", caption, l->out->word);
    return target_of_word(&l->target, wanted->model, words, l->out->word + 1, err);
}

static int aim(looking *l, caption_session *session, const caption_image *image, const caption_target *wanted,
               caption_error *err)
{
    if (wanted->model)
        return aim_at_word(l, session, image, wanted, err);
    if (wanted->class_index < CAPTION_TOP_CLASS || wanted->class_index >= CAPTION_CLASSES)
        return caption_fail(err, CAPTION_EINVAL, "class: %d is not between 0 and %d", wanted->class_index,
                            CAPTION_CLASSES - 1);
    l->out->class_index = wanted->class_index == CAPTION_TOP_CLASS ? best_class(l) : wanted->class_index;
    return target_of_class(&l->target, l->out->class_index, err);
}

/* ---- the methods ------------------------------------------------------------------------------------------------- */

static double score_at(looking *l, const pixels *image, encoder_seeds_f *seeds)
{
    encoder_gradient_forward_f(l->network, image->values, target_last(&l->target));
    return target_score(&l->target, l->network, seeds);
}

/* sum += the gradient of the score at `image` */
static double add_gradient(looking *l, const pixels *image)
{
    encoder_seeds_f seeds;
    const double score = score_at(l, image, &seeds);
    encoder_gradient_backward_f(l->network, &seeds, l->gradient.values);
    for (size_t i = 0; i < l->sum.n; i++)
        l->sum.values[i] += l->gradient.values[i];
    return score;
}

/* heat = max over colours |sum / count|, a level of the picture being 1 / std */
static void largest_colour(looking *l, int count)
{
    for (size_t i = 0; i < SIDE * SIDE; i++) {
        float most = 0;
        for (int c = 0; c < COLOURS; c++)
            most = fmaxf(most, fabsf(l->sum.values[i * COLOURS + (size_t)c] / l->scale.std[c]));
        l->out->heat[i] = most / (float)count;
    }
}

static void gradient(looking *l)
{
    l->out->score = add_gradient(l, &l->photo);
    largest_colour(l, 1);
}

static void smoothgrad(looking *l)
{
    const caption_visual_options *o = l->options;
    random_stream random = random_seeded(o->seed);
    float least = INFINITY, most = -INFINITY;
    encoder_seeds_f seeds;
    for (size_t i = 0; i < l->photo.n; i++) {
        least = fminf(least, l->photo.values[i]);
        most = fmaxf(most, l->photo.values[i]);
    }
    for (int sample = 0; sample < o->samples; sample++) {
        pixels_noise(&l->noisy, &random, o->noise * (most - least));
        for (size_t i = 0; i < l->noisy.n; i++)
            l->noisy.values[i] += l->photo.values[i];
        add_gradient(l, &l->noisy);
    }
    largest_colour(l, o->samples);
    l->out->score = score_at(l, &l->photo, &seeds);
}

/* heat = max(0, sum over channels of map * mean over positions of d score / d map), at the last map. */
static void gradcam(looking *l)
{
    encoder_seeds_f seeds;
    const float *dmap;
    l->out->score = score_at(l, &l->photo, &seeds);
    encoder_gradient_until_f(l->network, &seeds, target_map(&l->target), &dmap);
    const encoder_map_f map = encoder_gradient_map_f(l->network, target_map(&l->target));
    enum { POSITIONS = 7 * 7 }; /* of a picture of 224 x 224 */
    float heat[POSITIONS] = {0};
    for (int c = 0; c < map.channels; c++) {
        float weight = 0;
        for (int p = 0; p < POSITIONS; p++)
            weight += dmap[p * map.channels + c] / POSITIONS;
        for (int p = 0; p < POSITIONS; p++)
            heat[p] += weight * map.values[p * map.channels + c];
    }
    for (int p = 0; p < POSITIONS; p++)
        heat[p] = fmaxf(heat[p], 0);
    heat_enlarge(heat, map.height, map.width, l->out->heat, SIDE, SIDE);
}

static void normalise(caption_saliency_map *out)
{
    float most = 0;
    for (size_t i = 0; i < SIDE * SIDE; i++)
        most = fmaxf(most, out->heat[i]);
    out->maximum = most;
    for (size_t i = 0; i < SIDE * SIDE && most > 0; i++)
        out->heat[i] /= most;
}

int caption_saliency(caption_session *session, const caption_image *image, const caption_target *wanted,
                     caption_saliency_method method, const caption_visual_options *options, caption_saliency_map *out,
                     caption_error *err)
{
    looking l = {.options = options, .out = out};
    out->class_index = out->word = -1;
    out->caption[0] = '\0';
    int status = caption_visual_check(CAPTION_SALIENCY, options, err);
    if (status == CAPTION_OK)
        status = prepare(&l, session, image, err);
    if (status == CAPTION_OK)
        status = aim(&l, session, image, wanted, err);
    if (status == CAPTION_OK) {
        static void (*const methods[])(looking * l) = {gradient, smoothgrad, gradcam};
        methods[method](&l);
        normalise(out);
    }
    target_free(&l.target);
    pixels_free(&l.photo);
    pixels_free(&l.noisy);
    pixels_free(&l.gradient);
    pixels_free(&l.sum);
    return status;
}

/* ---- as a picture ------------------------------------------------------------------------------------------------ */

static int compare(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The value that one in a hundred exceeds. */
static float bright(const float *heat, float *sorted)
{
    memcpy(sorted, heat, SIDE * SIDE * sizeof *heat);
    qsort(sorted, SIDE * SIDE, sizeof *sorted, compare);
    return sorted[SIDE * SIDE - SIDE * SIDE / 100];
}

/* sum over the neighbourhood of 3 x 3 with weights 1 2 1; edges repeated */
static float smoothed(const float *heat, int y, int x)
{
    static const float weight[3] = {0.25f, 0.5f, 0.25f};
    float sum = 0;
    for (int i = -1; i <= 1; i++)
        for (int j = -1; j <= 1; j++) {
            const int row = y + i < 0 ? 0 : y + i < SIDE ? y + i : SIDE - 1;
            const int col = x + j < 0 ? 0 : x + j < SIDE ? x + j : SIDE - 1;
            sum += weight[i + 1] * weight[j + 1] * heat[row * SIDE + col];
        }
    return sum;
}

int caption_saliency_picture(caption_picture *out, const caption_saliency_map *map, const caption_picture *under,
                             int out_width, int out_height, caption_error *err)
{
    float *heat = malloc(2 * sizeof map->heat);
    *out = (caption_picture){0};
    if (!heat)
        return caption_fail(err, CAPTION_ENOMEM, "no memory for a heat map");
    for (int i = 0; i < SIDE * SIDE; i++)
        heat[i] = smoothed(map->heat, i / SIDE, i % SIDE);
    const float most = bright(heat, heat + SIDE * SIDE);
    for (int i = 0; i < SIDE * SIDE && most > 0; i++)
        heat[i] /= most;
    int status = caption_heat_picture(out, heat, SIDE, SIDE, under, out_width, out_height, err);
    free(heat);
    return status;
}
