/* input_body.c: which of its forms did the body of a caption request come in? And the options in its query. */
#include "server/api/caption_input.h"
#include "server/http/input.h"

typedef struct parameter_reader {
    caption_input *input;
    problem *problem;
} parameter_reader;

static int read_parameter(void *context, const char *name, const char *value)
{
    parameter_reader *reader = context;
    return caption_input_option(reader->input, name, value, reader->problem);
}

int caption_input_query(caption_input *input, const http_request *r, problem *p)
{
    parameter_reader reader = {input, p};
    return http_each_parameter(r, read_parameter, &reader);
}

int caption_input_body(caption_input *input, http_request *r, problem *p)
{
    if (r->size == 0)
        return problem_set(p, PROBLEM_EMPTY_BODY, "send an image, form data or JSON");
    switch (input_body_kind(r)) {
    case INPUT_FORM:
        return caption_input_multipart(input, r, p);
    case INPUT_JSON:
        return caption_input_json(input, (const char *)r->body, r->size, p);
    case INPUT_OTHER:
        return input_refuse_type(r, "image/*, application/octet-stream, multipart/form-data, application/json", p);
    case INPUT_IMAGE:
        break;
    }
    unsigned char *bytes = r->body;
    r->body = NULL;
    return caption_input_add(input, bytes, r->size, p);
}
