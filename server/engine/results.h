/* results.h: captions on their way from a worker's session, which will write over them, to the answer. */
#ifndef SERVER_RESULTS_H
#define SERVER_RESULTS_H

#include "server/work/queue.h"

/* Copies n >= 1 results into an image of a ticket, with all that their tokens point to if `tokens`. Those after the
 * first that do not exist (caption_generate) are left out. */
int results_keep(ticket_image *image, const caption_result *results, int n, int tokens, caption_error *err);

/* Frees what results_keep allocated. */
void results_free(ticket_image *image);

#endif
