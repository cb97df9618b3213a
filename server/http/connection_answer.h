/* connection_answer.h: an answer on a bare socket, where libmicrohttpd would give none, or one in HTML. */
#ifndef SERVER_CONNECTION_ANSWER_H
#define SERVER_CONNECTION_ANSWER_H

#include "server/http/framing.h"

/* Writes the problem with a request id of its own as far as the socket takes it at once: nothing else has been sent on
 * this request but perhaps "100 Continue", so there is room. Says so in the log, as a request with its status. */
void connection_answer(int fd, const framing *f, const problem *p);

#endif
