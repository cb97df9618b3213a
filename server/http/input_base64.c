/* input_base64.c: an image inside JSON. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/base/base64.h"
#include "server/http/input.h"

static int has_marker(const char *media, const char *comma)
{
    static const char marker[] = "base64";
    while (comma > media && isspace((unsigned char)comma[-1]))
        comma--;
    const char *start = comma - (sizeof marker - 1);
    if (start < media || strncasecmp(start, marker, sizeof marker - 1) != 0)
        return 0;
    while (start > media && isspace((unsigned char)start[-1]))
        start--;
    return start == media || start[-1] == ';'; /* browsers write data:base64, for a file of no type they know */
}

/* What is surely no image; of other types the bytes decide, as browsers call a file that they do not know
 * application/octet-stream. */
static int is_other_media(const char *media)
{
    static const char *const others[] = {"text/", "audio/", "video/"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strncasecmp(media, others[i], strlen(others[i])) == 0)
            return 1;
    return 0;
}

/* Skips "data:image/jpeg;base64,"; returns NULL with *p set if the URI is of another kind. */
static const char *skip_data_uri(const char *text, problem *p)
{
    static const char scheme[] = "data:";
    if (strncasecmp(text, scheme, sizeof scheme - 1) != 0)
        return text;
    const char *media = text + sizeof scheme - 1, *comma = strchr(media, ',');
    media += strspn(media, " \t");
    if (!comma || !has_marker(media, comma)) {
        problem_set(p, PROBLEM_BAD_BASE64, "a data URI has the form data:image/jpeg;base64,...");
        return NULL;
    }
    if (is_other_media(media)) {
        problem_set(p, PROBLEM_UNSUPPORTED_MEDIA, "the data URI is not of an image");
        return NULL;
    }
    return comma + 1;
}

static int is_url(const char *text)
{
    return strncasecmp(text, "http://", 7) == 0 || strncasecmp(text, "https://", 8) == 0;
}

static int is_hex(const char *text)
{
    return isxdigit((unsigned char)text[0]) && isxdigit((unsigned char)text[1]);
}

/* A URI may have its +, / and = as %2B, %2F and %3D. Returns the length. */
static size_t unescape(char *text)
{
    char *out = text;
    for (const char *c = text; *c; c++) {
        if (*c == '%' && is_hex(c + 1)) {
            *out++ = (char)strtol((const char[]){c[1], c[2], '\0'}, NULL, 16);
            c += 2;
        } else {
            *out++ = *c;
        }
    }
    return (size_t)(out - text);
}

int input_base64(const char *text, const char *called, unsigned char **bytes, size_t *size, problem *p)
{
    text += strspn(text, " \t\r\n");
    if (is_url(text))
        return problem_set(p, PROBLEM_REMOTE_IMAGE,
                           "%s is a URL, and this server fetches nothing: send the image itself", called);
    text = skip_data_uri(text, p);
    if (!text)
        return 1;
    char *copy = strdup(text);
    if (!copy)
        return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    *bytes = (unsigned char *)copy;
    if (base64_decode(copy, unescape(copy), *bytes, size))
        return 0;
    free(copy);
    return problem_set(p, PROBLEM_BAD_BASE64, "%s: this is no base64", called);
}
