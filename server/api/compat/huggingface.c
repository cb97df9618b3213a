/* api_compat_huggingface.c: POST /models/NAME, as Hugging Face's inference API does image-to-text: the image as the raw
 * body, or as JSON with the options that have a meaning here,
 *
 *     {"inputs": "base64", "parameters": {"max_new_tokens": 12}}     ->     [{"generated_text": "a dog runs"}]
 *
 * Their own client @huggingface/inference, which says its version, wants the element without its list from 4.13.15 on,
 * and so it gets that. */
#include <stdio.h>
#include <string.h>

#include "server/api/api.h"
#include "server/api/caption_call.h"
#include "server/http/input.h"
#include "server/http/json.h"

/* ---- the request: each function returns 0, or 1 with *p set ------------------------------------------------------ */

static int read_parameters(caption_input *input, const cJSON *object, problem *p)
{
    const cJSON *parameters, *member;
    char text[24];
    if (json_optional(object, "parameters", cJSON_IsObject, "an object", &parameters, p))
        return 1;
    cJSON_ArrayForEach(member, parameters)
    {
        if (json_check_once(parameters, member, p))
            return 1;
        if (strcmp(member->string, "max_new_tokens") != 0)
            return problem_set(p, PROBLEM_UNKNOWN_OPTION, "parameters: there is no \"%.64s\"", member->string);
        if (!cJSON_IsNumber(member) || member->valuedouble < 1)
            return problem_set(p, PROBLEM_BAD_OPTION, "max_new_tokens must be a number from 1 on");
        snprintf(text, sizeof text, "%d",
                 member->valuedouble > CAPTION_MAX_WORDS ? CAPTION_MAX_WORDS : (int)member->valuedouble);
        if (caption_input_option(input, "max_words", text, p))
            return 1;
    }
    return 0;
}

static int read_json(caption_input *input, const http_request *r, problem *p)
{
    cJSON *object = json_parse_object((const char *)r->body, r->size, p);
    const char *inputs = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, "inputs"));
    int failed = 1;
    if (object && !inputs)
        problem_set(p, PROBLEM_MISSING_IMAGE, "inputs must be a string: the image as base64");
    else if (object)
        failed = caption_input_base64(input, inputs, p) || read_parameters(input, object, p);
    cJSON_Delete(object);
    return failed;
}

static int read(caption_call *c, problem *p)
{
    http_request *r = c->request;
    c->input.max_images = 1;
    if (caption_input_option(&c->input, "model", r->parameter[0], p) || caption_input_query(&c->input, r, p))
        return 1;
    int is_json = r->size > 0 && input_body_kind(r) == INPUT_JSON;
    return (is_json ? read_json(&c->input, r, p) : caption_input_body(&c->input, r, p)) ||
           caption_input_texts_alone(&c->input, CAPTION_MAX_BEAM, p);
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static int wants_the_element_alone(const http_request *r)
{
    int major, minor, patch;
    const char *agent = http_header(r, "User-Agent");
    const char *name = agent ? strstr(agent, "@huggingface/inference/") : NULL;
    if (!name || sscanf(name, "@huggingface/inference/%d.%d.%d", &major, &minor, &patch) != 3)
        return 0;
    return major > 4 || (major == 4 && (minor > 13 || (minor == 13 && patch >= 15)));
}

static int add_text(cJSON *list, const caption_result *result)
{
    cJSON *item = cJSON_CreateObject();
    if (cJSON_AddStringToObject(item, "generated_text", result->text) && cJSON_AddItemToArray(list, item))
        return 1;
    cJSON_Delete(item);
    return 0;
}

static void answer(caption_call *c)
{
    const ticket_image *image = &c->ticket.images[0];
    cJSON *list = cJSON_CreateArray();
    int good = add_text(list, &image->result);
    for (int i = 0; good && i < image->n_others; i++)
        good = add_text(list, &image->others[i]);
    if (good && wants_the_element_alone(c->request)) {
        cJSON *first = cJSON_DetachItemFromArray(list, 0);
        cJSON_Delete(list);
        list = first;
    }
    http_answer_json(c->request, 200, json_finish(list, good));
}

void api_huggingface(http_request *r)
{
    static const caption_form form = {.read = read, .answer = answer};
    caption_call_start(r, &form);
}
