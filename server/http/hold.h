/* hold.h: answers that are made and wait for a while before they are sent, without a thread each. */
#ifndef SERVER_HOLD_H
#define SERVER_HOLD_H

#include "model/error.h"

typedef struct hold hold;
struct http_request;

/* Starts the thread that lets go of them: `most` at once. */
int hold_new(hold **out, int most, caption_error *err);

/* Suspends the request, whose answer is made, and resumes it after so many ms. Returns 0 if it does not: too many are
 * held, or hold_stop was called. */
int hold_request(hold *h, struct http_request *request, int ms);

/* Lets go of all, at once. NULL is allowed. */
void hold_stop(hold *h);
void hold_free(hold *h); /* after hold_stop */

#endif
