/* worker.h: the threads that turn queued images into captions. */
#ifndef SERVER_WORKER_H
#define SERVER_WORKER_H

#include <stdio.h>

#include "server/decode/cage.h"
#include "server/work/queue.h"

typedef struct workers workers;

/* Makes a session for each of n workers and starts them on the queue; batch is that of the queue. Images are decoded in
 * the cage, which has a helper for each. */
int workers_start(workers **out, int n, queue *q, int batch, caption_encoder *encoder, cage *c,
                  const caption_image_limits *limits, caption_error *err);

/* After queue_stop: waits for the threads and frees their sessions. NULL is allowed. */
void workers_join(workers *w);

/* What is counted of them and of their queue, for metrics_register. */
void workers_metrics(FILE *out, void *queue);

#endif
