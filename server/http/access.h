/* access.h: who may ask what.
 *
 *     ACCESS_OPEN       everybody
 *     ACCESS_CAPTION    everybody, or, with --caption-key, who sends that key or the operator's
 *     ACCESS_OPERATOR   who sends the operator's key (--admin-key); without one, only programs on this very machine
 *
 * A key is sent as `Authorization: Bearer KEY`. Keys are compared as SHA-256 digests in constant time, so that neither
 * their bytes nor their length leak through timing.
 *
 * "On this machine" is the peer's address being loopback, or a socket in the file system, and nothing that says that
 * somebody else is behind it: a page of another site, or a proxy (site.h). A proxy that adds no header and speaks
 * HTTP/1.1 cannot be told apart: who runs one must set a key. */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include "server/http/problem.h"

typedef enum access_level { ACCESS_OPEN, ACCESS_CAPTION, ACCESS_OPERATOR } access_level;

/* "open", "caption", "operator" */
const char *access_name(access_level level);

struct http_request;

/* Returns 0 to go on, or 1 with *p set: 401 or 403. */
int access_check(const struct http_request *request, access_level level, problem *p);

/* 1 if it has a key that is configured, whatever it asks. */
int access_has_key(const struct http_request *request);

#endif
