/* accept.h: what a client would rather have. */
#ifndef SERVER_ACCEPT_H
#define SERVER_ACCEPT_H

/* How much the Accept header wants a type as "text/html": 0 (not at all) to 1. The most specific range decides, as
 * RFC 9110 has it; a header that is absent (NULL) or empty accepts everything. */
double accept_quality(const char *accept, const char *type);

/* 1 if it wants this type more than JSON, which is what all answers can be. */
int accept_prefers(const char *accept, const char *type);

/* 1 if the header, as Accept-Encoding, lists `name` with a quality above 0; absent (NULL) it lists nothing. */
int accept_lists(const char *accept, const char *name);

#endif
