/* cors.c: see cors.h. */
#include "server/http/cors.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/http/http.h"

/* ---- the origins ------------------------------------------------------------------------------------------------- */

/* Calls `each` for what stands between commas, blanks apart, until it returns non-zero, which is returned. */
static int each_word(const char *list, int (*each)(void *context, const char *word, size_t length), void *context)
{
    for (const char *c = list; c; c = strchr(c, ',') ? strchr(c, ',') + 1 : NULL) {
        c += strspn(c, " \t");
        size_t length = strcspn(c, ",");
        while (length > 0 && isspace((unsigned char)c[length - 1]))
            length--;
        int stopped = each(context, c, length);
        if (stopped)
            return stopped;
    }
    return 0;
}

static int is_any(const char *word, size_t length)
{
    return length == 1 && *word == '*';
}

/* scheme://host or scheme://host:port and no more, as a browser writes it in Origin. */
static int find_fault(void *context, const char *word, size_t length)
{
    const char **fault = context;
    size_t scheme = strcspn(word, ":,");
    if (is_any(word, length))
        return 0;
    const char *host = word + scheme + 3;
    if (scheme + 3 >= length || strncmp(word + scheme, "://", 3) != 0 || !isalpha((unsigned char)*word))
        *fault = "is no origin: it has the form https://example.org or http://localhost:3000";
    else if (memchr(host, '/', length - scheme - 3) || memchr(host, '@', length - scheme - 3))
        *fault = "has more than an origin: nothing stands behind host and port, not even a slash";
    else if (memchr(host, '*', length - scheme - 3))
        *fault = "has a star within: * stands alone, for all origins";
    for (size_t i = 0; i < length; i++)
        if (!isgraph((unsigned char)word[i]))
            *fault = "has a blank or a character that no origin has";
    return *fault != NULL;
}

const char *cors_fault(const char *value)
{
    const char *fault = NULL;
    each_word(value, find_fault, &fault);
    return fault;
}

static int is_origin(void *context, const char *word, size_t length)
{
    const char *origin = context;
    return is_any(word, length) || (strlen(origin) == length && strncasecmp(word, origin, length) == 0);
}

int cors_allows(const config *c, const char *origin)
{
    for (int i = 0; i < c->cors_origins.n; i++)
        if (each_word(c->cors_origins.values[i], is_origin, (void *)origin)) /* it is only read */
            return 1;
    return 0;
}

/* Every origin, so that the answer is the same for all. */
static int allows_any(const config *c)
{
    return cors_allows(c, "");
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

int cors_is_preflight(const http_request *r)
{
    const char *origin = http_header(r, "Origin");
    return strcmp(r->method, "OPTIONS") == 0 && origin && http_header(r, "Access-Control-Request-Method") &&
           cors_allows(r->http->config, origin);
}

/* What the page is going to send is no secret and does no harm, so whatever it names is allowed; as text in a header of
 * ours it must be names and commas alone. */
static const char *allowed_headers(const http_request *r)
{
    const char *wanted = http_header(r, "Access-Control-Request-Headers");
    for (const char *c = wanted; c && *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-_, ", *c))
            return "Authorization, Content-Type";
    return wanted;
}

void cors_headers(const http_request *r, void (*add)(void *context, const char *name, const char *value), void *context)
{
    const config *c = r->http->config;
    const char *origin = http_header(r, "Origin");
    if (c->cors_origins.n == 0)
        return;
    if (!allows_any(c))
        add(context, "Vary", "Origin");
    if (!origin || !cors_allows(c, origin))
        return;
    add(context, "Access-Control-Allow-Origin", allows_any(c) ? "*" : origin);
    if (!cors_is_preflight(r)) {
        add(context, "Access-Control-Expose-Headers", "X-Request-Id, Location, Retry-After, WWW-Authenticate, ETag");
        return;
    }
    const char *headers = allowed_headers(r);
    add(context, "Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE");
    if (headers)
        add(context, "Access-Control-Allow-Headers", headers);
    if (http_header(r, "Access-Control-Request-Private-Network"))
        add(context, "Access-Control-Allow-Private-Network", "true");
    add(context, "Access-Control-Max-Age", "600");
}
