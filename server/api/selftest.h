/* selftest.h: the gradient check for requests: one at a time, where nobody waits for it but those who asked.
 *
 * A request that asks for what is being run shares that run's report; one that asks for something else meanwhile is
 * refused (409, Retry-After), so that requests cannot pile up work. The check runs on a thread of its own at the lowest
 * nice value, so neither HTTP threads nor caption workers are kept; --deadline-ms bounds it. */
#ifndef SERVER_SELFTEST_H
#define SERVER_SELFTEST_H

#include "server/api/server.h"

enum { SELFTEST_LAYER_BYTES = 64 };

typedef struct selftest_question {
    uint64_t seed;
    char layer[SELFTEST_LAYER_BYTES]; /* one that caption_gradcheck_known knows; "": all */
} selftest_question;

typedef struct selftest selftest;

int selftest_start(selftest **out, const config *c, caption_error *err);

/* Suspends the request until the report is there, or refuses it. */
void selftest_ask(http_request *request, const selftest_question *question);

/* Ends a run after the check at hand; who waits for it is answered 503, and so are later requests. NULL is allowed. */
void selftest_stop(selftest *s);
void selftest_free(selftest *s); /* after selftest_stop. NULL is allowed */

#endif
