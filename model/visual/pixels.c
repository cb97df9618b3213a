/* pixels.c: pictures of normalised numbers: conversion, shift, blur, resize, penalties (pixels.h). No state. */
#include "model/visual/pixels.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/encoder/encoder_weights.h"

enum { MAX_REACH = 64 };

int pixels_new(pixels *out, int height, int width, caption_error *err)
{
    out->height = height;
    out->width = width;
    out->n = (size_t)height * (size_t)width * COLOURS;
    out->values = calloc(out->n, sizeof *out->values);
    return out->values ? CAPTION_OK
                       : caption_fail(err, CAPTION_ENOMEM, "no memory for a picture of %d x %d pixels", width, height);
}

void pixels_free(pixels *p)
{
    free(p->values);
    *p = (pixels){0};
}

/* The encoder only keeps a table of normalised levels, which is a line. */
pixel_scale pixels_scale(const caption_encoder *encoder)
{
    pixel_scale s;
    for (int c = 0; c < COLOURS; c++) {
        const float *line = encoder->normalised[c];
        s.std[c] = (ENCODER_LEVELS - 1) / (line[ENCODER_LEVELS - 1] - line[0]);
        s.mean[c] = -line[0] * s.std[c];
    }
    return s;
}

void pixels_from_levels(const pixel_scale *s, const unsigned char *rgb, const pixels *out)
{
    for (size_t i = 0; i < out->n; i++)
        out->values[i] = ((float)rgb[i] - s->mean[i % COLOURS]) / s->std[i % COLOURS];
}

void pixels_to_levels(const pixel_scale *s, const pixels *p, unsigned char *rgb)
{
    for (size_t i = 0; i < p->n; i++) {
        const float level = p->values[i] * s->std[i % COLOURS] + s->mean[i % COLOURS];
        rgb[i] = level > 0 ? (unsigned char)fminf(level + 0.5f, 255) : 0;
    }
}

void pixels_clamp(const pixel_scale *s, const pixels *p)
{
    for (size_t i = 0; i < p->n; i++) {
        const float mean = s->mean[i % COLOURS], std = s->std[i % COLOURS];
        p->values[i] = fminf(fmaxf(p->values[i], -mean / std), (255 - mean) / std);
    }
}

/* Two at a time (Box and Muller 1958). */
void pixels_noise(const pixels *p, random_stream *random, double deviation)
{
    for (size_t i = 0; i < p->n; i += 2) {
        const double radius = deviation * sqrt(-2 * log(1 - random_uniform(random)));
        const double angle = 2 * M_PI * random_uniform(random);
        p->values[i] = (float)(radius * cos(angle));
        if (i + 1 < p->n)
            p->values[i + 1] = (float)(radius * sin(angle));
    }
}

static int around(int i, int n)
{
    return (i % n + n) % n;
}

void pixels_shift(const pixels *p, int down, int right, const pixels *out)
{
    const size_t row = (size_t)p->width * COLOURS, split = (size_t)around(right, p->width) * COLOURS;
    for (int y = 0; y < p->height; y++) {
        const float *from = p->values + (size_t)y * row;
        float *to = out->values + (size_t)around(y + down, p->height) * row;
        memcpy(to + split, from, (row - split) * sizeof *to);
        memcpy(to, from + row - split, split * sizeof *to);
    }
}

static int within(int i, int n)
{
    return i < 0 ? 0 : i < n ? i : n - 1;
}

/* out(i) = sum_k weight(k) in(i + k) along lines of `count` entries, each `step` numbers from the next and `step` wide.
 */
static void blur_line(const float *in, int count, size_t step, const float *weight, int reach, float *out)
{
    for (int i = 0; i < count; i++) {
        float *to = out + (size_t)i * step;
        memset(to, 0, step * sizeof *to);
        for (int k = -reach; k <= reach; k++) {
            const float *from = in + (size_t)within(i + k, count) * step, w = weight[abs(k)];
            for (size_t c = 0; c < step; c++)
                to[c] += w * from[c];
        }
    }
}

void pixels_blur(const pixels *p, double sigma, const pixels *spare)
{
    float weight[MAX_REACH + 1], sum = 0;
    const int reach = (int)fmin(ceil(3 * sigma), MAX_REACH);
    const size_t row = (size_t)p->width * COLOURS;
    if (!(sigma > 0))
        return;
    for (int k = 0; k <= reach; k++) {
        weight[k] = (float)exp(-0.5 * k * k / (sigma * sigma));
        sum += (k ? 2 : 1) * weight[k];
    }
    for (int k = 0; k <= reach; k++)
        weight[k] /= sum;
    blur_line(p->values, p->height, row, weight, reach, spare->values);
    for (int y = 0; y < p->height; y++)
        blur_line(spare->values + (size_t)y * row, p->width, COLOURS, weight, reach, p->values + (size_t)y * row);
}

/* The weights of resample.c along one axis: a triangle as wide as the step, at least one. Entries as above. */
static void resize_line(const float *in, int count, size_t step, int outputs, float *out)
{
    const double ratio = (double)count / outputs, reach = ratio > 1 ? ratio : 1;
    for (int o = 0; o < outputs; o++) {
        const double centre = (o + 0.5) * ratio;
        const int first = (int)fmax(centre - reach + 0.5, 0), end = (int)fmin(centre + reach + 0.5, count);
        float *to = out + (size_t)o * step;
        double total = 0;
        memset(to, 0, step * sizeof *to);
        for (int i = first; i < end; i++) {
            const double w = fmax(1 - fabs(i + 0.5 - centre) / reach, 0);
            total += w;
            for (size_t c = 0; c < step; c++)
                to[c] += (float)w * in[(size_t)i * step + c];
        }
        for (size_t c = 0; c < step; c++)
            to[c] /= (float)total;
    }
}

int pixels_resize(const pixels *p, const pixels *out, caption_error *err)
{
    pixels narrow;
    int status = pixels_new(&narrow, p->height, out->width, err);
    if (status != CAPTION_OK)
        return status;
    const size_t row = (size_t)p->width * COLOURS, out_row = (size_t)out->width * COLOURS;
    for (int y = 0; y < p->height; y++)
        resize_line(p->values + (size_t)y * row, p->width, COLOURS, out->width, narrow.values + (size_t)y * out_row);
    resize_line(narrow.values, p->height, out_row, out->height, out->values);
    pixels_free(&narrow);
    return CAPTION_OK;
}

void pixels_add_variation(const pixels *p, double weight, float *gradient)
{
    const size_t row = (size_t)p->width * COLOURS;
    if (!(weight > 0))
        return;
    for (int y = 0; y < p->height; y++)
        for (size_t i = 0; i < row; i++) {
            const size_t at = (size_t)y * row + i;
            const int has_right = i + COLOURS < row, has_below = y + 1 < p->height;
            const float dx = has_right ? p->values[at + COLOURS] - p->values[at] : 0;
            const float dy = has_below ? p->values[at + row] - p->values[at] : 0;
            const float scale = (float)weight / sqrtf(1e-4f + dx * dx + dy * dy);
            gradient[at] -= scale * (dx + dy);
            if (has_right)
                gradient[at + COLOURS] += scale * dx;
            if (has_below)
                gradient[at + row] += scale * dy;
        }
}

double pixels_rms(size_t n, const float *values)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)values[i] * values[i];
    return sqrt(sum / (double)n);
}
