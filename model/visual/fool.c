/* fool.c: a picture becomes another class to the network while it stays the same to us (Szegedy et al. 2013).
 *
 * Every step follows the gradient of the target's score for a fixed length: x += rate g / |g| (CS231n). The network
 * always looks at the picture as it would be saved, rounded to levels of 0..255, so what it is fooled by is what comes
 * out; the steps themselves add up unrounded. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/encoder/encoder_gradient.h"
#include "model/image/picture.h"
#include "model/visual/visual_report.h"

enum { SIDE = CAPTION_IMAGE_SIDE };

typedef struct fooling {
    const caption_visual_options *options;
    const caption_image *image;
    encoder_gradient_f *network;
    pixel_scale scale;
    pixels exact, rounded, gradient;
    caption_fooled *out;
} fooling;

void caption_fooled_free(caption_fooled *fooled)
{
    caption_picture_free(&fooled->picture);
    caption_picture_free(&fooled->difference);
}

static int prepare(fooling *f, caption_encoder *encoder, caption_error *err)
{
    f->scale = pixels_scale(encoder);
    int status = encoder_gradient_new_f(&f->network, encoder, SIDE, SIDE, err);
    status = status ? status : pixels_new(&f->exact, SIDE, SIDE, err);
    status = status ? status : pixels_new(&f->rounded, SIDE, SIDE, err);
    status = status ? status : pixels_new(&f->gradient, SIDE, SIDE, err);
    status = status ? status : picture_new(&f->out->picture, SIDE, SIDE, err);
    status = status ? status : picture_new(&f->out->difference, SIDE, SIDE, err);
    if (status == CAPTION_OK)
        pixels_from_levels(&f->scale, f->image->rgb, &f->exact);
    return status;
}

static int best_class(const float *logits, int except)
{
    int best = except == 0;
    for (int i = 0; i < CAPTION_CLASSES; i++)
        if (i != except && logits[i] > logits[best])
            best = i;
    return best;
}

/* Classifies the picture as it would be saved; returns the target's lead over every other class. */
static float look(fooling *f)
{
    caption_fooled *out = f->out;
    pixels_to_levels(&f->scale, &f->exact, out->picture.rgb);
    pixels_from_levels(&f->scale, out->picture.rgb, &f->rounded);
    encoder_gradient_forward_f(f->network, f->rounded.values, ENCODER_LOGITS);
    const float *logits = encoder_gradient_logits_f(f->network);
    if (out->steps == 0) {
        out->from = best_class(logits, -1);
        out->from_before = logits[out->from];
        out->to_before = logits[out->to];
    }
    out->from_after = logits[out->from];
    out->to_after = logits[out->to];
    return logits[out->to] - logits[best_class(logits, out->to)];
}

static void climb(fooling *f)
{
    float seed[CAPTION_CLASSES] = {0};
    seed[f->out->to] = 1;
    encoder_gradient_backward_f(f->network, &(encoder_seeds_f){.logits = seed}, f->gradient.values);
    const double norm = pixels_rms(f->gradient.n, f->gradient.values) * sqrt((double)f->gradient.n);
    const float length = norm > 0 ? (float)(f->options->rate / norm) : 0;
    for (size_t i = 0; i < f->exact.n; i++)
        f->exact.values[i] += length * f->gradient.values[i];
    pixels_clamp(&f->scale, &f->exact);
}

static int run(fooling *f, caption_error *err)
{
    visual_report at = {f->options, &f->scale, "ascending", "score", 0, f->options->steps};
    for (;; at.step = ++f->out->steps) {
        const float lead = look(f);
        f->out->reached = lead > 0 && lead >= (float)f->options->margin;
        int status = visual_progress(&at, f->out->to_after, &f->rounded, err);
        if (status != CAPTION_OK || f->out->reached || at.step == at.steps)
            return status;
        climb(f);
    }
}

/* Grey where nothing changed. */
static void show_difference(fooling *f)
{
    caption_fooled *out = f->out;
    long sum = 0;
    for (size_t i = 0; i < f->exact.n; i++) {
        const int change = out->picture.rgb[i] - f->image->rgb[i], shown = 128 + change * f->options->magnify;
        out->difference.rgb[i] = (unsigned char)(shown < 0 ? 0 : shown < 255 ? shown : 255);
        out->largest_change = abs(change) > out->largest_change ? abs(change) : out->largest_change;
        sum += abs(change);
    }
    out->mean_change = (double)sum / (double)f->exact.n;
}

int caption_fool(caption_encoder *encoder, const caption_image *image, int to, const caption_visual_options *options,
                 caption_fooled *out, caption_error *err)
{
    fooling f = {.options = options, .image = image, .out = out};
    *out = (caption_fooled){.to = to};
    int status = caption_visual_check(CAPTION_FOOL, options, err);
    if (status == CAPTION_OK && (to < 0 || to >= CAPTION_CLASSES))
        status = caption_fail(err, CAPTION_EINVAL, "class: %d is not between 0 and %d", to, CAPTION_CLASSES - 1);
    if (status == CAPTION_OK)
        status = prepare(&f, encoder, err);
    if (status == CAPTION_OK)
        status = run(&f, err);
    if (status == CAPTION_OK)
        show_difference(&f);
    else
        caption_fooled_free(out);
    pixels_free(&f.exact);
    pixels_free(&f.rounded);
    pixels_free(&f.gradient);
    encoder_gradient_free_f(f.network);
    return status;
}
