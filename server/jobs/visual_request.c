/* visual_request.c: a visualisation's options from query, form or JSON, whether they fit together and are within the
 * limits, and the form that a job keeps; see visual_request.h. */
#include "server/jobs/visual_request.h"

#include <stdlib.h>
#include <string.h>

#include "server/http/input.h"
#include "server/http/json.h"

enum { MIN_SIZE = 7, DEFAULT_SIZE = 56, MAX_OPTIONS = 40 };

/* A request while it is read. */
typedef struct reading {
    visual_request *request;
    const caption_encoder *encoder; /* names the classes */
    const config *config;
    problem *problem;
    option table[MAX_OPTIONS];
    input_options options;
    int word_is_text, word_is_number; /* JSON has written it as such; else it may be either */
} reading;

/* ---- the options ------------------------------------------------------------------------------------------------- */

enum {
    OF_SALIENCY = 1 << CAPTION_SALIENCY,
    OF_VISUALIZE = 1 << CAPTION_VISUALIZE,
    OF_LAYER = 1 << CAPTION_INVERT | 1 << CAPTION_DREAM,
    OF_CLASS = OF_SALIENCY | OF_VISUALIZE | 1 << CAPTION_FOOL,
    OF_ALL = OF_CLASS | OF_LAYER,
};

/* Those that a visualisation has: the named ones, then the numbers of visualize.h. */
static void list_options(visual_request *r, option table[MAX_OPTIONS])
{
    const struct {
        int visuals;
        option row;
    } named[] = {
        {OF_CLASS, {"class", OPTION_LABEL, r->class_name, 0, sizeof r->class_name, NULL, NULL}},
        {OF_SALIENCY, {"word", OPTION_LABEL, r->word, 0, sizeof r->word, NULL, NULL}},
        {OF_VISUALIZE, {"word", OPTION_BUFFER, r->word, 0, sizeof r->word, NULL, NULL}},
        {OF_VISUALIZE, {"before", OPTION_BUFFER, r->before, 0, sizeof r->before, NULL, NULL}},
        {OF_SALIENCY | OF_VISUALIZE, {"model", OPTION_BUFFER, r->model, 0, sizeof r->model, NULL, NULL}},
        {OF_SALIENCY, {"caption", OPTION_BUFFER, r->caption, 0, sizeof r->caption, NULL, NULL}},
        {OF_SALIENCY, {"method", OPTION_ENUM, &r->method, 0, 0, "gradient|smoothgrad|gradcam", NULL}},
        {OF_SALIENCY, {"view", OPTION_ENUM, &r->view, 0, 0, "heat|overlay", NULL}},
        {OF_SALIENCY, {"size", OPTION_INTEGER, &r->size, MIN_SIZE, CAPTION_IMAGE_SIDE, NULL, NULL}},
        {OF_LAYER, {"layer", OPTION_LABEL, r->layer_name, 0, sizeof r->layer_name, NULL, NULL}},
        {OF_ALL, {"seed", OPTION_SEED, &r->options.seed, 0, json_most_integer, NULL, NULL}},
    };
    const caption_option *o;
    size_t n = 0;
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        if (named[i].visuals & 1 << r->visual)
            table[n++] = named[i].row;
    for (size_t i = 0; (o = caption_visual_option_at(r->visual, i)); i++)
        table[n++] = option_of(o, &r->options);
    table[n] = (option){0};
}

/* ---- the body ---------------------------------------------------------------------------------------------------- */

/* All but class visualisation start from an image. */
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
    return input_option_part(&r->options, part, p);
}

static int read_parameter(void *context, const char *name, const char *value)
{
    reading *r = context;
    return input_option(&r->options, name, value ? value : "", r->problem);
}

static int read_member(reading *r, const cJSON *member)
{
    const char *text = cJSON_GetStringValue(member);
    if (strcmp(member->string, "image") == 0 && has_image(r->request->visual)) {
        unsigned char *bytes;
        size_t size;
        if (!text)
            return problem_set(r->problem, PROBLEM_BAD_JSON, "image must be a string");
        return input_base64(text, "image", &bytes, &size, r->problem) || set_image(r, bytes, size);
    }
    if (strcmp(member->string, "word") == 0) {
        r->word_is_text = cJSON_IsString(member);
        r->word_is_number = cJSON_IsNumber(member);
    }
    return input_option_member(&r->options, member, r->problem);
}

static int read_json(reading *r, const char *text, size_t size)
{
    cJSON *object = json_parse_object(text, size, r->problem);
    int failed = object == NULL;
    for (const cJSON *member = object ? object->child : NULL; member && !failed; member = member->next)
        failed = json_check_once(object, member, r->problem) || read_member(r, member);
    cJSON_Delete(object);
    return failed;
}

static int read_body(reading *r, http_request *request)
{
    int wants_image = has_image(r->request->visual);
    if (request->size == 0)
        return wants_image ? problem_set(r->problem, PROBLEM_EMPTY_BODY, "send an image, form data or JSON") : 0;
    input_kind kind = input_body_kind(request);
    if (kind == INPUT_FORM)
        return input_form(request, read_part, r, r->problem);
    if (wants_image ? kind == INPUT_JSON : input_is_json(request))
        return read_json(r, (const char *)request->body, request->size);
    if (!wants_image)
        return input_refuse_type(request, "multipart/form-data, application/json", r->problem);
    if (kind == INPUT_OTHER)
        return input_refuse_type(request, "image/*, application/octet-stream, multipart/form-data, application/json",
                                 r->problem);
    unsigned char *bytes = request->body;
    request->body = NULL;
    return set_image(r, bytes, request->size);
}

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
    return r->visual == CAPTION_VISUALIZE || r->visual == CAPTION_DREAM ? r->options.octaves : 1;
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
static int check_method(const reading *r)
{
    static const char *const its[] = {"samples", "noise", "seed"};
    if (r->request->visual != CAPTION_SALIENCY || r->request->method == CAPTION_SMOOTHGRAD)
        return 0;
    for (size_t i = 0; i < sizeof its / sizeof *its; i++)
        if (input_option_is_given(&r->options, its[i]))
            return problem_set(r->problem, PROBLEM_BAD_OPTION, "%s: only the method smoothgrad has it", its[i]);
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

/* A whole number of digits alone; -1 if it is none. */
static int parse_index(const char *value)
{
    size_t digits = strspn(value, "0123456789");
    return digits > 0 && digits <= 6 && !value[digits] ? atoi(value) : -1;
}

/* What class, layer and word mean. */
static int resolve_names(const reading *r)
{
    visual_request *q = r->request;
    if (*q->class_name && (q->class_index = caption_encoder_class(r->encoder, q->class_name)) < 0)
        return problem_set(r->problem, PROBLEM_BAD_OPTION,
                           "class: \"%.60s\" is not an index from 0 to 999 or a label of ImageNet", q->class_name);
    if (*q->layer_name && (q->options.layer = caption_layer_index(q->layer_name)) < 0)
        return problem_set(r->problem, PROBLEM_BAD_OPTION,
                           "layer: \"%.40s\" is not one of 0 to 17, stem, shallow, middle, deep, head", q->layer_name);
    if (q->visual != CAPTION_SALIENCY || r->word_is_text || !*q->word)
        return 0;
    q->word_index = parse_index(q->word);
    if (r->word_is_number && (q->word_index < 0 || q->word_index >= CAPTION_MAX_WORDS))
        return problem_set(r->problem, PROBLEM_BAD_OPTION,
                           "word: \"%.60s\" is not a word or its place in the caption, from 0", q->word);
    if (q->word_index >= 0)
        *q->word = '\0';
    return 0;
}

static int check_whole(const reading *r)
{
    const visual_request *q = r->request;
    return resolve_names(r) || check_target(q, r->problem) || check_method(r) || check_limits(q, r->config, r->problem);
}

static void fit(int *value, int most)
{
    *value = *value < most ? *value : most;
}

/* The defaults of visualize.h, as far as the limits allow. */
static void begin(reading *r, visual_request *q, caption_visual visual)
{
    const config *c = r->config;
    *q = (visual_request){.visual = visual, .class_index = CAPTION_TOP_CLASS, .word_index = -1, .size = DEFAULT_SIZE};
    q->options = caption_visual_defaults(visual);
    fit(&q->options.samples, c->saliency_samples);
    fit(&q->options.steps, c->picture_steps > octaves(q) ? c->picture_steps / octaves(q) : 1);
    fit(&q->options.max_side, c->picture_side);
    list_options(q, r->table);
    r->request = q;
    r->options = (input_options){.table = r->table};
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
    if (!has_image(r->visual))
        return 0;
    if (!r->image)
        return problem_set(p, PROBLEM_MISSING_IMAGE, "no part or member called image");
    return input_check_image(r->image, r->image_size, c, "", &width, &height, p) || check_size(r, width, height, p);
}

int visual_request_read(visual_request *out, caption_visual visual, http_request *request,
                        const caption_encoder *encoder, problem *p)
{
    const config *c = request->http->config;
    reading r = {.encoder = encoder, .config = c, .problem = p};
    p->kind = PROBLEM_NONE;
    begin(&r, out, visual);
    return http_each_parameter(request, read_parameter, &r) || read_body(&r, request) || check_whole(&r) ||
           check_image(out, c, p);
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
    reading r = {.encoder = encoder, .config = c, .problem = p};
    begin(&r, out, visual);
    return read_json(&r, json, strlen(json)) || check_whole(&r);
}

/* Class and layer as numbers, whatever the client called them. */
static int add_option(cJSON *object, const visual_request *r, const option *o)
{
    if (o->value == r->class_name)
        return r->class_index < 0 || cJSON_AddNumberToObject(object, o->name, r->class_index);
    if (o->value == r->layer_name)
        return cJSON_AddNumberToObject(object, o->name, r->options.layer) != NULL;
    return input_option_add(object, o);
}

char *visual_request_json(const visual_request *r)
{
    visual_request copy = *r; /* a table names variables to be set */
    option table[MAX_OPTIONS];
    cJSON *object = cJSON_CreateObject();
    int good = object != NULL;
    list_options(&copy, table);
    for (const option *o = table; good && o->name; o++)
        good = add_option(object, &copy, o);
    return json_finish(object, good);
}
