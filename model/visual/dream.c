/* dream.c: DeepDream (Mordvintsev et al. 2015): a photo with more of what a layer sees in it.
 *
 * The picture climbs half the squared norm of the layer's output, whose gradient there is the output itself. It does so
 * at several sizes, small ones first: each begins with the photo at that size and what was dreamt at the size before,
 * enlarged, so that details of the photo are never lost. Every step shifts the picture at random and cuts it into tiles
 * of one size that overlap where they must: memory is that of one tile, and no seam stays in one place. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/encoder/encoder_gradient.h"
#include "model/image/picture.h"
#include "model/visual/visual_report.h"

enum { SMALLEST_OCTAVE = 96 };

static const double level = 1 / 57.6; /* the rate's unit, a level of 0..255, normalised */

typedef struct dreaming {
    const caption_visual_options *options;
    caption_encoder *encoder;
    pixel_scale scale;
    random_stream random;
    pixels photo, base, x; /* at full size; at this octave's; with what is dreamt */

    /* Of this octave. */
    encoder_gradient_f *network; /* for tiles of height x width */
    pixels shifted, gradient, tile, dtile;
    float *seed; /* of the layer's output */
} dreaming;

static void leave_octave(dreaming *d)
{
    encoder_gradient_free_f(d->network);
    d->network = NULL;
    free(d->seed);
    d->seed = NULL;
    pixels_free(&d->shifted);
    pixels_free(&d->gradient);
    pixels_free(&d->tile);
    pixels_free(&d->dtile);
}

/* As many equal tiles as needed, none larger than `most`. */
static int tile_side(int side, int most)
{
    const int tiles = (side + most - 1) / most;
    return (side + tiles - 1) / tiles;
}

static size_t map_size(const encoder_map_f *map)
{
    return (size_t)map->height * (size_t)map->width * (size_t)map->channels;
}

static int take_tiles(dreaming *d, caption_error *err)
{
    const int height = tile_side(d->x.height, d->options->tile), width = tile_side(d->x.width, d->options->tile);
    int status = encoder_gradient_new_f(&d->network, d->encoder, height, width, err);
    status = status ? status : pixels_new(&d->shifted, d->x.height, d->x.width, err);
    status = status ? status : pixels_new(&d->gradient, d->x.height, d->x.width, err);
    status = status ? status : pixels_new(&d->tile, height, width, err);
    status = status ? status : pixels_new(&d->dtile, height, width, err);
    if (status != CAPTION_OK)
        return status;
    const encoder_map_f map = encoder_gradient_map_f(d->network, d->options->layer);
    d->seed = malloc(map_size(&map) * sizeof *d->seed);
    return d->seed ? CAPTION_OK
                   : caption_fail(err, CAPTION_ENOMEM, "no memory for a layer of %zu numbers", map_size(&map));
}

/* The octave's photo, plus what was dreamt on the smaller one. */
static int enter_octave(dreaming *d, int height, int width, caption_error *err)
{
    pixels base = {0}, x = {0};
    int status = pixels_new(&base, height, width, err);
    status = status ? status : pixels_new(&x, height, width, err);
    status = status ? status : pixels_resize(&d->photo, &base, err);
    for (size_t i = 0; i < d->x.n && d->x.values && status == CAPTION_OK; i++)
        d->x.values[i] -= d->base.values[i];
    if (status == CAPTION_OK && d->x.values)
        status = pixels_resize(&d->x, &x, err);
    for (size_t i = 0; i < x.n && status == CAPTION_OK; i++)
        x.values[i] += base.values[i];
    pixels_free(&d->base);
    pixels_free(&d->x);
    d->base = base;
    d->x = x;
    return status ? status : take_tiles(d, err);
}

/* Copies a tile whose upper left corner is at (top, left) of the whole. */
static void cut(const pixels *whole, int top, int left, const pixels *tile)
{
    for (int y = 0; y < tile->height; y++)
        memcpy(tile->values + (size_t)y * (size_t)tile->width * COLOURS,
               whole->values + ((size_t)(top + y) * (size_t)whole->width + (size_t)left) * COLOURS,
               (size_t)tile->width * COLOURS * sizeof *tile->values);
}

static void paste(const pixels *tile, int top, int left, const pixels *whole)
{
    for (int y = 0; y < tile->height; y++)
        memcpy(whole->values + ((size_t)(top + y) * (size_t)whole->width + (size_t)left) * COLOURS,
               tile->values + (size_t)y * (size_t)tile->width * COLOURS,
               (size_t)tile->width * COLOURS * sizeof *tile->values);
}

/* Where the i-th tile begins. */
static int place(int i, int side, int tile)
{
    return i * tile + tile > side ? side - tile : i * tile;
}

/* One tile's gradient in dtile; returns the mean square of the layer's output. */
static double look(dreaming *d)
{
    encoder_seeds_f seeds = {0};
    const int layer = d->options->layer;
    encoder_gradient_forward_f(d->network, d->tile.values, layer);
    const encoder_map_f map = encoder_gradient_map_f(d->network, layer);
    const size_t size = map_size(&map);
    memcpy(d->seed, map.values, size * sizeof *d->seed);
    seeds.map[layer] = d->seed;
    encoder_gradient_backward_f(d->network, &seeds, d->dtile.values);
    const double rms = pixels_rms(size, d->seed);
    return rms * rms;
}

static double look_everywhere(dreaming *d)
{
    double sum = 0;
    int tiles = 0;
    for (int i = 0; i * d->tile.height < d->x.height; i++)
        for (int j = 0; j * d->tile.width < d->x.width; j++, tiles++) {
            const int top = place(i, d->x.height, d->tile.height), left = place(j, d->x.width, d->tile.width);
            cut(&d->shifted, top, left, &d->tile);
            sum += look(d);
            paste(&d->dtile, top, left, &d->gradient);
        }
    return sum / tiles;
}

/* x += rate g / mean |g| */
static double climb(dreaming *d)
{
    const size_t jitter = (size_t)d->options->jitter + 1;
    const int down = (int)random_below(&d->random, jitter), right = (int)random_below(&d->random, jitter);
    pixels_shift(&d->x, down, right, &d->shifted);
    const double activation = look_everywhere(d);
    double sum = 0;
    for (size_t i = 0; i < d->gradient.n; i++)
        sum += fabsf(d->gradient.values[i]);
    const float length = sum > 0 ? (float)(d->options->rate * level * (double)d->gradient.n / sum) : 0;
    for (size_t i = 0; i < d->gradient.n; i++)
        d->shifted.values[i] += length * d->gradient.values[i];
    pixels_shift(&d->shifted, -down, -right, &d->x);
    pixels_clamp(&d->scale, &d->x);
    return activation;
}

static int dream_octave(dreaming *d, visual_report *at, caption_error *err)
{
    for (int step = 0; step < d->options->steps; step++) {
        const double activation = climb(d);
        at->step++;
        int status = visual_progress(at, activation, &d->x, err);
        if (status != CAPTION_OK)
            return status;
    }
    return CAPTION_OK;
}

/* A side at an octave: full size at the last. Octaves too small to show the network anything are that small at least.
 */
static int side_of(const dreaming *d, int side, int octave)
{
    const int shorter = d->photo.height < d->photo.width ? d->photo.height : d->photo.width;
    const double shrink = pow(d->options->scale, d->options->octaves - 1 - octave);
    const double most = fmax((double)shorter / SMALLEST_OCTAVE, 1);
    return (int)(side / fmin(shrink, most) + 0.5);
}

static int run(dreaming *d, caption_error *err)
{
    const caption_visual_options *o = d->options;
    char stage[40];
    visual_report at = {o, &d->scale, stage, "activation", 0, o->steps * o->octaves};
    int status = CAPTION_OK;
    for (int octave = 0; octave < o->octaves && status == CAPTION_OK; octave++) {
        snprintf(stage, sizeof stage, "octave %d of %d", octave + 1, o->octaves);
        leave_octave(d);
        status = enter_octave(d, side_of(d, d->photo.height, octave), side_of(d, d->photo.width, octave), err);
        if (status == CAPTION_OK)
            status = dream_octave(d, &at, err);
    }
    return status;
}

static int check_size(const caption_picture *photo, const caption_visual_options *o, caption_error *err)
{
    const int shorter = photo->width < photo->height ? photo->width : photo->height;
    const int longer = photo->width < photo->height ? photo->height : photo->width;
    if (longer > o->max_side)
        return caption_fail(err, CAPTION_ELIMIT, "a picture of %d x %d pixels to dream of; at most %d a side",
                            photo->width, photo->height, o->max_side);
    return shorter >= CAPTION_DREAM_SIDE
               ? CAPTION_OK
               : caption_fail(err, CAPTION_EINVAL, "a picture of %d x %d pixels to dream of; at least %d a side",
                              photo->width, photo->height, CAPTION_DREAM_SIDE);
}

int caption_dream(caption_encoder *encoder, const caption_picture *photo, const caption_visual_options *options,
                  caption_picture *out, caption_error *err)
{
    dreaming d = {.options = options, .encoder = encoder, .random = random_seeded(options->seed)};
    *out = (caption_picture){0};
    d.scale = pixels_scale(encoder);
    int status = caption_visual_check(CAPTION_DREAM, options, err);
    if (status == CAPTION_OK)
        status = check_size(photo, options, err);
    if (status == CAPTION_OK)
        status = pixels_new(&d.photo, photo->height, photo->width, err);
    if (status == CAPTION_OK) {
        pixels_from_levels(&d.scale, photo->rgb, &d.photo);
        status = run(&d, err);
    }
    if (status == CAPTION_OK)
        status = visual_picture(&d.scale, &d.x, out, err);
    leave_octave(&d);
    pixels_free(&d.photo);
    pixels_free(&d.base);
    pixels_free(&d.x);
    return status;
}
