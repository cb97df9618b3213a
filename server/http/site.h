/* site.h: may the page that makes a browser ask do so? And does somebody else stand behind the one who asks?
 *
 * A browser sends what any page tells it to, from within the network it is in. What gives a page away: Origin, which is
 * not this daemon's own; Sec-Fetch-Site, which says that it is another's; after DNS rebinding, Host, a name that is not
 * this daemon's. Such requests are refused on every route, unless --cors-origin names the page or --public-host the
 * name. A request with a key is let through: no page knows it. Following a link to the daemon is no page's asking. */
#ifndef SERVER_SITE_H
#define SERVER_SITE_H

#include "server/http/problem.h"

struct http_request;

/* What is wrong with a value of --public-host ("captions.example.org,*.example.net" or "*"), or NULL. */
const char *site_fault(const char *value);

/* Returns 0, or 1 with *p set: 403. */
int site_check(const struct http_request *request, problem *p);

/* 1 if Host is this machine's own name for itself. */
int site_is_local_host(const char *host);

/* 1 if Origin is absent or that of this daemon's own page. */
int site_is_own_page(const struct http_request *request);

/* 1 if a proxy passed it on: it has a header that proxies add, or any whose value is an address, or is HTTP/1.0, which
 * hardly anybody but a proxy with its defaults speaks. */
int site_is_forwarded(const struct http_request *request);

#endif
