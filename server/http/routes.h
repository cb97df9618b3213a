/* routes.h: which handler answers what, and who may ask. */
#ifndef SERVER_ROUTES_H
#define SERVER_ROUTES_H

#include <stddef.h>

#include "server/http/access.h"
#include "server/http/http.h"

typedef struct route {
    const char *method;
    const char *path; /* "/v1/jobs/{id}/events": a place in braces is anything but '/' and becomes a parameter */
    access_level access;
    void (*handle)(http_request *request);
    const char *summary;
} route;

enum { ROUTES_ALLOW_BYTES = 64 };

/* The route of a request (HEAD finds GET), or NULL. `allow` then lists the methods that the path does have, empty if
 * there is no such path. */
const route *routes_find(const char *method, const char *path, http_parameters parameter,
                         char allow[ROUTES_ALLOW_BYTES]);

/* How the clients of a path want to be told of problems. */
problem_dialect routes_dialect(const char *path);

/* The i-th route, NULL past the last. */
const route *routes_at(size_t i);

#endif
