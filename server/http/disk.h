/* disk.h: a few threads for requests that wait: for the disk, for the database, for a whole picture to be decoded.
 *
 * HTTP threads never wait. A handler that has read its request hands it over and returns:
 *
 *     static void work(http_request *request, void *context) { ... http_answer_json(request, 200, json); }
 *
 *     void api_something(http_request *request) { disk_run(request, work, context, free); }
 *
 * `work` runs on a disk thread and must answer. The queue before those threads is that of captions (queue.h), so it is
 * bounded in the same way: full is 503 with Retry-After at once, and a request whose client left or whose deadline
 * passed is dropped before work begins. */
#ifndef SERVER_DISK_H
#define SERVER_DISK_H

#include "server/http/http.h"

typedef struct disk disk;

typedef struct disk_limits {
    int threads, queue, deadline_ms; /* a request waits for a thread no longer than that */
} disk_limits;

int disk_start(disk **out, const disk_limits *limits, caption_error *err);

/* Refuses what still waits (503) and returns when work that has begun is finished. */
void disk_stop(disk *d);
void disk_free(disk *d); /* after disk_stop. NULL is allowed */

/* Suspends the request until `work` has answered it, or answers it with a problem. `release` (may be NULL) is called
 * with the context exactly once, whatever happens. */
void disk_run(http_request *request, void (*work)(http_request *request, void *context), void *context,
              void (*release)(void *context));

/* The same on other threads than http->disk, for a request that is suspended already; resumes it whatever happens. */
void disk_continue(disk *d, http_request *request, void (*work)(http_request *request, void *context), void *context,
                   void (*release)(void *context));

#endif
