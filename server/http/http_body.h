/* http_body.h: collecting a request's body within the limits. */
#ifndef SERVER_HTTP_BODY_H
#define SERVER_HTTP_BODY_H

#include "server/http/http.h"

/* What the headers promise: 1 if a body follows. *length is its size, or 0 if only its end will tell (chunked). */
int http_body_announced(const http_request *request, unsigned long long *length);

/* Refuses a body that the headers already show to be too large: returns 1 with request->problem set. */
int http_body_check_length(http_request *request, unsigned long long length);

/* Keeps the next piece. Returns 1 with request->problem set if it goes over a limit. A request that is refused already
 * keeps nothing, but its bytes are counted all the same. */
int http_body_append(http_request *request, const char *data, size_t size);

void http_body_free(http_request *request);

#endif
