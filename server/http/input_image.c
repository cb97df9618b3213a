/* input_image.c: is this an image that may be decoded? */
#include <string.h>
#include <strings.h>

#include "server/http/input.h"

int input_is_type(const char *content_type, const char *type)
{
    size_t length = strlen(type);
    if (strncasecmp(content_type, type, length) != 0)
        return 0;
    return type[length - 1] == '/' || strchr(" \t;", content_type[length]) != NULL;
}

int input_refuse_image(int status, const char *called, const char *reason, problem *p)
{
    problem_kind kind = status == CAPTION_EUNSUPPORTED ? PROBLEM_UNSUPPORTED_IMAGE
                        : status == CAPTION_ELIMIT     ? PROBLEM_IMAGE_TOO_LARGE
                        : status == CAPTION_EFORMAT    ? PROBLEM_DAMAGED_IMAGE
                        : status == CAPTION_ESTOPPED   ? PROBLEM_DECODING_STOPPED
                        : status == CAPTION_ENOMEM     ? PROBLEM_MEMORY_FULL
                                                       : PROBLEM_INTERNAL;
    return problem_set(p, kind, "%s%s", called, reason);
}

int input_check_image(const unsigned char *bytes, size_t size, const config *c, const char *called, int *width,
                      int *height, problem *p)
{
    const caption_image_limits limits = {.max_pixels = (size_t)c->max_pixels};
    caption_error err;
    int status = size == 0 ? caption_fail(&err, CAPTION_EFORMAT, "it is empty")
                           : caption_image_check(bytes, size, &limits, width, height, &err);
    return status ? input_refuse_image(status, called, err.message, p) : 0;
}
