/* visual_request.c: one table of options for all five views; see visual_request.h. */
#include "server/input/visual_request.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/json.h"
#include "server/input/input.h"

enum { OPTION_NAME_BYTES = 32, OPTION_BYTES = CAPTION_TEXT_BYTES, USUAL_SIZE = 56, LEAST_SIZE = 7 };

static const double exact_integers = 9007199254740992.0; /* 2^53: beyond, a JSON number is not exact */

/* What a value was written as. The text of a form or query may be either. */
typedef enum written { AS_TEXT, AS_STRING, AS_NUMBER } written;

/* A request while it is read. */
typedef struct reading {
    visual_request *request;
    const caption_encoder *encoder;
    const config *config;
    problem *problem;
} reading;

/* ---- single options: each returns 0, or 1 with the problem set --------------------------------------------------- */

static int refuse(reading *r, const char *name, const char *value, const char *wanted)
{
    return problem_set(r->problem, PROBLEM_BAD_OPTION, "%s: \"%.60s\" is not %s", name, value, wanted);
}

static int copy_text(reading *r, const char *name, const char *value, char *out, size_t room)
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

static int set_class(reading *r, const char *value, written how)
{
    (void)how;
    r->request->class_index = *value ? caption_encoder_class(r->encoder, value) : -1;
    return r->request->class_index >= 0 ? 0
                                        : refuse(r, "class", value, "an index from 0 to 999 or a label of ImageNet");
}

/* A number is a place in the caption; as text, too, where the view has one. */
static int set_word(reading *r, const char *value, written how)
{
    visual_request *q = r->request;
    int index = how == AS_STRING || q->visual != CAPTION_SALIENCY ? -1 : parse_index(value);
    if (how == AS_NUMBER && (index < 0 || index >= CAPTION_MAX_WORDS))
        return refuse(r, "word", value, "a word or its place in the caption, from 0");
    q->word_index = index;
    return index >= 0 ? 0 : copy_text(r, "word", value, q->word, sizeof q->word);
}

static int set_before(reading *r, const char *value, written how)
{
    (void)how;
    return copy_text(r, "before", value, r->request->before, sizeof r->request->before);
}

static int set_model(reading *r, const char *value, written how)
{
    (void)how;
    return copy_text(r, "model", value, r->request->model, sizeof r->request->model);
}

static int set_layer(reading *r, const char *value, written how)
{
    (void)how;
    r->request->options.layer = *value ? caption_layer_index(value) : -1;
    return r->request->options.layer >= 0
               ? 0
               : refuse(r, "layer", value, "a layer: 0 to 17, stem, shallow, middle, deep or head");
}

static int set_method(reading *r, const char *value, written how)
{
    (void)how;
    return caption_saliency_method_parse(value, &r->request->method)
               ? 0
               : refuse(r, "method", value, "gradient, smoothgrad or gradcam");
}

static int set_view(reading *r, const char *value, written how)
{
    (void)how;
    r->request->overlay = strcmp(value, "overlay") == 0;
    return r->request->overlay || strcmp(value, "heat") == 0 ? 0 : refuse(r, "view", value, "heat or overlay");
}

/* 0 with *out set if it is a number in the range. */
static int read_number(reading *r, const char *name, const char *value, double minimum, double maximum, int whole,
                       double *out)
{
    char *end;
    *out = strtod(value, &end);
    if (*value && !*end && strspn(value, "+-.0123456789eE") == strlen(value) && *out >= minimum && *out <= maximum &&
        (!whole || *out == floor(*out)))
        return 0;
    return problem_set(r->problem, PROBLEM_BAD_OPTION, "%s: \"%.40s\" is not a %snumber from %g to %.16g", name, value,
                       whole ? "whole " : "", minimum, maximum);
}

static int set_size(reading *r, const char *value, written how)
{
    double size;
    (void)how;
    if (read_number(r, "size", value, LEAST_SIZE, CAPTION_IMAGE_SIDE, 1, &size))
        return 1;
    r->request->size = (int)size;
    return 0;
}

static int set_seed(reading *r, const char *value, written how)
{
    double seed;
    (void)how;
    if (read_number(r, "seed", value, 0, exact_integers, 1, &seed))
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
    int (*set)(reading *r, const char *value, written how);
} named[] = {
    {"class", OF_SALIENCY | OF_FOOL | OF_VISUALIZE, STRING | NUMBER, set_class},
    {"word", OF_SALIENCY | OF_VISUALIZE, STRING | NUMBER, set_word},
    {"model", OF_SALIENCY | OF_VISUALIZE, STRING, set_model},
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

static int is_given(const visual_request *r, const char *name)
{
    int i = find_named(r->visual, name);
    return i >= 0 && r->given >> i & 1;
}

/* ---- the numbers of visualize.h ---------------------------------------------------------------------------------- */

/* "blur-every" -> "blur_every" */
static void option_name(const caption_visual_option *o, char out[OPTION_NAME_BYTES])
{
    snprintf(out, OPTION_NAME_BYTES, "%s", o->name);
    for (char *c = out; *c; c++)
        *c = *c == '-' ? '_' : *c;
}

/* The view's number called `name`, and its place behind the named options. */
static const caption_visual_option *find_number(caption_visual visual, const char *name, int *bit)
{
    const caption_visual_option *o;
    char called[OPTION_NAME_BYTES];
    for (size_t i = 0; (o = caption_visual_option_at(visual, i)); i++) {
        option_name(o, called);
        *bit = NAMED + (int)i;
        if (strcmp(called, name) == 0)
            return o;
    }
    return NULL;
}

static int set_number(reading *r, const caption_visual_option *o, const char *name, const char *value)
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

static int mark_given(reading *r, const char *name, int bit)
{
    if (r->request->given >> bit & 1)
        return problem_set(r->problem, PROBLEM_BAD_OPTION, "%s: given twice", name);
    r->request->given |= 1ULL << bit;
    return 0;
}

static int read_option(reading *r, const char *name, const char *value, written how)
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

/* ---- the body ---------------------------------------------------------------------------------------------------- */

static int has_image(caption_visual visual)
{
    return visual != CAPTION_VISUALIZE;
}

/* Takes bytes, also on failure. */
static int set_image(reading *r, unsigned char *bytes, size_t size)
{
    if (!has_image(r->request->visual) || r->request->image) {
        free(bytes);
        return has_image(r->request->visual)
                   ? problem_set(r->problem, PROBLEM_TOO_MANY_IMAGES, "one image is wanted")
                   : problem_set(r->problem, PROBLEM_UNKNOWN_OPTION, "there is no option \"image\"");
    }
    r->request->image = bytes;
    r->request->image_size = size;
    return 0;
}

static int read_part(void *context, input_part *part, problem *p)
{
    reading *r = context;
    if (strcmp(part->name, "image") == 0) {
        unsigned char *bytes = part->bytes;
        part->bytes = NULL;
        return set_image(r, bytes, part->size);
    }
    if (part->size >= OPTION_BYTES || memchr(part->bytes, '\0', part->size))
        return problem_set(p, PROBLEM_BAD_OPTION, "%.64s: the value is too long or has a zero byte", part->name);
    return read_option(r, part->name, (const char *)part->bytes, AS_TEXT);
}

static int read_parameter(void *context, const char *name, const char *value)
{
    return read_option(context, name, value ? value : "", AS_TEXT);
}

static int read_member(reading *r, const cJSON *member)
{
    char number[40];
    const char *text = cJSON_GetStringValue(member);
    if (strcmp(member->string, "image") == 0 && has_image(r->request->visual)) {
        unsigned char *bytes;
        size_t size;
        if (!text)
            return problem_set(r->problem, PROBLEM_BAD_JSON, "image must be a string");
        return input_base64(text, "image", &bytes, &size, r->problem) || set_image(r, bytes, size);
    }
    if (text)
        return read_option(r, member->string, text, AS_STRING);
    if (cJSON_IsNumber(member)) {
        snprintf(number, sizeof number, "%.17g", member->valuedouble);
        return read_option(r, member->string, number, AS_NUMBER);
    }
    int bit; /* an unknown name is told before a wrong type */
    if (find_named(r->request->visual, member->string) < 0 && !find_number(r->request->visual, member->string, &bit))
        return read_option(r, member->string, "", AS_TEXT);
    return problem_set(r->problem, PROBLEM_BAD_OPTION, "%.64s must be a string or a number", member->string);
}

static int read_json(reading *r, const char *text, size_t size)
{
    cJSON *object = json_parse_object(text, size, r->problem);
    int failed = object == NULL;
    for (const cJSON *member = object ? object->child : NULL; member && !failed; member = member->next)
        failed = read_member(r, member);
    cJSON_Delete(object);
    return failed;
}

static int read_body(reading *r, http_request *request)
{
    const char *type = http_header(request, "Content-Type");
    int wants_image = has_image(r->request->visual);
    if (request->size == 0)
        return wants_image ? problem_set(r->problem, PROBLEM_EMPTY_BODY, "send an image, form data or JSON") : 0;
    if (type && input_is_type(type, "multipart/form-data"))
        return input_form(request, read_part, r, r->problem);
    if (type && input_is_type(type, "application/json"))
        return read_json(r, (const char *)request->body, request->size);
    if (!wants_image || !input_is_raw_image(request))
        return problem_set(r->problem, PROBLEM_UNSUPPORTED_MEDIA,
                           "%.100s is none of %smultipart/form-data, application/json", type ? type : "no Content-Type",
                           wants_image ? "image/*, application/octet-stream, " : "");
    unsigned char *bytes = request->body;
    request->body = NULL;
    return set_image(r, bytes, request->size);
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

int visual_request_is_of_word(const visual_request *r)
{
    return *r->word || r->word_index >= 0;
}

long visual_request_steps(const visual_request *r)
{
    return (long)r->options.steps * (r->visual == CAPTION_DREAM ? r->options.octaves : 1);
}

static int check_target(const visual_request *r, problem *p)
{
    int of_word = visual_request_is_of_word(r), of_class = r->class_index >= 0;
    if (of_word && of_class)
        return problem_set(p, PROBLEM_BAD_OPTION, "word: a class is given, too");
    if (r->visual == CAPTION_FOOL && !of_class)
        return problem_set(p, PROBLEM_BAD_OPTION, "class: is needed: what the picture is to be taken for");
    if (r->visual == CAPTION_VISUALIZE && !of_word && !of_class)
        return problem_set(p, PROBLEM_BAD_OPTION, "class: is needed, or word");
    if (!of_word && (*r->before || *r->model))
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: there is no word that it is for",
                           *r->before ? "before" : "model");
    return 0;
}

/* What only SmoothGrad reads is refused where it would do nothing. */
static int check_method(const visual_request *r, problem *p)
{
    static const unsigned long long named_bits = (1ULL << NAMED) - 1;
    if (r->visual != CAPTION_SALIENCY || r->method == CAPTION_SMOOTHGRAD)
        return 0;
    if (is_given(r, "seed") || r->given & ~named_bits)
        return problem_set(p, PROBLEM_BAD_OPTION, "samples, noise and seed are smoothgrad's");
    return 0;
}

static int check_limits(const visual_request *r, const config *c, problem *p)
{
    caption_error err;
    if (caption_visual_check(r->visual, &r->options, &err))
        return problem_set(p, PROBLEM_BAD_OPTION, "%s", err.message);
    if (r->visual == CAPTION_SALIENCY && r->options.samples > c->saliency_samples)
        return problem_set(p, PROBLEM_BAD_OPTION, "samples: %d are more than the limit, %d", r->options.samples,
                           c->saliency_samples);
    if (r->visual != CAPTION_SALIENCY && visual_request_steps(r) > c->picture_steps)
        return problem_set(p, PROBLEM_BAD_OPTION, "steps: %ld in all are more than the limit, %d",
                           visual_request_steps(r), c->picture_steps);
    if (r->visual == CAPTION_DREAM && r->options.max_side > c->picture_side)
        return problem_set(p, PROBLEM_BAD_OPTION, "max_side: %d is more than the limit, %d", r->options.max_side,
                           c->picture_side);
    return 0;
}

static int check_whole(const reading *r)
{
    const visual_request *q = r->request;
    return check_target(q, r->problem) || check_method(q, r->problem) || check_limits(q, r->config, r->problem);
}

static void fit(int *value, int most)
{
    *value = *value < most ? *value : most;
}

/* The defaults of visualize.h, as far as the limits allow, and a preview now and then. */
static void set_defaults(visual_request *r, caption_visual visual, const config *c)
{
    *r = (visual_request){.visual = visual, .class_index = VISUAL_TOP, .word_index = VISUAL_NO_INDEX};
    r->options = caption_visual_defaults(visual);
    r->method = CAPTION_GRADIENT;
    r->size = USUAL_SIZE;
    fit(&r->options.samples, c->saliency_samples);
    fit(&r->options.steps, c->picture_steps);
    fit(&r->options.max_side, c->picture_side);
}

static int check_image(const visual_request *r, const config *c, problem *p)
{
    int width, height;
    if (!has_image(r->visual))
        return 0;
    if (!r->image)
        return problem_set(p, PROBLEM_MISSING_IMAGE, "no part or member called image");
    return input_check_image(r->image, r->image_size, c, "", &width, &height, p);
}

int visual_request_read(visual_request *out, caption_visual visual, http_request *request, problem *p)
{
    const server *s = request->server;
    reading r = {out, registry_encoder(s->registry), s->config, p};
    p->kind = PROBLEM_NONE;
    set_defaults(out, visual, s->config);
    return http_each_parameter(request, read_parameter, &r) || read_body(&r, request) || check_whole(&r) ||
           check_image(out, s->config, p);
}

void visual_request_free(visual_request *r)
{
    free(r->image);
    r->image = NULL;
}

/* ---- the form that is kept --------------------------------------------------------------------------------------- */

int visual_request_parse(visual_request *out, caption_visual visual, const char *json, server *s, problem *p)
{
    reading r = {out, registry_encoder(s->registry), s->config, p};
    set_defaults(out, visual, s->config);
    return read_json(&r, json, strlen(json)) || check_whole(&r);
}

static int add_number(cJSON *object, const caption_visual_options *options, const caption_visual_option *o)
{
    char name[OPTION_NAME_BYTES];
    const void *place = (const char *)options + o->offset;
    option_name(o, name);
    return cJSON_AddNumberToObject(
               object, name, o->type == CAPTION_VISUAL_INTEGER ? *(const int *)place : *(const double *)place) != NULL;
}

static int add_target(cJSON *object, const visual_request *r)
{
    return (r->class_index < 0 || cJSON_AddNumberToObject(object, "class", r->class_index)) &&
           (!*r->word || cJSON_AddStringToObject(object, "word", r->word)) &&
           (!*r->before || cJSON_AddStringToObject(object, "before", r->before)) &&
           (!*r->model || cJSON_AddStringToObject(object, "model", r->model));
}

char *visual_request_json(const visual_request *r)
{
    const caption_visual_option *o;
    cJSON *object = cJSON_CreateObject();
    int good = object && add_target(object, r) &&
               (find_named(r->visual, "layer") < 0 || cJSON_AddNumberToObject(object, "layer", r->options.layer)) &&
               cJSON_AddNumberToObject(object, "seed", (double)r->options.seed);
    for (size_t i = 0; good && (o = caption_visual_option_at(r->visual, i)); i++)
        good = add_number(object, &r->options, o);
    return json_finish(object, good);
}
