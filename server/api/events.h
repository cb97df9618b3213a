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
 * connection is suspended. The keeper (jobs.h) fetches what is new and resumes it. */
#ifndef SERVER_EVENTS_H
#define SERVER_EVENTS_H

#include "server/http/http.h"

typedef struct events events;

/* limit: streams at once. */
events *events_new(server *s, int limit); /* NULL when out of memory */
void events_free(events *e);              /* when no stream is left. NULL is allowed */

/* Answers with the events of an existing job that are newer than `after`, or with a problem. Not on an HTTP thread. */
void events_answer(events *e, http_request *request, long long job, long long after);

/* For the keeper: fetches what streams lack. newest: the newest event of any job. */
void events_look(events *e, long long newest);

/* Ends every stream where it is, so that no connection stays suspended; clients come back with Last-Event-ID. NULL is
 * allowed. */
void events_stop(events *e);

#endif
