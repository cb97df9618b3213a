/* access.c: see access.h. */
#include "server/http/access.h"

#include <arpa/inet.h>
#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/http/http.h"

const char *access_name(access_level level)
{
    static const char *const names[] = {"open", "caption", "operator"};
    return names[level];
}

/* ---- keys ------------------------------------------------------------------------------------------------------ */

static void digest(const char *text, uint8_t out[SHA256_DIGEST_SIZE])
{
    struct sha256_ctx sha;
    sha256_init(&sha);
    sha256_update(&sha, strlen(text), (const uint8_t *)text);
    sha256_digest(&sha, SHA256_DIGEST_SIZE, out);
}

/* key NULL: none is configured. */
static int is_key(const char *given, const char *key)
{
    uint8_t a[SHA256_DIGEST_SIZE], b[SHA256_DIGEST_SIZE];
    if (!key)
        return 0;
    digest(given, a);
    digest(key, b);
    return memeql_sec(a, b, sizeof a);
}

/* What follows "Bearer " in the Authorization header, or NULL. */
static const char *bearer(const http_request *r)
{
    static const char scheme[] = "Bearer ";
    const char *text = http_header(r, "Authorization");
    if (!text || strncasecmp(text, scheme, sizeof scheme - 1) != 0)
        return NULL;
    text += sizeof scheme - 1;
    return text + strspn(text, " ");
}

static int check_key(const http_request *r, int caption_key_too, problem *p)
{
    const config *c = r->http->config;
    const char *given = bearer(r);
    if (!given)
        return problem_set(p, PROBLEM_UNAUTHORIZED, "send Authorization: Bearer KEY");
    int good = is_key(given, c->admin_key) | (caption_key_too & is_key(given, c->caption_key));
    return good ? 0 : problem_set(p, PROBLEM_UNAUTHORIZED, "this is not the key");
}

/* ---- loopback -------------------------------------------------------------------------------------------------- */

/* Host of "host", "host:port" or "[v6]:port" is this machine's own name for itself. */
static int is_local_host(const char *text)
{
    static const char *const names[] = {"localhost", "[::1]"};
    char address[INET_ADDRSTRLEN];
    struct in_addr ip;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t length = strlen(names[i]);
        if (strncasecmp(text, names[i], length) == 0 && (!text[length] || text[length] == ':'))
            return 1;
    }
    size_t length = strcspn(text, ":");
    if (length >= sizeof address) /* no address, and cut off it might look like one */
        return 0;
    snprintf(address, sizeof address, "%.*s", (int)length, text);
    return inet_pton(AF_INET, address, &ip) == 1 && (ntohl(ip.s_addr) >> 24) == IN_LOOPBACKNET;
}

/* r->client is what inet_ntop printed. */
static int is_local_peer(const http_request *r)
{
    return strncmp(r->client, "127.", 4) == 0 || strcmp(r->client, "::1") == 0 ||
           strncmp(r->client, "::ffff:127.", 11) == 0 || strcmp(r->client, HTTP_CLIENT_UNIX) == 0;
}

static int is_forwarded(const http_request *r)
{
    static const char *const marks[] = {"Forwarded",         "X-Forwarded-For", "X-Forwarded-Host",
                                        "X-Forwarded-Proto", "X-Real-IP",       "Via"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        if (http_header(r, marks[i]))
            return 1;
    return 0;
}

/* A browser names the page that asks in Origin; a page of this very server has our Host in it. */
static int is_foreign_page(const http_request *r)
{
    const char *origin = http_header(r, "Origin");
    if (*r->host && !is_local_host(r->host))
        return 1;
    if (!origin)
        return 0;
    const char *page = strstr(origin, "://");
    if (*r->scheme && page &&
        (strncmp(origin, r->scheme, strlen(r->scheme)) != 0 || origin + strlen(r->scheme) != page))
        return 1;
    return !*r->host || !page || strcasecmp(page + 3, r->host) != 0;
}

static int check_loopback(const http_request *r, problem *p)
{
    if (!is_local_peer(r))
        return problem_set(p, PROBLEM_FORBIDDEN, "no operator's key is configured: only this machine itself may ask");
    if (is_forwarded(r))
        return problem_set(p, PROBLEM_FORBIDDEN, "no operator's key is configured, and a proxy forwarded this");
    if (is_foreign_page(r))
        return problem_set(p, PROBLEM_FORBIDDEN, "no operator's key is configured, and Host or Origin is foreign");
    return 0;
}

int access_check(const http_request *r, access_level level, problem *p)
{
    const config *c = r->http->config;
    if (level == ACCESS_OPERATOR)
        return c->admin_key ? check_key(r, 0, p) : check_loopback(r, p);
    return level == ACCESS_CAPTION && c->caption_key ? check_key(r, 1, p) : 0;
}
