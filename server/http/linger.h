/* linger.h: closing a connection whose client is still sending.
 *
 * close() on a socket with unread data makes the kernel send a reset, and a client that was still uploading may then
 * lose the answer that refused its upload. So such sockets are kept a little longer, half closed: what still comes is
 * read and thrown away until the client has closed, or for a bounded time. Few at once; beyond that they are reset. */
#ifndef SERVER_LINGER_H
#define SERVER_LINGER_H

#include "model/error.h"

typedef struct linger_set linger_set;

/* Starts the thread that reads. */
int linger_new(linger_set **out, caption_error *err);

/* Closes all that linger. NULL is allowed. */
void linger_free(linger_set *l);

/* Keeps a duplicate of fd, whose writing side the caller has shut down and which it is about to close. Thread-safe. */
void linger_add(linger_set *l, int fd);

#endif
