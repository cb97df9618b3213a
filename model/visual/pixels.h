/* pixels.h: pictures as numbers: [height, width, 3], normalised as the encoder wants them, and what the views do to
 * them. All thread-safe: no state. */
#ifndef CAPTION_VISUAL_PIXELS_H
#define CAPTION_VISUAL_PIXELS_H

#include "model/random.h"
#include "model/visualize.h"

enum { COLOURS = 3 };

/* A picture of numbers; n = height * width * 3. */
typedef struct pixels {
    int height, width;
    size_t n;
    float *values;
} pixels;

int pixels_new(pixels *out, int height, int width, caption_error *err);
void pixels_free(pixels *p);

/* levels of 0..255 <-> values: (level - mean) / std of each colour */
typedef struct pixel_scale {
    float mean[COLOURS], std[COLOURS];
} pixel_scale;

pixel_scale pixels_scale(const caption_encoder *encoder);
void pixels_from_levels(const pixel_scale *s, const unsigned char *rgb, const pixels *out);
void pixels_to_levels(const pixel_scale *s, const pixels *p, unsigned char *rgb); /* rounded, clamped */

/* Moves every value back between black and white. */
void pixels_clamp(const pixel_scale *s, const pixels *p);

/* Normal noise of this standard deviation. */
void pixels_noise(const pixels *p, random_stream *random, double deviation);

/* out(y, x) = p(y - down, x - right), around the edges; out is not p. */
void pixels_shift(const pixels *p, int down, int right, const pixels *out);

/* Gaussian blur in place, edges repeated; spare is of the same size. */
void pixels_blur(const pixels *p, double sigma, const pixels *spare);

/* Bilinear, or antialiased when shrinking: image_resize on numbers. Any sizes. */
int pixels_resize(const pixels *p, const pixels *out, caption_error *err);

/* Adds the gradient of  weight * sum of sqrt(1e-4 + dx^2 + dy^2)  over positions and colours, the total variation. */
void pixels_add_variation(const pixels *p, double weight, float *gradient);

double pixels_rms(size_t n, const float *values);

#endif
