/* cors.h: pages of other origins that may ask this daemon (--cors-origin), as browsers enforce it
 * (fetch.spec.whatwg.org).
 *
 * Nothing here lets anybody do more than its keys allow: it tells browsers that a page may read the answers.
 * Credentials of the browser (cookies) are never allowed; keys come in Authorization, which the page itself must know.
 */
#ifndef SERVER_CORS_H
#define SERVER_CORS_H

#include "server/base/config.h"

struct http_request;

/* What is wrong with a value of --cors-origin ("https://a.example,http://localhost:3000" or "*"), or NULL. */
const char *cors_fault(const char *value);

/* 1 if pages of that origin (the header Origin) may ask. */
int cors_allows(const config *c, const char *origin);

/* 1 if the request is a preflight, and from such a page: it is answered without a handler and without a key. */
int cors_is_preflight(const struct http_request *request);

/* The headers of every answer that a page must see to read it: calls `add` for each. */
void cors_headers(const struct http_request *request, void (*add)(void *context, const char *name, const char *value),
                  void *context);

#endif
