/* route.c: finds the handler of a path in the table that http_start was given. */
#include "server/http/route.h"

#include <string.h>

problem_dialect route_dialect_of(const route_dialect *d, const char *path, const problem *p)
{
    for (; d->beginning; d++)
        if (strncmp(path, d->beginning, strlen(d->beginning)) == 0 && (!d->status || d->status == problem_status(p)))
            return d->dialect;
    return PROBLEM_PLAIN;
}

/* 1 if the path has the pattern's form; fills the parameters on the way. */
static int matches(const char *pattern, const char *path, http_parameters parameter)
{
    int n = 0;
    while (*pattern) {
        if (*pattern != '{') {
            if (*pattern++ != *path++)
                return 0;
            continue;
        }
        size_t length = strcspn(path, "/");
        if (length == 0 || length >= HTTP_PARAMETER_BYTES)
            return 0;
        memcpy(parameter[n], path, length);
        parameter[n++][length] = '\0';
        path += length;
        pattern = strchr(pattern, '}') + 1;
    }
    return *path == '\0';
}

const route *route_find(const route *routes, const char *method, const char *path, http_parameters parameter,
                        char allow[ROUTE_ALLOW_BYTES])
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    *allow = '\0';
    for (const route *r = routes; r->method; r++) {
        if (!matches(r->path, path, parameter))
            continue;
        if (strcmp(r->method, wanted) == 0) {
            *allow = '\0';
            return r;
        }
        strcat(allow, *allow ? ", " : "");
        strcat(allow, strcmp(r->method, "GET") == 0 ? "GET, HEAD" : r->method);
    }
    return NULL;
}
