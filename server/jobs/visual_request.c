/* visual_request.c: what makes sense together, within the limits; see visual_request.h. */
#include "server/jobs/visual_request.h"

#include <stdlib.h>
#include <string.h>

#include "server/http/input.h"
#include "server/http/json.h"
#include "server/jobs/visual_reading.h"

enum { USUAL_SIZE = 56 };

/* ---- the whole --------------------------------------------------------------------------------------------------- */

int visual_request_is_of_word(const visual_request *r)
{
    return *r->word || r->word_index >= 0;
}

caption_target visual_request_target(const visual_request *r, const caption_model *model)
{
    return model ? (caption_target){.model = model, .word = r->word, .before = *r->before ? r->before : NULL}
                 : (caption_target){.class_index = r->class_index};
}

static int octaves(const visual_request *r)
{
    return visual_option_is_known(r->visual, "octaves") ? r->options.octaves : 1;
}

long visual_request_steps(const visual_request *r)
{
    return (long)r->options.steps * octaves(r);
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
    if (!of_word && (*r->caption || *r->before || *r->model))
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: there is no word that it is for",
                           *r->caption  ? "caption"
                           : *r->before ? "before"
                                        : "model");
    return 0;
}

/* What only SmoothGrad reads is refused where it would do nothing. */
static int check_method(const visual_request *r, problem *p)
{
    if (r->visual != CAPTION_SALIENCY || r->method == CAPTION_SMOOTHGRAD)
        return 0;
    if (visual_option_is_given(r, "seed") || visual_option_is_number_given(r))
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

static int check_whole(const visual_reading *r)
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
    fit(&r->options.steps, c->picture_steps > octaves(r) ? c->picture_steps / octaves(r) : 1);
    fit(&r->options.max_side, c->picture_side);
}

/* Will there be enough of it to dream of when it has been shrunk to max_side? */
static int check_size(const visual_request *r, int width, int height, problem *p)
{
    const int longer = width > height ? width : height, shorter = width > height ? height : width;
    const double shrink = longer > r->options.max_side ? (double)r->options.max_side / longer : 1;
    if (r->visual != CAPTION_DREAM || shorter * shrink >= CAPTION_DREAM_SIDE)
        return 0;
    return problem_set(p, PROBLEM_UNSUPPORTED_IMAGE,
                       "%d x %d pixels, at most %d a side, are too few to dream of: at least %d a side", width, height,
                       r->options.max_side, CAPTION_DREAM_SIDE);
}

static int check_image(const visual_request *r, const config *c, problem *p)
{
    int width, height;
    if (!visual_body_has_image(r->visual))
        return 0;
    if (!r->image)
        return problem_set(p, PROBLEM_MISSING_IMAGE, "no part or member called image");
    return input_check_image(r->image, r->image_size, c, "", &width, &height, p) || check_size(r, width, height, p);
}

int visual_request_read(visual_request *out, caption_visual visual, http_request *request,
                        const caption_encoder *encoder, problem *p)
{
    const config *c = request->http->config;
    visual_reading r = {out, encoder, c, p};
    p->kind = PROBLEM_NONE;
    set_defaults(out, visual, c);
    return visual_body_read(&r, request) || check_whole(&r) || check_image(out, c, p);
}

void visual_request_free(visual_request *r)
{
    free(r->image);
    r->image = NULL;
}

/* ---- the form that is kept --------------------------------------------------------------------------------------- */

int visual_request_parse(visual_request *out, caption_visual visual, const char *json, const caption_encoder *encoder,
                         const config *c, problem *p)
{
    visual_reading r = {out, encoder, c, p};
    set_defaults(out, visual, c);
    return visual_body_read_json(&r, json, strlen(json)) || check_whole(&r);
}

static int add_number(cJSON *object, const caption_visual_options *options, const caption_visual_option *o)
{
    char name[VISUAL_NAME_BYTES];
    const void *place = (const char *)options + o->offset;
    visual_option_name(o, name);
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
    int good =
        object && add_target(object, r) &&
        (!visual_option_is_known(r->visual, "layer") || cJSON_AddNumberToObject(object, "layer", r->options.layer)) &&
        json_add_integer(object, "seed", r->options.seed);
    for (size_t i = 0; good && (o = caption_visual_option_at(r->visual, i)); i++)
        good = add_number(object, &r->options, o);
    return json_finish(object, good);
}
