/* route.h: which handler answers what, and who may ask. */
#ifndef SERVER_ROUTE_H
#define SERVER_ROUTE_H

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

enum { ROUTE_ALLOW_BYTES = 64 };

/* The route of a request (HEAD finds GET) in a table that ends with {0}, or NULL. `allow` then lists the methods that
 * the path does have, empty if there is no such path. */
const route *route_find(const route *routes, const char *method, const char *path, http_parameters parameter,
                        char allow[ROUTE_ALLOW_BYTES]);

/* How the clients of the paths that begin so want to be told of problems; a table ends with {0}. */
typedef struct route_dialect {
    const char *beginning;
    problem_dialect dialect;
    int status; /* of the problems that it is for; 0: all */
} route_dialect;

problem_dialect route_dialect_of(const route_dialect *dialects, const char *path, const problem *p);

#endif
