/* visual_body.c: the query and the body of a visual request: raw, multipart or JSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/input.h"
#include "server/http/json.h"
#include "server/jobs/visual_reading.h"

int visual_body_has_image(caption_visual visual)
{
    return visual != CAPTION_VISUALIZE;
}

/* Takes bytes, also on failure. */
static int set_image(visual_reading *r, unsigned char *bytes, size_t size)
{
    if (!visual_body_has_image(r->request->visual) || r->request->image) {
        free(bytes);
        return visual_body_has_image(r->request->visual)
                   ? problem_set(r->problem, PROBLEM_TOO_MANY_IMAGES, "one image is wanted")
                   : problem_set(r->problem, PROBLEM_UNKNOWN_OPTION, "there is no option \"image\"");
    }
    r->request->image = bytes;
    r->request->image_size = size;
    return 0;
}

static int read_part(void *context, input_part *part, problem *p)
{
    visual_reading *r = context;
    if (strcmp(part->name, "image") == 0) {
        unsigned char *bytes = part->bytes;
        part->bytes = NULL;
        return set_image(r, bytes, part->size);
    }
    if (!visual_option_is_known(r->request->visual, part->name))
        return input_refuse_part(part, p);
    if (part->size >= VISUAL_OPTION_BYTES || memchr(part->bytes, '\0', part->size))
        return problem_set(p, PROBLEM_BAD_OPTION, "%.64s: the value is too long or has a zero byte", part->name);
    return visual_option_read(r, part->name, (const char *)part->bytes, AS_TEXT);
}

static int read_parameter(void *context, const char *name, const char *value)
{
    return visual_option_read(context, name, value ? value : "", AS_TEXT);
}

static int read_member(visual_reading *r, const cJSON *member)
{
    char number[40];
    const char *text = cJSON_GetStringValue(member);
    if (strcmp(member->string, "image") == 0 && visual_body_has_image(r->request->visual)) {
        unsigned char *bytes;
        size_t size;
        if (!text)
            return problem_set(r->problem, PROBLEM_BAD_JSON, "image must be a string");
        return input_base64(text, "image", &bytes, &size, r->problem) || set_image(r, bytes, size);
    }
    if (!visual_option_is_known(r->request->visual, member->string))
        return input_refuse_member(member, r->problem);
    if (text)
        return visual_option_read(r, member->string, text, AS_STRING);
    if (cJSON_IsNumber(member)) {
        snprintf(number, sizeof number, "%.17g", member->valuedouble);
        return visual_option_read(r, member->string, number, AS_NUMBER);
    }
    return problem_set(r->problem, PROBLEM_BAD_OPTION, "%.64s must be a string or a number", member->string);
}

int visual_body_read_json(visual_reading *r, const char *text, size_t size)
{
    cJSON *object = json_parse_object(text, size, r->problem);
    int failed = object == NULL;
    for (const cJSON *member = object ? object->child : NULL; member && !failed; member = member->next)
        failed = json_check_once(object, member, r->problem) || read_member(r, member);
    cJSON_Delete(object);
    return failed;
}

static int read_body(visual_reading *r, http_request *request)
{
    int wants_image = visual_body_has_image(r->request->visual);
    if (request->size == 0)
        return wants_image ? problem_set(r->problem, PROBLEM_EMPTY_BODY, "send an image, form data or JSON") : 0;
    input_kind kind = input_body_kind(request);
    if (kind == INPUT_FORM)
        return input_form(request, read_part, r, r->problem);
    if (wants_image ? kind == INPUT_JSON : input_is_json(request))
        return visual_body_read_json(r, (const char *)request->body, request->size);
    if (!wants_image)
        return input_refuse_type(request, "multipart/form-data, application/json", r->problem);
    if (kind == INPUT_OTHER)
        return input_refuse_type(request, "image/*, application/octet-stream, multipart/form-data, application/json",
                                 r->problem);
    unsigned char *bytes = request->body;
    request->body = NULL;
    return set_image(r, bytes, request->size);
}

int visual_body_read(visual_reading *r, http_request *request)
{
    return http_each_parameter(request, read_parameter, r) || read_body(r, request);
}
