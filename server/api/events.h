/* events.h: what jobs tell, as server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 *
 *     retry: 2000
 *
 *     id: 17
 *     event: progress
 *     data: {"epoch":3,...}
 *
 * A stream begins with the events that are remembered, or those after Last-Event-ID, goes on with new ones as they
 * come, says ":" now and then so that proxies keep it, and ends behind the job's last event, "end". The database is the
 * history: a stream only knows how far it is, so a slow reader costs a few kilobytes and holds nothing up.
 *
 * No thread belongs to a stream: libmicrohttpd asks for text when the client can take some, and while there is none the
 * connection is suspended. One thread for all streams, the feeder, fetches what is new and resumes them. */
#ifndef SERVER_EVENTS_H
#define SERVER_EVENTS_H

#include "server/http/http.h"
#include "server/jobs/job_store.h"

typedef struct events events;

/* Starts the feeder. limit: streams at once; one that saw no event for keep_alive_ms gets a comment. */
int events_start(events **out, job_store *store, int limit, int keep_alive_ms, caption_error *err);

/* Answers with the events of an existing job that are newer than `after`, or with a problem. Not on an HTTP thread. */
void events_answer(events *e, http_request *request, long long job, long long after);

/* Jobs have new events, up to this one (job_context.observe). */
void events_tell(void *events, long long newest);

/* Ends every stream where it is, so that no connection stays suspended; clients come back with Last-Event-ID. NULL is
 * allowed. */
void events_stop(events *e);

/* When no stream is left and no job tells anything any more. NULL is allowed. */
void events_free(events *e);

#endif
