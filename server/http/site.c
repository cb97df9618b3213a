/* site.c: see site.h. */
#include "server/http/site.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/http/cors.h"
#include "server/http/http.h"
#include "server/http/keys.h"

/* ---- hosts ---------------------------------------------------------------------------------------------------------
 */

/* "name:8080" -> "name", "[::1]:8080" -> "::1"; empty if it is longer than a name can be. */
static void strip_port(const char *host, char out[HTTP_HOST_BYTES])
{
    int is_v6 = *host == '[';
    size_t length = is_v6 ? strcspn(host + 1, "]") : strcspn(host, ":");
    if (length >= HTTP_HOST_BYTES)
        length = 0;
    snprintf(out, HTTP_HOST_BYTES, "%.*s", (int)length, host + is_v6);
}

static int is_address(const char *name)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

/* localhost and names below it, which no name server is asked for (RFC 6761). */
static int is_localhost(const char *name)
{
    static const char local[] = "localhost";
    size_t length = strlen(name), tail = sizeof local - 1;
    return length >= tail && strcasecmp(name + length - tail, local) == 0 &&
           (length == tail || name[length - tail - 1] == '.');
}

int site_is_local_host(const char *host)
{
    char name[HTTP_HOST_BYTES];
    struct in_addr v4;
    strip_port(host, name);
    return is_localhost(name) || strcmp(name, "::1") == 0 ||
           (inet_pton(AF_INET, name, &v4) == 1 && (ntohl(v4.s_addr) >> 24) == IN_LOOPBACKNET);
}

/* "*", "name", "*.name" of `length` bytes. */
static int matches(const char *word, size_t length, const char *name)
{
    if (length == 1 && *word == '*')
        return 1;
    if (length > 2 && word[0] == '*') {
        size_t n = strlen(name);
        return n > length - 1 && strncasecmp(name + n - (length - 1), word + 1, length - 1) == 0;
    }
    return strlen(name) == length && strncasecmp(word, name, length) == 0;
}

static int is_public(const config *c, const char *name)
{
    for (int i = 0; i < c->public_hosts.n; i++)
        for (const char *word = c->public_hosts.values[i]; *word;) {
            word += strspn(word, " ,");
            size_t length = strcspn(word, " ,");
            if (length > 0 && matches(word, length, name))
                return 1;
            word += length;
        }
    return 0;
}

const char *site_fault(const char *value)
{
    for (const char *c = value; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("-._*, ", *c))
            return "is no name of a host, without a port";
    return *value ? NULL : "is empty";
}

/* A name that somebody else may own: not an address, not one that the daemon was given, and with a dot, because names
 * without one are of the network itself. */
static int is_foreign_host(const http_request *r)
{
    char name[HTTP_HOST_BYTES];
    strip_port(r->host, name);
    return *r->host && !is_address(name) && !is_localhost(name) && strchr(name, '.') &&
           strcasecmp(name, r->http->config->host) != 0 && !is_public(r->http->config, name);
}

/* ---- pages ---------------------------------------------------------------------------------------------------------
 */

int site_is_own_page(const http_request *r)
{
    const char *origin = http_header(r, "Origin");
    if (!origin)
        return 1;
    const char *page = strstr(origin, "://");
    if (!page || !*r->host || strcasecmp(page + 3, r->host) != 0)
        return 0;
    size_t length = strlen(r->scheme);
    return length == 0 || ((size_t)(page - origin) == length && strncasecmp(origin, r->scheme, length) == 0);
}

static int header_is(const http_request *r, const char *name, const char *value)
{
    const char *given = http_header(r, name);
    return given && strcasecmp(given, value) == 0;
}

/* Somebody follows a link, or types the address: the browser shows the answer, and no page sees it. */
static int is_navigation(const http_request *r)
{
    return (strcmp(r->method, "GET") == 0 || strcmp(r->method, "HEAD") == 0) &&
           header_is(r, "Sec-Fetch-Mode", "navigate") && header_is(r, "Sec-Fetch-Dest", "document");
}

static int is_foreign_fetch(const http_request *r)
{
    const char *site = http_header(r, "Sec-Fetch-Site");
    return site && strcasecmp(site, "same-origin") != 0 && strcasecmp(site, "none") != 0 && !is_navigation(r);
}

int site_check(const http_request *r, problem *p)
{
    const config *c = r->http->config;
    const char *origin = http_header(r, "Origin");
    if (!keys_need_caption(r->http->keys) && !r->by_proxy && is_foreign_host(r))
        return problem_set(p, PROBLEM_FORBIDDEN, "Host is %.200s: --public-host can allow it", r->host);
    if (origin && cors_allows(c, origin))
        return 0;
    if (!site_is_own_page(r))
        return problem_set(p, PROBLEM_FORBIDDEN, "a page of %.200s asks: --cors-origin can allow it", origin);
    if (is_foreign_fetch(r))
        return problem_set(p, PROBLEM_FORBIDDEN, "a page of another site asks (Sec-Fetch-Site)");
    return 0;
}

/* ---- proxies -------------------------------------------------------------------------------------------------------
 */

static int contains(const char *name, const char *part)
{
    return strcasestr(name, part) != NULL;
}

static int ends_in(const char *name, const char *tail)
{
    size_t n = strlen(name), length = strlen(tail);
    return n >= length && strcasecmp(name + n - length, tail) == 0;
}

/* "203.0.113.9", "203.0.113.9:4711", "[2001:db8::1]:4711, ...", quoted or not. */
static int holds_address(const char *value)
{
    char first[INET6_ADDRSTRLEN + 8], name[HTTP_HOST_BYTES];
    value += strspn(value, " \"");
    size_t length = strcspn(value, ", ;\"");
    if (length >= sizeof first)
        return 0;
    snprintf(first, sizeof first, "%.*s", (int)length, value);
    strip_port(first, name);
    return is_address(first) || is_address(name);
}

/* The names in use all have one of these in them; what has another has an address as its value. */
static int is_mark_of_proxy(void *unused, const char *name, const char *value)
{
    static const char *const parts[] = {"forward", "proxy",     "x-original",     "x-envoy", "client-ip",
                                        "x-host",  "x-scheme",  "x-proto",        "cdn-",    "cf-",
                                        "x-amzn-", "fastly-",   "x-remote",       "x-arr-",  "x-appengine",
                                        "x-azure", "x-cluster", "front-end-https"};
    (void)unused;
    if (strcasecmp(name, "Host") == 0)
        return 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (contains(name, parts[i]))
            return 1;
    return strcasecmp(name, "Via") == 0 || ends_in(name, "-ip") || ends_in(name, "-addr") ||
           (value && holds_address(value));
}

int site_is_forwarded(const http_request *r)
{
    return r->is_old || http_each_header(r, is_mark_of_proxy, NULL);
}
