/* visual_options.c: one table of the numbers that the views read. Defaults, ranges, descriptions, the command line and
 * requests all come from it. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "model/visual/visual_report.h"

enum {
    S = 1 << CAPTION_SALIENCY,
    F = 1 << CAPTION_FOOL,
    V = 1 << CAPTION_VISUALIZE,
    I = 1 << CAPTION_INVERT,
    D = 1 << CAPTION_DREAM,
};

#define INTEGER CAPTION_OPTION_INTEGER
#define REAL CAPTION_OPTION_REAL
#define AT(member) offsetof(caption_visual_options, member)

static const struct {
    int views;
    caption_option option;
} table[] = {
    {F, {"steps", "maximum number of steps", INTEGER, AT(steps), 1, 99, NULL}},
    {V | D, {"steps", "steps per octave", INTEGER, AT(steps), 1, 1000, NULL}},
    {I, {"steps", "steps of gradient descent", INTEGER, AT(steps), 1, 2000, NULL}},
    {F | V | I | D, {"rate", "step size", REAL, AT(rate), 1e-4, 100, NULL}},
    {V | I, {"l2", "weight of the L2 penalty on the image", REAL, AT(l2), 0, 10, NULL}},
    {V | I, {"variation", "weight of the total variation: larger is smoother", REAL, AT(variation), 0, 10, NULL}},
    {V | D, {"jitter", "maximum random shift in each step, in pixels", INTEGER, AT(jitter), 0, 64, NULL}},
    {V, {"blur", "sigma of the blur in pixels", REAL, AT(blur), 0, 5, NULL}},
    {V, {"blur-every", "steps between blurs; 0: never", INTEGER, AT(blur_every), 0, 2000, NULL}},
    {V | D, {"octaves", "number of image sizes, smallest first", INTEGER, AT(octaves), 1, 8, NULL}},
    {V | D, {"scale", "ratio of successive sizes", REAL, AT(scale), 1.1, 2, NULL}},
    {D, {"tile", "tile size for larger images", INTEGER, AT(tile), 128, 1024, NULL}},
    {D, {"max-side", "longest side of the result; larger images are shrunk", INTEGER, AT(max_side), 32, 2048, NULL}},
    {S, {"samples", "smoothgrad: number of noisy copies", INTEGER, AT(samples), 1, 100, NULL}},
    {S,
     {"noise", "smoothgrad: standard deviation of the noise, as a share of the value range", REAL, AT(noise), 0, 1,
      NULL}},
    {F, {"margin", "margin over every other class at which it stops", REAL, AT(margin), 0, 20, NULL}},
    {F, {"magnify", "factor of the difference picture", INTEGER, AT(magnify), 1, 255, NULL}},
    {F | V | I | D, {"preview-every", "steps between previews; 0: none", INTEGER, AT(preview_every), 0, 2000, NULL}},
};

const caption_option *caption_visual_option_at(caption_visual visual, size_t i)
{
    for (size_t row = 0; row < sizeof table / sizeof *table; row++)
        if (table[row].views & 1 << visual && i-- == 0)
            return &table[row].option;
    return NULL;
}

caption_visual_options caption_visual_defaults(caption_visual visual)
{
    static const caption_visual_options defaults[] = {
        [CAPTION_SALIENCY] = {.samples = 16, .noise = 0.15},
        [CAPTION_FOOL] = {.steps = 99, .rate = 1, .margin = 1, .magnify = 10, .preview_every = 5},
        [CAPTION_VISUALIZE] = {.steps = 100,
                               .rate = 3,
                               .l2 = 1e-3,
                               .variation = 0.1,
                               .jitter = 16,
                               .blur = 0.5,
                               .blur_every = 10,
                               .octaves = 3,
                               .scale = 1.4,
                               .preview_every = 10},
        [CAPTION_INVERT] = {.layer = 2, .steps = 600, .rate = 0.05, .preview_every = 10},
        [CAPTION_DREAM] = {.layer = 4,
                           .steps = 10,
                           .rate = 2,
                           .jitter = 16,
                           .octaves = 4,
                           .scale = 1.4,
                           .tile = 384,
                           .max_side = 1024,
                           .preview_every = 5},
    };
    caption_visual_options options = defaults[visual];
    options.seed = 1;
    return options;
}

const char *caption_visual_name(caption_visual visual)
{
    static const char *const names[] = {"saliency", "fool", "visualize", "invert", "dream"};
    return names[visual];
}

int caption_visual_check(caption_visual visual, const caption_visual_options *options, caption_error *err)
{
    const caption_option *o;
    for (size_t i = 0; (o = caption_visual_option_at(visual, i)); i++)
        if (caption_option_check(o, options, err))
            return CAPTION_EINVAL;
    if (options->layer < 0 || options->layer >= CAPTION_LAYERS)
        return caption_fail(err, CAPTION_EINVAL, "layer: %d is not between 0 and %d", options->layer,
                            CAPTION_LAYERS - 1);
    return CAPTION_OK;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

/* A number of at most four digits that is the whole text, or -1. */
static int number(const char *text)
{
    const size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 4 && !text[digits] ? atoi(text) : -1;
}

int caption_layer_index(const char *text)
{
    static const struct {
        const char *name;
        int layer;
    } names[] = {{"stem", 0}, {"shallow", 2}, {"middle", 5}, {"deep", 11}, {"head", CAPTION_LAYERS - 1}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i].name) == 0)
            return names[i].layer;
    const int layer = number(text);
    return layer < CAPTION_LAYERS ? layer : -1;
}

/* Is `text` one of the names in a label, "tabby, tabby cat"? */
static int is_in(const char *label, const char *text)
{
    const size_t length = strlen(text);
    for (const char *name = label; name; name = strstr(name, ", ") ? strstr(name, ", ") + 2 : NULL)
        if (strncasecmp(name, text, length) == 0 && (!name[length] || strncmp(name + length, ", ", 2) == 0))
            return 1;
    return 0;
}

int caption_encoder_class(const caption_encoder *encoder, const char *text)
{
    if (!*text)
        return -1;
    for (int i = 0; i < CAPTION_CLASSES; i++)
        if (strcasecmp(caption_encoder_label(encoder, i), text) == 0)
            return i;
    for (int i = 0; i < CAPTION_CLASSES; i++)
        if (is_in(caption_encoder_label(encoder, i), text))
            return i;
    const int index = number(text);
    return index < CAPTION_CLASSES ? index : -1;
}

int caption_saliency_method_parse(const char *name, caption_saliency_method *method)
{
    static const char *const names[] = {"gradient", "smoothgrad", "gradcam"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0) {
            *method = (caption_saliency_method)i;
            return 1;
        }
    return 0;
}
