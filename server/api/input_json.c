/* input_json.c: {"image": "base64 or data URI", ...} or {"images": [...], ...}. */
#include <stdio.h>
#include <string.h>

#include "server/api/caption_input.h"
#include "server/http/input.h"
#include "server/http/json.h"

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

/* The value as the text that a query would have; NULL if it is of the wrong type. number: room for one. */
static const char *text_of(const cJSON *member, caption_input_type type, char number[40])
{
    if (type == INPUT_NUMBER && cJSON_IsNumber(member)) {
        snprintf(number, 40, "%.17g", member->valuedouble);
        return number;
    }
    if ((type == INPUT_FLAG || type == INPUT_FLAG_OR_TEXT) && cJSON_IsBool(member))
        return cJSON_IsTrue(member) ? "true" : "false";
    return type == INPUT_TEXT || type == INPUT_FLAG_OR_TEXT ? cJSON_GetStringValue(member) : NULL;
}

int caption_input_member(caption_input *input, const cJSON *member, problem *p)
{
    static const char *const wanted[] = {
        [INPUT_TEXT] = "a string",
        [INPUT_NUMBER] = "a number",
        [INPUT_FLAG] = "true or false",
        [INPUT_FLAG_OR_TEXT] = "true, false or a string",
    };
    char number[40];
    if (!caption_input_is_option(input, member->string) && !caption_input_is_text(input, member->string))
        return input_refuse_member(member, p);
    caption_input_type type = caption_input_type_of(member->string);
    const char *value = text_of(member, type, number);
    int status = caption_input_option(input, member->string, value, p);
    if (!value)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s must be %s", member->string, wanted[type]);
    return status;
}

/* "caption": "..." or "captions": ["...", ...] */
static int read_texts(caption_input *input, const cJSON *member, problem *p)
{
    const cJSON *element;
    if (cJSON_IsString(member))
        return caption_input_text(input, member->valuestring, strlen(member->valuestring), p);
    if (!cJSON_IsArray(member))
        return problem_set(p, PROBLEM_BAD_JSON, "%s must be a string or an array of strings", member->string);
    cJSON_ArrayForEach(element, member)
    {
        if (!cJSON_IsString(element))
            return problem_set(p, PROBLEM_BAD_JSON, "captions: every element must be a string");
        if (caption_input_text(input, element->valuestring, strlen(element->valuestring), p))
            return 1;
    }
    return 0;
}

static int read_member(caption_input *input, const cJSON *member, problem *p)
{
    if (caption_input_is_text(input, member->string) || (input->max_texts && strcmp(member->string, "captions") == 0))
        return read_texts(input, member, p);
    return caption_input_member(input, member, p);
}

static int read_members(caption_input *input, const cJSON *object, problem *p)
{
    int sources = 0;
    const cJSON *member;
    cJSON_ArrayForEach(member, object)
    {
        int one = strcmp(member->string, "image") == 0, many = strcmp(member->string, "images") == 0;
        if (json_check_once(object, member, p))
            return 1;
        if ((one && !cJSON_IsString(member)) || (many && !cJSON_IsArray(member)))
            return problem_set(p, PROBLEM_BAD_JSON, "%s must be %s", member->string,
                               one ? "a string" : "an array of strings");
        if ((one || many) && sources++ > 0)
            return problem_set(p, PROBLEM_BAD_JSON, "give image or images, not both");
        if (one || many ? add_images(input, member, p) : read_member(input, member, p))
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
