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

/* curl -d and --data-binary say application/x-www-form-urlencoded unless told otherwise; believe the bytes then. */
int input_is_raw_image(const http_request *r)
{
    const char *type = http_header(r, "Content-Type");
    if (!type || input_is_type(type, "image/") || input_is_type(type, "application/octet-stream"))
        return 1;
    return input_is_type(type, "application/x-www-form-urlencoded") && caption_image_type(r->body, r->size) != NULL;
}

int input_is_json(const http_request *r)
{
    const char *type = http_header(r, "Content-Type");
    if (!type || input_is_type(type, "application/x-www-form-urlencoded"))
        return !caption_image_type(r->body, r->size);
    return input_is_type(type, "application/json");
}

int caption_input_body(caption_input *input, http_request *r, problem *p)
{
    const char *type = http_header(r, "Content-Type");
    if (r->size == 0)
        return problem_set(p, PROBLEM_EMPTY_BODY, "send an image, form data or JSON");
    if (type && input_is_type(type, "multipart/form-data"))
        return caption_input_multipart(input, r, p);
    if (type && input_is_type(type, "application/json"))
        return caption_input_json(input, (const char *)r->body, r->size, p);
    if (!input_is_raw_image(r))
        return problem_set(p, PROBLEM_UNSUPPORTED_MEDIA,
                           "%.100s is none of image/*, application/octet-stream, multipart/form-data, application/json",
                           type);
    unsigned char *bytes = r->body;
    r->body = NULL;
    return caption_input_add(input, bytes, r->size, p);
}
