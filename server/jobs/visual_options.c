/* visual_options.c: one table of what can be asked of all five views, and in what form. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/json.h"
#include "server/jobs/visual_reading.h"

enum { LEAST_SIZE = 7 };

/* ---- single options: each returns 0, or 1 with the problem set --------------------------------------------------- */

static int refuse(visual_reading *r, const char *name, const char *value, const char *wanted)
{
    return problem_set(r->problem, PROBLEM_BAD_OPTION, "%s: \"%.60s\" is not %s", name, value, wanted);
}

static int copy_text(visual_reading *r, const char *name, const char *value, char *out, size_t room)
{
    size_t length = strlen(value);
    if (length == 0 || length >= room)
        return problem_set(r->problem, PROBLEM_BAD_OPTION, "%s: needs 1 to %zu bytes", name, room - 1);
    memcpy(out, value, length + 1);
    return 0;
}

/* A whole number of digits alone; -1 if it is none. */
static int parse_index(const char *value)
{
    size_t digits = strspn(value, "0123456789");
    return digits > 0 && digits <= 6 && !value[digits] ? atoi(value) : -1;
}

static int set_class(visual_reading *r, const char *value, written how)
{
    (void)how;
    r->request->class_index = *value ? caption_encoder_class(r->encoder, value) : -1;
    return r->request->class_index >= 0 ? 0
                                        : refuse(r, "class", value, "an index from 0 to 999 or a label of ImageNet");
}

/* A number is a place in the caption; as text, too, where the view has one. */
static int set_word(visual_reading *r, const char *value, written how)
{
    visual_request *q = r->request;
    int index = how == AS_STRING || q->visual != CAPTION_SALIENCY ? -1 : parse_index(value);
    if (how == AS_NUMBER && (index < 0 || index >= CAPTION_MAX_WORDS))
        return refuse(r, "word", value, "a word or its place in the caption, from 0");
    q->word_index = index;
    return index >= 0 ? 0 : copy_text(r, "word", value, q->word, sizeof q->word);
}

static int set_caption(visual_reading *r, const char *value, written how)
{
    (void)how;
    return copy_text(r, "caption", value, r->request->caption, sizeof r->request->caption);
}

static int set_before(visual_reading *r, const char *value, written how)
{
    (void)how;
    return copy_text(r, "before", value, r->request->before, sizeof r->request->before);
}

static int set_model(visual_reading *r, const char *value, written how)
{
    (void)how;
    return copy_text(r, "model", value, r->request->model, sizeof r->request->model);
}

static int set_layer(visual_reading *r, const char *value, written how)
{
    (void)how;
    r->request->options.layer = *value ? caption_layer_index(value) : -1;
    return r->request->options.layer >= 0
               ? 0
               : refuse(r, "layer", value, "a layer: 0 to 17, stem, shallow, middle, deep or head");
}

static int set_method(visual_reading *r, const char *value, written how)
{
    (void)how;
    return caption_saliency_method_parse(value, &r->request->method)
               ? 0
               : refuse(r, "method", value, "gradient, smoothgrad or gradcam");
}

static int set_view(visual_reading *r, const char *value, written how)
{
    (void)how;
    r->request->overlay = strcmp(value, "overlay") == 0;
    return r->request->overlay || strcmp(value, "heat") == 0 ? 0 : refuse(r, "view", value, "heat or overlay");
}

/* 0 with *out set if it is a number in the range. */
static int read_number(visual_reading *r, const char *name, const char *value, double minimum, double maximum,
                       int whole, double *out)
{
    char *end;
    *out = strtod(value, &end);
    if (*value && !*end && strspn(value, "+-.0123456789eE") == strlen(value) && *out >= minimum && *out <= maximum &&
        (!whole || *out == floor(*out)))
        return 0;
    return problem_set(r->problem, PROBLEM_BAD_OPTION, "%s: \"%.40s\" is not a %snumber from %g to %.16g", name, value,
                       whole ? "whole " : "", minimum, maximum);
}

static int set_size(visual_reading *r, const char *value, written how)
{
    double size;
    (void)how;
    if (read_number(r, "size", value, LEAST_SIZE, CAPTION_IMAGE_SIDE, 1, &size))
        return 1;
    r->request->size = (int)size;
    return 0;
}

static int set_seed(visual_reading *r, const char *value, written how)
{
    double seed;
    (void)how;
    if (read_number(r, "seed", value, 0, json_most_integer, 1, &seed))
        return 1;
    r->request->options.seed = (uint64_t)seed;
    return 0;
}

enum {
    OF_SALIENCY = 1 << CAPTION_SALIENCY,
    OF_FOOL = 1 << CAPTION_FOOL,
    OF_VISUALIZE = 1 << CAPTION_VISUALIZE,
    OF_INVERT = 1 << CAPTION_INVERT,
    OF_DREAM = 1 << CAPTION_DREAM,
    OF_ALL = OF_SALIENCY | OF_FOOL | OF_VISUALIZE | OF_INVERT | OF_DREAM,
};

enum { STRING = 1 << AS_STRING, NUMBER = 1 << AS_NUMBER };

static const struct {
    const char *name;
    unsigned views, written; /* of which views it is; as what JSON may write it */
    int (*set)(visual_reading *r, const char *value, written how);
} named[] = {
    {"class", OF_SALIENCY | OF_FOOL | OF_VISUALIZE, STRING | NUMBER, set_class},
    {"word", OF_SALIENCY | OF_VISUALIZE, STRING | NUMBER, set_word},
    {"model", OF_SALIENCY | OF_VISUALIZE, STRING, set_model},
    {"caption", OF_SALIENCY, STRING, set_caption},
    {"before", OF_VISUALIZE, STRING, set_before},
    {"layer", OF_INVERT | OF_DREAM, STRING | NUMBER, set_layer},
    {"method", OF_SALIENCY, STRING, set_method},
    {"view", OF_SALIENCY, STRING, set_view},
    {"size", OF_SALIENCY, NUMBER, set_size},
    {"seed", OF_ALL, NUMBER, set_seed},
};

enum { NAMED = sizeof named / sizeof *named };

/* The bit in `given` of a named option. */
static int find_named(caption_visual visual, const char *name)
{
    for (int i = 0; i < NAMED; i++)
        if (strcmp(named[i].name, name) == 0 && named[i].views & 1U << visual)
            return i;
    return -1;
}

/* ---- the numbers of visualize.h ---------------------------------------------------------------------------------- */

/* "blur-every" -> "blur_every" */
void visual_option_name(const caption_visual_option *o, char out[VISUAL_NAME_BYTES])
{
    snprintf(out, VISUAL_NAME_BYTES, "%s", o->name);
    for (char *c = out; *c; c++)
        *c = *c == '-' ? '_' : *c;
}

/* The view's number called `name`, and its place behind the named options. */
static const caption_visual_option *find_number(caption_visual visual, const char *name, int *bit)
{
    const caption_visual_option *o;
    char called[VISUAL_NAME_BYTES];
    for (size_t i = 0; (o = caption_visual_option_at(visual, i)); i++) {
        visual_option_name(o, called);
        *bit = NAMED + (int)i;
        if (strcmp(called, name) == 0)
            return o;
    }
    return NULL;
}

static int set_number(visual_reading *r, const caption_visual_option *o, const char *name, const char *value)
{
    void *place = (char *)&r->request->options + o->offset;
    double number;
    int whole = o->type == CAPTION_VISUAL_INTEGER;
    if (read_number(r, name, value, o->minimum, o->maximum, whole, &number))
        return 1;
    if (whole)
        *(int *)place = (int)number;
    else
        *(double *)place = number;
    return 0;
}

/* ---- any option -------------------------------------------------------------------------------------------------- */

static int mark_given(visual_reading *r, const char *name, int bit)
{
    if (r->request->given >> bit & 1)
        return problem_set(r->problem, PROBLEM_BAD_OPTION, "%s: given twice", name);
    r->request->given |= 1ULL << bit;
    return 0;
}

int visual_option_read(visual_reading *r, const char *name, const char *value, written how)
{
    caption_visual visual = r->request->visual;
    int number_bit, i = find_named(visual, name);
    const caption_visual_option *o = i < 0 ? find_number(visual, name, &number_bit) : NULL;
    if (i < 0 && !o)
        return problem_set(r->problem, PROBLEM_UNKNOWN_OPTION, "there is no option \"%.64s\"", name);
    unsigned allowed = o ? NUMBER : named[i].written;
    if (how != AS_TEXT && !(allowed & 1U << how))
        return problem_set(r->problem, PROBLEM_BAD_OPTION, "%s must be a %s", name,
                           allowed & NUMBER ? "number" : "string");
    if (mark_given(r, name, o ? number_bit : i))
        return 1;
    return o ? set_number(r, o, name, value) : named[i].set(r, value, how);
}

int visual_option_is_known(caption_visual visual, const char *name)
{
    int bit;
    return find_named(visual, name) >= 0 || find_number(visual, name, &bit);
}

int visual_option_is_given(const visual_request *r, const char *name)
{
    int i = find_named(r->visual, name);
    return i >= 0 && r->given >> i & 1;
}

int visual_option_is_number_given(const visual_request *r)
{
    return r->given >> NAMED != 0;
}
