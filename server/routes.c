/* routes.c: every route of the daemon. */
#include "server/routes.h"

#include <string.h>

#include "server/api.h"

static const route routes[] = {
    {"GET", "/", api_index, "this list"},
    {"GET", "/healthz", api_healthz, "200 while the process lives"},
    {"GET", "/readyz", api_readyz, "200 while captions are served, 503 while loading or shutting down"},
    {"GET", "/v1/models", api_models, "the loaded captioners"},
    {"POST", "/v1/caption", api_caption, "photos in, captions out"},
};

const route *routes_at(size_t i)
{
    return i < sizeof routes / sizeof *routes ? &routes[i] : NULL;
}

const route *routes_find(const char *method, const char *path, char allow[ROUTES_ALLOW_BYTES])
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    const route *r;
    *allow = '\0';
    for (size_t i = 0; (r = routes_at(i)) != NULL; i++) {
        if (strcmp(r->path, path) != 0)
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
