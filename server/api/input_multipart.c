/* input_multipart.c: form data: each part called `image` is a photo, where captions are taken `caption` one of
 * them, every other part an option. */
#include <string.h>

#include "server/api/caption_input.h"
#include "server/http/input.h"

enum { OPTION_BYTES = 256 };

static int add_part(void *context, input_part *part, problem *p)
{
    caption_input *input = context;
    if (strcmp(part->name, "image") == 0) {
        unsigned char *bytes = part->bytes;
        part->bytes = NULL;
        return caption_input_add(input, bytes, part->size, p);
    }
    if (caption_input_is_text(input, part->name))
        return caption_input_text(input, (const char *)part->bytes, part->size, p);
    if (!caption_input_is_option(input, part->name))
        return input_refuse_part(part, p);
    if (part->size >= OPTION_BYTES || memchr(part->bytes, '\0', part->size))
        return problem_set(p, PROBLEM_BAD_OPTION, "%.64s: the value is too long or has a zero byte", part->name);
    return caption_input_option(input, part->name, (const char *)part->bytes, p);
}

int caption_input_multipart(caption_input *input, const http_request *request, problem *p)
{
    return input_form(request, add_part, input, p);
}
