/* routes.h: which handler answers what. */
#ifndef SERVER_ROUTES_H
#define SERVER_ROUTES_H

#include <stddef.h>

#include "server/http.h"

typedef struct route {
    const char *method, *path;
    void (*handle)(http_request *request);
    const char *summary;
} route;

enum { ROUTES_ALLOW_BYTES = 64 };

/* The route of a request (HEAD finds GET), or NULL. `allow` then lists the methods that the path does have, empty if
 * there is no such path. */
const route *routes_find(const char *method, const char *path, char allow[ROUTES_ALLOW_BYTES]);

/* The i-th route, NULL past the last. */
const route *routes_at(size_t i);

#endif
