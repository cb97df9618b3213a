/* access.c: see access.h. */
#include "server/http/access.h"

#include <nettle/memops.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/http/http.h"
#include "server/http/site.h"

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

int access_has_key(const http_request *r)
{
    const config *c = r->http->config;
    const char *given = bearer(r);
    return given && (is_key(given, c->admin_key) | is_key(given, c->caption_key));
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

/* r->client is what inet_ntop printed. */
static int is_local_peer(const http_request *r)
{
    return strncmp(r->client, "127.", 4) == 0 || strcmp(r->client, "::1") == 0 ||
           strncmp(r->client, "::ffff:127.", 11) == 0 || strcmp(r->client, HTTP_CLIENT_UNIX) == 0;
}

static int check_loopback(const http_request *r, problem *p)
{
    if (!is_local_peer(r))
        return problem_set(p, PROBLEM_FORBIDDEN, "no operator's key is configured: only this machine itself may ask");
    if (site_is_forwarded(r))
        return problem_set(p, PROBLEM_FORBIDDEN, "no operator's key is configured, and a proxy forwarded this");
    if ((*r->host && !site_is_local_host(r->host)) || !site_is_own_page(r))
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
