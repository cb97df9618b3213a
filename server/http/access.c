/* access.c: see access.h. */
#include "server/http/access.h"

#include <string.h>
#include <strings.h>

#include "server/http/guesses.h"
#include "server/http/http.h"
#include "server/http/keys.h"
#include "server/http/site.h"

const char *access_name(access_level level)
{
    static const char *const names[] = {"open", "caption", "operator"};
    return names[level];
}

/* ---- keys ------------------------------------------------------------------------------------------------------ */

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

void access_identify(http_request *r)
{
    keys *k = r->http->keys;
    const char *given = k ? bearer(r) : NULL;
    if (!given || (!keys_need_admin(k) && !keys_need_caption(k)))
        return;
    r->key = keys_find(k, given, &r->is_admin);
    r->wrong_key = !r->key;
}

static int check_key(const http_request *r, int caption_key_too, problem *p)
{
    if (r->is_admin || (caption_key_too && r->key))
        return 0;
    return problem_set(p, PROBLEM_UNAUTHORIZED, "%s",
                       r->wrong_key ? "this is not the key"
                       : r->key     ? "this key is for captions, and an operator's is needed"
                                    : "send Authorization: Bearer KEY");
}

int access_count(http_request *r, access_level level, problem *p)
{
    if (!r->key || level == ACCESS_OPEN)
        return 0;
    int refused = key_begin(r->http->keys, r->key, p);
    r->has_begun = !refused;
    return refused;
}

void access_forget(http_request *r)
{
    if (r->has_begun)
        key_end(r->http->keys, r->key);
}

void access_punish(http_request *r, int can_hold)
{
    problem *p = &r->problem;
    int wrong;
    if (!r->wrong_key || (p->kind != PROBLEM_UNAUTHORIZED && p->kind != PROBLEM_FORBIDDEN))
        return;
    int stay_away_s = guesses_add(r->http->guesses, r->client, can_hold, &r->hold_ms, &wrong);
    if (!stay_away_s)
        return;
    problem_set(p, PROBLEM_TOO_MANY_REQUESTS, "this is not the key, nor were the last: %d wrong ones from this address",
                wrong);
    p->retry_after = stay_away_s;
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
    keys *k = r->http->keys;
    if (level == ACCESS_OPERATOR)
        return keys_need_admin(k) ? check_key(r, 0, p) : check_loopback(r, p);
    return level == ACCESS_CAPTION && keys_need_caption(k) ? check_key(r, 1, p) : 0;
}
