/* heat.c: a grid of numbers becomes colours, alone or over a photo. */
#include <math.h>
#include <stdlib.h>

#include "model/image/picture.h"

/* Magma (Nathaniel Smith and Stefan van der Walt, CC0): equal steps of heat are equal steps of lightness to the eye, so
 * that it also reads in grey and by those who see fewer colours. */
static const unsigned char magma[][3] = {
    {0, 0, 4},      {10, 8, 34},     {29, 17, 71},    {54, 16, 107},   {81, 18, 124},   {106, 28, 129},
    {131, 38, 129}, {156, 46, 127},  {183, 55, 121},  {207, 64, 112},  {229, 80, 100},  {244, 105, 92},
    {251, 135, 97}, {254, 165, 113}, {254, 194, 135}, {253, 224, 161}, {252, 253, 191},
};

enum { STEPS = sizeof magma / sizeof *magma - 1, TAPS = 4 };

static const float coldest = 0.45f, strongest = 0.9f; /* of an overlay: the photo's brightness, the colour's opacity */

/* NaN is cold. */
static float clamped(float x)
{
    return x > 0 ? (x < 1 ? x : 1) : 0;
}

static void colour_of(float heat, float colour[3])
{
    const float at = heat * STEPS;
    const int step = at < STEPS ? (int)at : STEPS - 1;
    for (int c = 0; c < 3; c++)
        colour[c] = (float)magma[step][c] + (at - (float)step) * (float)(magma[step + 1][c] - magma[step][c]);
}

/* The four neighbours that one output reads, and their weights: Catmull-Rom's cubic, which keeps the grid's own values.
 */
typedef struct taps {
    int at[TAPS];
    float weight[TAPS];
} taps;

static taps taps_of(int output, int outputs, int inputs)
{
    const float place = ((float)output + 0.5f) * (float)inputs / (float)outputs - 0.5f;
    const float below = floorf(place), t = place - below;
    taps s = {.weight = {((2 - t) * t - 1) * t / 2, (t * t * (3 * t - 5) + 2) / 2, t * ((4 - 3 * t) * t + 1) / 2,
                         t * t * (t - 1) / 2}};
    for (int i = 0; i < TAPS; i++) {
        const int at = (int)below - 1 + i;
        s.at[i] = at < 0 ? 0 : at < inputs ? at : inputs - 1;
    }
    return s;
}

static float heat_at(const float *heat, int width, const taps *y, const taps *x)
{
    float sum = 0;
    for (int i = 0; i < TAPS; i++)
        for (int j = 0; j < TAPS; j++) {
            const float h = heat[(size_t)y->at[i] * (size_t)width + (size_t)x->at[j]];
            sum += y->weight[i] * x->weight[j] * (h > 0 ? h : 0); /* NaN is cold */
        }
    return sum > 0 ? sum : 0; /* the cubic swings below its neighbours */
}

void heat_enlarge(const float *heat, int height, int width, float *out, int out_height, int out_width)
{
    for (int y = 0; y < out_height; y++) {
        const taps row = taps_of(y, out_height, height);
        for (int x = 0; x < out_width; x++) {
            const taps column = taps_of(x, out_width, width);
            *out++ = heat_at(heat, width, &row, &column);
        }
    }
}

/* The photo in grey, darker where it is cold; the hotter, the more of the colour. */
static void lay_over(const unsigned char *photo, float heat, float colour[3])
{
    const float grey = 0.299f * photo[0] + 0.587f * photo[1] + 0.114f * photo[2];
    const float opacity = strongest * sqrtf(heat);
    for (int c = 0; c < 3; c++)
        colour[c] = opacity * colour[c] + (1 - opacity) * grey * (coldest + (1 - coldest) * heat);
}

static void paint(const float *heat, const caption_picture *under, const caption_picture *out)
{
    const size_t pixels = (size_t)out->width * (size_t)out->height;
    for (size_t i = 0; i < pixels; i++) {
        const float h = clamped(heat[i]);
        float colour[3];
        colour_of(h, colour);
        if (under)
            lay_over(under->rgb + 3 * i, h, colour);
        for (size_t c = 0; c < 3; c++)
            out->rgb[3 * i + c] = (unsigned char)(colour[c] + 0.5f);
    }
}

int caption_heat_picture(caption_picture *out, const float *heat, int height, int width, const caption_picture *under,
                         int out_width, int out_height, caption_error *err)
{
    *out = (caption_picture){0};
    out_width = under ? under->width : out_width;
    out_height = under ? under->height : out_height;
    if (height < 1 || width < 1 || out_width < 1 || out_height < 1)
        return caption_fail(err, CAPTION_EINVAL, "a heat map of %d x %d as a picture of %d x %d", width, height,
                            out_width, out_height);
    float *large = malloc((size_t)out_width * (size_t)out_height * sizeof *large);
    int status = large
                     ? picture_new(out, out_width, out_height, err)
                     : caption_fail(err, CAPTION_ENOMEM, "no memory for a heat map of %d x %d", out_width, out_height);
    if (status == CAPTION_OK) {
        heat_enlarge(heat, height, width, large, out_height, out_width);
        paint(large, under, out);
    }
    free(large);
    return status;
}

void caption_heat_shrink(const float *heat, int side, float *out, int out_side)
{
    for (int y = 0; y < out_side; y++)
        for (int x = 0; x < out_side; x++) {
            const int top = y * side / out_side, bottom = (y + 1) * side / out_side;
            const int left = x * side / out_side, right = (x + 1) * side / out_side;
            float sum = 0;
            for (int i = top; i < bottom; i++)
                for (int j = left; j < right; j++)
                    sum += heat[i * side + j];
            out[y * out_side + x] = sum / (float)((bottom - top) * (right - left));
        }
}
