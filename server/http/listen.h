/* listen.h: a listening socket, TCP or in the file system. */
#ifndef SERVER_LISTEN_H
#define SERVER_LISTEN_H

#include "model/error.h"

/* Listens on host (a name or an address, IPv4 or IPv6) and port; 0 picks a free one. *out is the socket, *bound the
 * port it got. CAPTION_EIO names host, port and reason, and where the
 * port is taken the option to choose another one, as "--port N or CAPTIOND_PORT=N". */
int listen_open(const char *host, int port, const char *option, int *out, int *bound, caption_error *err);

#define LISTEN_UNIX "unix:"

/* What is wrong with a value of --listen, or NULL. */
const char *listen_fault(const char *name);

/* Listens on the socket in the file system that "unix:PATH" names, open to its owner and group. One that a dead daemon
 * left is replaced; one that somebody listens on is CAPTION_EIO, and so is any other file. */
int listen_open_unix(const char *name, int *out, caption_error *err);

/* Removes that socket. */
void listen_remove_unix(const char *name);

/* A socket connected to "unix:PATH", or -1 with errno. */
int listen_connect_unix(const char *name);

#endif
