/* accept.c: see accept.h. */
#include "server/http/accept.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char blanks[] = " \t";

/* How exactly the range [text, text + length) names the type: 3 itself, 2 its kind, 1 anything, 0 not at all. */
static int specificity(const char *text, size_t length, const char *type)
{
    size_t kind = strcspn(type, "/") + 1;
    if (length == strlen(type) && strncasecmp(text, type, length) == 0)
        return 3;
    if (length == kind + 1 && strncasecmp(text, type, kind) == 0 && text[kind] == '*')
        return 2;
    return length == 3 && strncmp(text, "*/*", 3) == 0;
}

/* The q of a range's parameters, [text, end): 1 if none is given. */
static double quality(const char *text, const char *end)
{
    while ((text = memchr(text, ';', (size_t)(end - text)))) {
        text += 1 + strspn(text + 1, blanks);
        if (text + 1 < end && strncasecmp(text, "q=", 2) == 0) {
            double q = strtod(text + 2, NULL);
            return q >= 0 && q <= 1 ? q : 0;
        }
    }
    return 1;
}

double accept_quality(const char *accept, const char *type)
{
    int best = 0;
    double wanted = 0;
    if (!accept || !accept[strspn(accept, blanks)])
        return 1;
    for (const char *text = accept; *text; text += *text == ',') {
        text += strspn(text, blanks);
        const char *end = text + strcspn(text, ",");
        int exact = specificity(text, strcspn(text, ";, \t"), type);
        if (exact > best) {
            best = exact;
            wanted = quality(text, end);
        }
        text = end;
    }
    return wanted;
}

int accept_prefers(const char *accept, const char *type)
{
    return accept_quality(accept, type) > accept_quality(accept, "application/json");
}

int accept_lists(const char *accept, const char *name)
{
    for (const char *text = accept ? accept : ""; *text; text += *text == ',') {
        text += strspn(text, blanks);
        const char *end = text + strcspn(text, ",");
        size_t length = strcspn(text, ";, \t");
        if (length == strlen(name) && strncasecmp(text, name, length) == 0)
            return quality(text, end) > 0;
        text = end;
    }
    return 0;
}
