/* paths.c: see paths.h. */
#include "server/base/paths.h"

#include <ctype.h>
#include <string.h>

static int begins_path(const char *text, char before)
{
    int is_url = before == ':' && text[1] == '/';
    return *text == '/' && text[1] && !isspace((unsigned char)text[1]) && !isalnum((unsigned char)before) &&
           !strchr("./-_~*", before) && !is_url;
}

static size_t length_of(const char *path)
{
    size_t n = 0;
    while (path[n] && !strchr(" \t\n\"'`,;()[]{}<>|", path[n]) &&
           !(path[n] == ':' && (!path[n + 1] || path[n + 1] == ' ')))
        n++;
    return n;
}

/* Where its last part begins: "/a/b" and "/a/b/" -> "b". */
static size_t last_part(const char *path, size_t length)
{
    while (length > 1 && path[length - 1] == '/')
        length--;
    while (length > 0 && path[length - 1] != '/')
        length--;
    return length;
}

void paths_hide(char *text)
{
    char *out = text, before = ' ';
    for (const char *in = text; *in;) {
        if (begins_path(in, before))
            in += last_part(in, length_of(in));
        before = *in;
        if (*in)
            *out++ = *in++;
    }
    *out = '\0';
}
