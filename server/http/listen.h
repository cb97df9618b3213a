/* listen.h: a listening TCP socket. */
#ifndef SERVER_LISTEN_H
#define SERVER_LISTEN_H

#include "model/error.h"

/* Listens on host (a name or an address, IPv4 or IPv6) and port; 0 picks a free one. *out is the socket, *bound the
 * port it got. CAPTION_EIO names host, port and reason. */
int listen_open(const char *host, int port, int *out, int *bound, caption_error *err);

#endif
