/* input_kind.c: is a body form data, JSON or an image? */
#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "server/http/input.h"

static const char *content_type(const http_request *r)
{
    const char *type = http_header(r, "Content-Type");
    return type && !type[strspn(type, " \t")] ? NULL : type;
}

/* application/json, and what is called JSON by others: text/json, application/problem+json. */
static int is_type_of_json(const char *type)
{
    static const char suffix[] = "+json";
    size_t length = strcspn(type, " \t;"), end = sizeof suffix - 1;
    return input_is_type(type, "application/json") || input_is_type(type, "text/json") ||
           (length > end && strncasecmp(type + length - end, suffix, end) == 0);
}

static int is_any_of(const char *type, const char *const *types)
{
    for (; *types; types++)
        if (input_is_type(type, *types))
            return 1;
    return 0;
}

/* The first byte that is no blank opens an object. */
static int looks_like_json(const http_request *r)
{
    size_t i = 0;
    while (i < r->size && isspace(r->body[i]))
        i++;
    return i < r->size && r->body[i] == '{';
}

input_kind input_body_kind(const http_request *r)
{
    /* what clients say when they were not told what they send: curl -d, fetch with a string, many with a file */
    static const char *const vague[] = {"application/x-www-form-urlencoded",
                                        "text/plain",
                                        "application/octet-stream",
                                        "binary/octet-stream",
                                        "*/*",
                                        NULL};
    static const char *const raw[] = {"image/", "application/octet-stream", "binary/octet-stream", "*/*", NULL};
    const char *type = content_type(r);
    if (type && input_is_type(type, "multipart/form-data"))
        return INPUT_FORM;
    if (type && is_type_of_json(type))
        return INPUT_JSON;
    if (caption_image_type(r->body, r->size))
        return INPUT_IMAGE;
    if ((!type || is_any_of(type, vague)) && looks_like_json(r))
        return INPUT_JSON;
    return !type || is_any_of(type, raw) ? INPUT_IMAGE : INPUT_OTHER;
}

int input_is_json(const http_request *r)
{
    const char *type = content_type(r);
    if (!type || input_is_type(type, "application/x-www-form-urlencoded"))
        return !caption_image_type(r->body, r->size);
    return is_type_of_json(type);
}

int input_refuse_type(const http_request *r, const char *taken, problem *p)
{
    const char *type = content_type(r);
    return problem_set(p, PROBLEM_UNSUPPORTED_MEDIA, "%.100s is none of %s", type ? type : "no Content-Type", taken);
}
