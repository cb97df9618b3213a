/* access.h: who may ask what.
 *
 *     ACCESS_OPEN       everybody
 *     ACCESS_CAPTION    everybody, or, where there is a key for captions, who sends one or an operator's
 *     ACCESS_OPERATOR   who sends an operator's key; without one, only programs on this very machine
 *
 * A key (keys.h) is sent as `Authorization: Bearer KEY`. A wrong one counts where it made a difference, and then its
 * answer is held back (guesses.h); where none is needed, it is let pass, for there are clients that always send one.
 *
 * "On this machine" is the peer's address being loopback, or a socket in the file system, and nothing that says that
 * somebody else is behind it: a page of another site, or a proxy (site.h). A proxy that adds no header and speaks
 * HTTP/1.1 cannot be told apart: who runs one must set a key. */
#ifndef SERVER_ACCESS_H
#define SERVER_ACCESS_H

#include "server/http/problem.h"

typedef enum access_level { ACCESS_OPEN, ACCESS_CAPTION, ACCESS_OPERATOR } access_level;

/* "open", "caption", "operator" */
const char *access_name(access_level level);

struct http_request;

/* Which key it has: request->key, is_admin and wrong_key. Before the others. */
void access_identify(struct http_request *request);

/* Returns 0 to go on, or 1 with *p set: 401 or 403. */
int access_check(const struct http_request *request, access_level level, problem *p);

/* What may go on is counted to its key: 0, or 1 with *p set, 429. And it is over. */
int access_count(struct http_request *request, access_level level, problem *p);
void access_forget(struct http_request *request);

/* What request->problem refuses is, if it had a wrong key, held back (request->hold_ms), or told to stay away: 429. */
void access_punish(struct http_request *request, int can_hold);

#endif
