/* api_compat_oip.c: the Open Inference Protocol, version 2 over HTTP, as KServe and Triton speak it: health, metadata,
 * infer. A captioner has one input and three outputs:
 *
 *     {"inputs": [{"name": "image", "datatype": "BYTES", "shape": [n], "data": ["base64", ...]}]}
 *     {"outputs": [{"name": "caption", "datatype": "BYTES", "shape": [n], "data": ["a dog runs", ...]},
 *                  {"name": "logprob", "datatype": "FP32", ...}, {"name": "words", "datatype": "INT32", ...}]}
 *
 * "parameters" are the options of POST /v1/caption; others are those of other servers, which clients send unasked, and
 * are ignored. JSON alone is read and written, not the extension for binary tensors: tritonclient, which asks for them
 * unless told otherwise (binary_data_output), reads JSON as well. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/api.h"
#include "server/api/caption_call.h"
#include "server/http/json.h"

enum { ID_BYTES = 256, CAPTION = 1, LOGPROB = 2, WORDS = 4, ALL = 7 };

static const struct {
    const char *name, *datatype;
    int bit;
} outputs[] = {{"caption", "BYTES", CAPTION}, {"logprob", "FP32", LOGPROB}, {"words", "INT32", WORDS}};

enum { OUTPUTS = sizeof outputs / sizeof *outputs };

typedef struct inference {
    char id[ID_BYTES]; /* "": none was given */
    int wanted;        /* outputs, a bit each */
} inference;

/* ---- the request: each function returns 0, or 1 with *p set ------------------------------------------------------ */

/* "data" may be nested as the shape tells, or flat. */
static int add_images(caption_input *input, const cJSON *data, problem *p)
{
    const cJSON *element;
    cJSON_ArrayForEach(element, data)
    {
        if (cJSON_IsArray(element) ? add_images(input, element, p)
            : cJSON_IsString(element)
                ? caption_input_base64(input, element->valuestring, p)
                : problem_set(p, PROBLEM_BAD_JSON, "data: every element must be a string: an image as base64"))
            return 1;
    }
    return 0;
}

static int check_shape(const cJSON *shape, int n, problem *p)
{
    const cJSON *side;
    double product = 1;
    if (!cJSON_IsArray(shape) || !shape->child)
        return problem_set(p, PROBLEM_BAD_JSON, "an input has a shape: an array of numbers");
    cJSON_ArrayForEach(side, shape)
    {
        if (!cJSON_IsNumber(side) || side->valuedouble < 0 || side->valuedouble != floor(side->valuedouble))
            return problem_set(p, PROBLEM_BAD_OPTION, "the sides of a shape are whole numbers from 0 on");
        product *= side->valuedouble;
    }
    return product == n ? 0 : problem_set(p, PROBLEM_BAD_OPTION, "the shape does not hold the %d elements of data", n);
}

static int read_tensor(caption_input *input, const cJSON *tensor, problem *p)
{
    const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tensor, "name"));
    const char *datatype = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(tensor, "datatype"));
    const cJSON *data = cJSON_GetObjectItemCaseSensitive(tensor, "data");
    if (!name || strcmp(name, "image") != 0)
        return problem_set(p, PROBLEM_UNKNOWN_OPTION, "there is one input, called image");
    if (!datatype || strcmp(datatype, "BYTES") != 0)
        return problem_set(p, PROBLEM_BAD_OPTION, "the datatype of image is BYTES");
    if (!cJSON_IsArray(data))
        return problem_set(p, PROBLEM_MISSING_IMAGE, "data must be an array of strings: images as base64");
    return add_images(input, data, p) || check_shape(cJSON_GetObjectItemCaseSensitive(tensor, "shape"), input->n, p);
}

static int read_inputs(caption_input *input, const cJSON *inputs, problem *p)
{
    if (cJSON_GetArraySize(inputs) != 1 || !cJSON_IsArray(inputs))
        return problem_set(p, PROBLEM_MISSING_IMAGE, "inputs must be an array of one tensor, called image");
    return read_tensor(input, cJSON_GetArrayItem(inputs, 0), p);
}

static int read_outputs(inference *own, const cJSON *object, problem *p)
{
    const cJSON *list, *item;
    if (json_optional(object, "outputs", cJSON_IsArray, "an array", &list, p))
        return 1;
    own->wanted = cJSON_GetArraySize(list) > 0 ? 0 : ALL;
    cJSON_ArrayForEach(item, list)
    {
        const char *name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "name"));
        int known = 0;
        for (int i = 0; name && i < OUTPUTS; i++)
            if (strcmp(outputs[i].name, name) == 0)
                known = own->wanted |= outputs[i].bit;
        if (!known)
            return problem_set(p, PROBLEM_UNKNOWN_OPTION, "there is no output \"%.64s\"", name ? name : "");
    }
    return 0;
}

static int read_parameters(caption_input *input, const cJSON *object, problem *p)
{
    const cJSON *parameters, *member;
    if (json_optional(object, "parameters", cJSON_IsObject, "an object", &parameters, p))
        return 1;
    cJSON_ArrayForEach(member, parameters)
    {
        if (caption_input_is_option(input, member->string) &&
            (json_check_once(parameters, member, p) || caption_input_member(input, member, p)))
            return 1;
    }
    return caption_input_texts_alone(input, 1, p);
}

static int read_object(caption_call *c, const cJSON *object, problem *p)
{
    inference *own = c->own;
    const cJSON *id = cJSON_GetObjectItemCaseSensitive(object, "id");
    if (id && (!cJSON_IsString(id) || strlen(id->valuestring) >= sizeof own->id))
        return problem_set(p, PROBLEM_BAD_OPTION, "id must be a string shorter than %d bytes", ID_BYTES);
    strcpy(own->id, id ? id->valuestring : "");
    return read_parameters(&c->input, object, p) || read_outputs(own, object, p) ||
           read_inputs(&c->input, cJSON_GetObjectItemCaseSensitive(object, "inputs"), p);
}

static int read(caption_call *c, problem *p)
{
    const http_request *r = c->request;
    if (r->size == 0)
        return problem_set(p, PROBLEM_EMPTY_BODY, "send JSON: {\"inputs\": [...]}");
    if (http_header(r, "Inference-Header-Content-Length"))
        return problem_set(p, PROBLEM_UNSUPPORTED_MEDIA, "binary tensors are not read: send JSON");
    c->own = calloc(1, sizeof(inference));
    if (!c->own)
        return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    if (caption_input_option(&c->input, "model", r->parameter[0], p))
        return 1;
    cJSON *object = json_parse_object((const char *)r->body, r->size, p);
    int failed = object ? read_object(c, object, p) : 1;
    cJSON_Delete(object);
    return failed;
}

/* ---- the answer: each function returns 0 when out of memory ------------------------------------------------------ */

static cJSON *output_value(int bit, const caption_result *result)
{
    return bit == CAPTION   ? cJSON_CreateString(result->text)
           : bit == LOGPROB ? cJSON_CreateNumber((double)result->logprob)
                            : cJSON_CreateNumber(result->words);
}

/* A tensor's facts, [shape], in a list. */
static cJSON *add_tensor(cJSON *list, const char *name, const char *datatype, int shape)
{
    cJSON *tensor = cJSON_CreateObject();
    return json_checked(tensor, cJSON_AddStringToObject(tensor, "name", name) &&
                                    cJSON_AddStringToObject(tensor, "datatype", datatype) &&
                                    cJSON_AddItemToObject(tensor, "shape", cJSON_CreateIntArray(&shape, 1)) &&
                                    cJSON_AddItemToArray(list, tensor));
}

static int add_output(cJSON *list, int which, const ticket *t)
{
    cJSON *tensor = add_tensor(list, outputs[which].name, outputs[which].datatype, t->n);
    cJSON *data = tensor ? cJSON_AddArrayToObject(tensor, "data") : NULL;
    int good = data != NULL;
    for (int i = 0; good && i < t->n; i++)
        good = cJSON_AddItemToArray(data, output_value(outputs[which].bit, &t->images[i].result));
    return good;
}

static void answer(caption_call *c)
{
    const inference *own = c->own;
    cJSON *object = cJSON_CreateObject();
    int good = cJSON_AddStringToObject(object, "model_name", c->model_name) &&
               cJSON_AddStringToObject(object, "model_version", caption_model_sha256(c->model)) &&
               cJSON_AddStringToObject(object, "id", *own->id ? own->id : c->request->id);
    cJSON *list = cJSON_AddArrayToObject(object, "outputs");
    good = good && list;
    for (int i = 0; good && i < OUTPUTS; i++)
        good = !(own->wanted & outputs[i].bit) || add_output(list, i, &c->ticket);
    http_answer_json(c->request, 200, json_finish(object, good));
}

void api_oip_infer(http_request *r)
{
    static const caption_form form = {.read = read, .answer = answer, .release = free};
    caption_call_start(r, &form);
}

/* ---- health and metadata ----------------------------------------------------------------------------------------- */

static void answer_true(http_request *r, const char *what)
{
    cJSON *object = cJSON_CreateObject();
    http_answer_json(r, 200, json_finish(object, cJSON_AddTrueToObject(object, what) != NULL));
}

void api_oip_live(http_request *r)
{
    answer_true(r, "live");
}

void api_oip_ready(http_request *r)
{
    problem p = {.kind = PROBLEM_NONE};
    if (http_not_ready(r, &p) || registry_default_broken(r->server->registry, &p))
        http_answer_problem(r, &p);
    else
        answer_true(r, "ready");
}

void api_oip_server(http_request *r)
{
    cJSON *object = cJSON_CreateObject();
    int good = cJSON_AddStringToObject(object, "name", "captiond") &&
               cJSON_AddStringToObject(object, "version", CAPTIOND_VERSION) &&
               cJSON_AddArrayToObject(object, "extensions");
    http_answer_json(r, 200, json_finish(object, good));
}

/* The model that the path names, or NULL when the request has been answered with a problem. */
static caption_model *named_model(http_request *r, char name[WEIGHTS_NAME_BYTES])
{
    problem p = {.kind = PROBLEM_NONE};
    caption_model *model = http_not_ready(r, &p) ? NULL : registry_take(r->server->registry, r->parameter[0], name);
    if (model)
        return model;
    if (!p.kind)
        registry_refuse(r->server->registry, r->parameter[0], &p);
    http_answer_problem(r, &p);
    return NULL;
}

void api_oip_model(http_request *r)
{
    char name[WEIGHTS_NAME_BYTES];
    caption_model *model = named_model(r, name);
    if (!model)
        return;
    cJSON *object = cJSON_CreateObject();
    int good = cJSON_AddStringToObject(object, "name", name) && cJSON_AddStringToObject(object, "platform", "captiond");
    cJSON *in = cJSON_AddArrayToObject(object, "inputs"), *out = cJSON_AddArrayToObject(object, "outputs");
    good = good && in && out && add_tensor(in, "image", "BYTES", -1);
    for (int i = 0; good && i < OUTPUTS; i++)
        good = add_tensor(out, outputs[i].name, outputs[i].datatype, -1) != NULL;
    caption_model_release(model);
    http_answer_json(r, 200, json_finish(object, good));
}

void api_oip_model_ready(http_request *r)
{
    char name[WEIGHTS_NAME_BYTES];
    caption_model *model = named_model(r, name);
    if (!model)
        return;
    caption_model_release(model);
    cJSON *object = cJSON_CreateObject();
    int good = cJSON_AddStringToObject(object, "name", name) && cJSON_AddTrueToObject(object, "ready");
    http_answer_json(r, 200, json_finish(object, good));
}
