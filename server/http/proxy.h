/* proxy.h: what a reverse proxy says of the client that asked it. It is believed only of proxies that the operator
 * names
 * (--trusted-proxy): anybody can write these headers.
 *
 *     X-Forwarded-For      the client's address: the last one that is not itself a trusted proxy's
 *     X-Forwarded-Host     whom the client meant to ask
 *     X-Forwarded-Proto    http or https
 *     X-Forwarded-Prefix   the path below which the proxy shows the daemon: "/captions" */
#ifndef SERVER_PROXY_H
#define SERVER_PROXY_H

#include <sys/socket.h>

#include "server/base/config.h"

struct http_request;

/* What is wrong with a value of --trusted-proxy ("127.0.0.1,10.0.0.0/8,unix"), or NULL. */
const char *proxy_fault(const char *value);

/* 1 if that is the address of a trusted proxy. */
int proxy_trusts(const config *c, const struct sockaddr *address);

/* Sets client, host, scheme and prefix of the request, whose client is the peer's address yet, if that is trusted. */
void proxy_read(struct http_request *request);

#endif
