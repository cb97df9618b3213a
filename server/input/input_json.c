/* input_json.c: {"image": "base64 or data URI", ...} or {"images": [...], ...}. */
#include <stdio.h>
#include <string.h>

#include "server/http/json.h"
#include "server/input/caption_input.h"
#include "server/input/input.h"

/* ---- images ---------------------------------------------------------------------------------------------------- */

int caption_input_base64(caption_input *input, const char *text, problem *p)
{
    char called[48];
    unsigned char *bytes;
    size_t size;
    snprintf(called, sizeof called, "image %d of the request", input->n + 1);
    return input_base64(text, called, &bytes, &size, p) || caption_input_add(input, bytes, size, p);
}

static int add_images(caption_input *input, const cJSON *member, problem *p)
{
    if (cJSON_IsString(member))
        return caption_input_base64(input, member->valuestring, p);
    const cJSON *element;
    cJSON_ArrayForEach(element, member)
    {
        if (!cJSON_IsString(element))
            return problem_set(p, PROBLEM_BAD_JSON, "images: every element must be a string");
        if (caption_input_base64(input, element->valuestring, p))
            return 1;
    }
    return 0;
}

/* ---- members --------------------------------------------------------------------------------------------------- */

int caption_input_member(caption_input *input, const cJSON *member, problem *p)
{
    char number[40];
    if (caption_input_is_number(member->string)) {
        if (!cJSON_IsNumber(member))
            return problem_set(p, PROBLEM_BAD_OPTION, "%s must be a number", member->string);
        snprintf(number, sizeof number, "%.17g", member->valuedouble);
        return caption_input_option(input, member->string, number, p);
    }
    const char *value = cJSON_GetStringValue(member);
    int status = caption_input_option(input, member->string, value, p);
    if (!value && p->kind != PROBLEM_UNKNOWN_OPTION)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s must be a string", member->string);
    return status;
}

static int read_members(caption_input *input, const cJSON *object, problem *p)
{
    int sources = 0;
    const cJSON *member;
    cJSON_ArrayForEach(member, object)
    {
        int one = strcmp(member->string, "image") == 0, many = strcmp(member->string, "images") == 0;
        if ((one && !cJSON_IsString(member)) || (many && !cJSON_IsArray(member)))
            return problem_set(p, PROBLEM_BAD_JSON, "%s must be %s", member->string,
                               one ? "a string" : "an array of strings");
        if ((one || many) && sources++ > 0)
            return problem_set(p, PROBLEM_BAD_JSON, "give image or images, once");
        if (one || many ? add_images(input, member, p) : caption_input_member(input, member, p))
            return 1;
    }
    return 0;
}

int caption_input_json(caption_input *input, const char *text, size_t size, problem *p)
{
    cJSON *object = json_parse_object(text, size, p);
    int status = object ? read_members(input, object, p) : 1;
    cJSON_Delete(object);
    return status;
}
