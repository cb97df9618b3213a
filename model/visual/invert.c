/* invert.c: which picture looks to a layer as the photo does? (Mahendran & Vedaldi 2015)
 *
 * From noise, Adam descends  |phi(x) - phi(photo)|^2 / |phi(photo)|^2 + l2 mean x^2 + variation * mean total variation,
 * the rate falling to 0 by a cosine. What comes out differs from the photo in what the layer has forgotten. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/encoder/encoder_gradient.h"
#include "model/image/picture.h"
#include "model/training/optimizer.h"
#include "model/visual/visual_report.h"

enum { SIDE = CAPTION_IMAGE_SIDE };

static const double first_noise = 0.2; /* deviation of the picture that it begins with */

typedef struct inversion {
    const caption_visual_options *options;
    encoder_gradient_f *network;
    pixel_scale scale;
    pixels x, gradient;
    float *wanted, *dmap; /* phi(photo), and d loss / d phi */
    size_t size;          /* of both */
    double square;        /* |phi(photo)|^2 */
    optimizer adam;
} inversion;

void caption_inverted_free(caption_inverted *inverted)
{
    caption_picture_free(&inverted->picture);
}

static const float *look(inversion *v)
{
    encoder_gradient_forward_f(v->network, v->x.values, v->options->layer);
    return encoder_gradient_map_f(v->network, v->options->layer).values;
}

static int prepare(inversion *v, caption_encoder *encoder, const caption_image *image, caption_error *err)
{
    optimizer_options adam = optimizer_defaults();
    v->scale = pixels_scale(encoder);
    int status = encoder_gradient_new_f(&v->network, encoder, SIDE, SIDE, err);
    status = status ? status : pixels_new(&v->x, SIDE, SIDE, err);
    status = status ? status : pixels_new(&v->gradient, SIDE, SIDE, err);
    status = status ? status : optimizer_init(&v->adam, &adam, v->x.n, v->x.values, err);
    if (status != CAPTION_OK)
        return status;
    const encoder_map_f map = encoder_gradient_map_f(v->network, v->options->layer);
    v->size = (size_t)map.height * (size_t)map.width * (size_t)map.channels;
    v->wanted = malloc(v->size * sizeof *v->wanted);
    v->dmap = malloc(v->size * sizeof *v->dmap);
    if (!v->wanted || !v->dmap)
        return caption_fail(err, CAPTION_ENOMEM, "no memory for a layer of %zu numbers", v->size);
    pixels_from_levels(&v->scale, image->rgb, &v->x);
    memcpy(v->wanted, look(v), v->size * sizeof *v->wanted);
    for (size_t i = 0; i < v->size; i++)
        v->square += (double)v->wanted[i] * v->wanted[i];
    random_stream random = random_seeded(v->options->seed);
    pixels_noise(&v->x, &random, first_noise);
    return CAPTION_OK;
}

/* The first term of the loss, and dmap. */
static double distance(inversion *v)
{
    const float *map = look(v);
    double sum = 0;
    for (size_t i = 0; i < v->size; i++) {
        const float difference = map[i] - v->wanted[i];
        sum += (double)difference * difference;
        v->dmap[i] = (float)(2 / v->square) * difference;
    }
    return sum / v->square;
}

static void descend(inversion *v, int step)
{
    const caption_visual_options *o = v->options;
    const double share = 1 / (double)v->x.n;
    encoder_seeds_f seeds = {0};
    seeds.map[o->layer] = v->dmap;
    encoder_gradient_backward_f(v->network, &seeds, v->gradient.values);
    for (size_t i = 0; i < v->x.n && o->l2 > 0; i++)
        v->gradient.values[i] += (float)(2 * o->l2 * share) * v->x.values[i];
    pixels_add_variation(&v->x, o->variation * share, v->gradient.values);
    optimizer_step(&v->adam, o->rate * (1 + cos(M_PI * step / o->steps)) / 2, v->x.values, v->gradient.values);
    pixels_clamp(&v->scale, &v->x);
}

static int run(inversion *v, caption_inverted *out, caption_error *err)
{
    visual_report at = {v->options, &v->scale, "inverting", "loss", 0, v->options->steps};
    for (;; at.step++) {
        out->last_loss = distance(v);
        if (at.step == 0)
            out->first_loss = out->last_loss;
        int status = visual_progress(&at, out->last_loss, &v->x, err);
        if (status != CAPTION_OK)
            return status;
        if (at.step == at.steps)
            return visual_picture(&v->scale, &v->x, &out->picture, err);
        descend(v, at.step);
    }
}

int caption_invert(caption_encoder *encoder, const caption_image *image, const caption_visual_options *options,
                   caption_inverted *out, caption_error *err)
{
    inversion v = {.options = options};
    *out = (caption_inverted){0};
    int status = caption_visual_check(CAPTION_INVERT, options, err);
    if (status == CAPTION_OK)
        status = prepare(&v, encoder, image, err);
    if (status == CAPTION_OK)
        status = run(&v, out, err);
    optimizer_free(&v.adam);
    free(v.wanted);
    free(v.dmap);
    pixels_free(&v.x);
    pixels_free(&v.gradient);
    encoder_gradient_free_f(v.network);
    return status;
}
