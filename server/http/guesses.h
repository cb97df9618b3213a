/* guesses.h: who sends wrong keys has to wait, the longer the more of them it sends.
 *
 * After the n-th wrong key an address (of IPv6 the network) is to wait 25 ms x 2^(n-1), --wrong-key-delay-s at most;
 * one is forgiven a minute. The answer itself waits so long, up to HELD_MS: hold.h, so that no thread does. Longer
 * waits are left to the client: who sends the next wrong key sooner is told 429 with Retry-After. Right keys never
 * wait, whatever others behind the same address send. */
#ifndef SERVER_GUESSES_H
#define SERVER_GUESSES_H

#include <stdio.h>

#include "model/error.h"

typedef struct guesses guesses;

int guesses_new(guesses **out, int longest_s, caption_error *err);
void guesses_free(guesses *g);

/* A wrong key came from this address, as text. Returns 0 with *hold_ms set, how long the refusal is to be held back; or
 * how many seconds the client is told to stay away, with *wrong set, how many wrong keys it is now. */
int guesses_add(guesses *g, const char *address, int can_hold, int *hold_ms, int *wrong);

void guesses_metrics(FILE *out, void *context);

#endif
