/* input_base64.c: an image inside JSON. */
#include <nettle/base64.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/http/input.h"

/* Skips "data:image/jpeg;base64,"; returns NULL with *p set if the URI is of another kind. */
static const char *skip_data_uri(const char *text, problem *p)
{
    static const char scheme[] = "data:", marker[] = ";base64";
    if (strncasecmp(text, scheme, sizeof scheme - 1) != 0)
        return text;
    const char *media = text + sizeof scheme - 1, *comma = strchr(media, ',');
    if (!comma || comma - media < (int)sizeof marker - 1 ||
        strncasecmp(comma - (sizeof marker - 1), marker, sizeof marker - 1) != 0) {
        problem_set(p, PROBLEM_BAD_BASE64, "a data URI has the form data:image/jpeg;base64,...");
        return NULL;
    }
    if (strncasecmp(media, "image/", 6) != 0 && *media != ';') {
        problem_set(p, PROBLEM_UNSUPPORTED_MEDIA, "the data URI is not of an image");
        return NULL;
    }
    return comma + 1;
}

static int is_url(const char *text)
{
    return strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
}

int input_base64(const char *text, const char *called, unsigned char **bytes, size_t *size, problem *p)
{
    if (is_url(text))
        return problem_set(p, PROBLEM_REMOTE_IMAGE,
                           "%s is a URL, and this server fetches nothing: send the image itself", called);
    text = skip_data_uri(text, p);
    if (!text)
        return 1;
    size_t length = strlen(text);
    *size = BASE64_DECODE_LENGTH(length);
    *bytes = malloc(*size ? *size : 1);
    if (!*bytes)
        return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    struct base64_decode_ctx decoder;
    base64_decode_init(&decoder);
    if (base64_decode_update(&decoder, size, *bytes, length, text) && base64_decode_final(&decoder))
        return 0;
    free(*bytes);
    return problem_set(p, PROBLEM_BAD_BASE64, "%s: this is no base64", called);
}
