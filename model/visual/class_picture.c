/* class_picture.c: what does a class, or a word, look like to the network? (Simonyan et al. 2013; CS231n)
 *
 * From noise, the picture climbs the gradient of the score. What keeps it from becoming noise that only the network
 * understands: it begins small and grows (octaves), so that large shapes come first; each step sees it shifted at
 * random (jitter); of the gradient, coarse and fine parts count alike; and it is pulled towards grey (l2), towards flat
 * (variation) and blurred now and then. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/encoder/encoder_gradient.h"
#include "model/image/picture.h"
#include "model/visual/target.h"
#include "model/visual/visual_report.h"

enum { SIDE = CAPTION_IMAGE_SIDE, SMALLEST = 64 };

static const double first_noise = 0.1;         /* deviation of the picture that it begins with */
static const double finest = 1, coarsest = 24; /* blurs of the gradient: sigma in pixels, and as a share of the width */
static const double level = 1 / 57.6;          /* the rate's unit, a level of 0..255, normalised */

typedef struct climbing {
    const caption_visual_options *options;
    caption_encoder *encoder;
    pixel_scale scale;
    target target;
    random_stream random;
    pixels x;

    /* Of the size of x, made for each octave. */
    encoder_gradient_f *network;
    pixels shifted, gradient, smooth, spare;
} climbing;

static int side_of(const climbing *c, int octave)
{
    const double side = SIDE / pow(c->options->scale, c->options->octaves - 1 - octave);
    return side > SMALLEST ? (int)(side + 0.5) : SMALLEST;
}

static void leave_octave(climbing *c)
{
    encoder_gradient_free_f(c->network);
    c->network = NULL;
    pixels_free(&c->shifted);
    pixels_free(&c->gradient);
    pixels_free(&c->smooth);
    pixels_free(&c->spare);
}

/* x grows to the octave's size; the first begins with noise. */
static int enter_octave(climbing *c, int side, caption_error *err)
{
    pixels grown;
    int status = pixels_new(&grown, side, side, err);
    if (status == CAPTION_OK && c->x.values)
        status = pixels_resize(&c->x, &grown, err);
    else if (status == CAPTION_OK)
        pixels_noise(&grown, &c->random, first_noise);
    pixels_free(&c->x);
    c->x = grown;
    status = status ? status : encoder_gradient_new_f(&c->network, c->encoder, side, side, err);
    status = status ? status : pixels_new(&c->shifted, side, side, err);
    status = status ? status : pixels_new(&c->gradient, side, side, err);
    status = status ? status : pixels_new(&c->smooth, side, side, err);
    return status ? status : pixels_new(&c->spare, side, side, err);
}

/* The score of `shown`, and the gradient of the score there. */
static double look(climbing *c, const pixels *shown, float *gradient)
{
    encoder_seeds_f seeds;
    encoder_gradient_forward_f(c->network, shown->values, target_last(&c->target));
    const double score = target_score(&c->target, c->network, &seeds);
    if (gradient)
        encoder_gradient_backward_f(c->network, &seeds, gradient);
    return score;
}

/* Colours of photos mostly go up and down together; this is how much, as measured on ImageNet (Olah et al. 2017). A
 * gradient mixed so makes light and shade before it makes colour. */
static const float together[COLOURS][COLOURS] = {{1.00f, 0.91f, 0.82f}, {0.91f, 1.00f, 0.94f}, {0.82f, 0.94f, 1.08f}};

static void mix_colours(const pixels *g)
{
    const float mix = 0.8f; /* of 1: some colour of its own */
    for (size_t i = 0; i < g->n; i += COLOURS) {
        const float *v = g->values + i, old[COLOURS] = {v[0], v[1], v[2]};
        for (int c = 0; c < COLOURS; c++) {
            g->values[i + (size_t)c] = old[c] * (1 - mix);
            for (int k = 0; k < COLOURS; k++)
                g->values[i + (size_t)c] += mix * together[c][k] * old[k];
        }
    }
}

/* smooth = sum of the gradient's blurred versions, each scaled to the same size. */
static void even_out(climbing *c)
{
    const pixels *g = &c->gradient;
    mix_colours(g);
    memset(c->smooth.values, 0, g->n * sizeof *g->values);
    for (double sigma = finest; sigma <= g->width / coarsest; sigma *= 2) {
        memcpy(c->shifted.values, g->values, g->n * sizeof *g->values);
        pixels_blur(&c->shifted, sigma, &c->spare);
        const float share = (float)(1 / (pixels_rms(g->n, c->shifted.values) + 1e-20));
        for (size_t i = 0; i < g->n; i++)
            c->smooth.values[i] += share * c->shifted.values[i];
    }
}

static double climb(climbing *c, int step)
{
    const caption_visual_options *o = c->options;
    const int down = (int)random_below(&c->random, (size_t)o->jitter + 1);
    const int right = (int)random_below(&c->random, (size_t)o->jitter + 1);
    pixels_shift(&c->x, down, right, &c->shifted);
    const double score = look(c, &c->shifted, c->spare.values);
    pixels_shift(&c->spare, -down, -right, &c->gradient);
    even_out(c);
    const double fading = 0.6 + 0.4 * cos(M_PI * step / o->steps); /* 1 .. 0.2: coarse strokes first in each octave */
    const double length = o->rate * fading * level / (pixels_rms(c->x.n, c->smooth.values) + 1e-20);
    memset(c->gradient.values, 0, c->x.n * sizeof *c->gradient.values);
    pixels_add_variation(&c->x, o->variation * level, c->gradient.values);
    for (size_t i = 0; i < c->x.n; i++)
        c->x.values[i] += (float)length * c->smooth.values[i] - c->gradient.values[i] - (float)o->l2 * c->x.values[i];
    pixels_clamp(&c->scale, &c->x);
    if (o->blur_every > 0 && (step + 1) % o->blur_every == 0)
        pixels_blur(&c->x, o->blur, &c->spare);
    return score;
}

static int climb_octave(climbing *c, visual_report *at, caption_error *err)
{
    for (int step = 0; step < c->options->steps; step++) {
        const double score = climb(c, step);
        at->step++;
        int status = visual_progress(at, score, &c->x, err);
        if (status != CAPTION_OK)
            return status;
    }
    return CAPTION_OK;
}

static int run(climbing *c, caption_picture *out, double *score, caption_error *err)
{
    const caption_visual_options *o = c->options;
    visual_report at = {o, &c->scale, "ascending", "score", 0, o->steps * o->octaves};
    int status = CAPTION_OK;
    for (int octave = 0; octave < o->octaves && status == CAPTION_OK; octave++) {
        leave_octave(c);
        status = enter_octave(c, side_of(c, octave), err);
        if (status == CAPTION_OK)
            status = climb_octave(c, &at, err);
    }
    if (status == CAPTION_OK)
        status = visual_picture(&c->scale, &c->x, out, err);
    if (status == CAPTION_OK) {
        pixels_from_levels(&c->scale, out->rgb, &c->x);
        *score = look(c, &c->x, NULL);
    }
    return status;
}

int caption_visualize(caption_encoder *encoder, const caption_target *wanted, const caption_visual_options *options,
                      caption_picture *out, double *score, caption_error *err)
{
    climbing c = {.options = options, .encoder = encoder, .random = random_seeded(options->seed)};
    *out = (caption_picture){0};
    c.scale = pixels_scale(encoder);
    int status = caption_visual_check(CAPTION_VISUALIZE, options, err);
    if (status == CAPTION_OK)
        status = target_of(&c.target, wanted, err);
    if (status == CAPTION_OK)
        status = run(&c, out, score, err);
    leave_octave(&c);
    pixels_free(&c.x);
    target_free(&c.target);
    return status;
}
