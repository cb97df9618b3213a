/* http.h: requests as handlers see them. Only http*.c and the multipart parser know libmicrohttpd.
 *
 * A handler is called on an HTTP thread once the body is complete. It either answers before it returns, or calls
 * http_suspend, hands the request to another thread and returns; that thread answers and calls http_resume last. Nobody
 * touches a request after that. */
#ifndef SERVER_HTTP_H
#define SERVER_HTTP_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/base/config.h"
#include "server/http/connections.h"
#include "server/http/linger.h"
#include "server/http/problem.h"

enum {
    HTTP_ID_BYTES = 65,
    HTTP_CLIENT_BYTES = 46,
    HTTP_HOST_BYTES = 262,
    HTTP_SCHEME_BYTES = 8,
    HTTP_PREFIX_BYTES = 128,
    HTTP_TRACE_BYTES = 56,
    HTTP_PARAMETERS = 2,
    HTTP_PARAMETER_BYTES = 256,
    HTTP_LOCATION_BYTES = 384,
    HTTP_INSTANCE_BYTES = 256
};

#define HTTP_CLIENT_UNIX "unix" /* client of a socket in the file system */

struct MHD_Connection;
struct MHD_Daemon;
struct MHD_Response;
struct route;
struct route_dialect;

typedef enum server_state { SERVER_LOADING, SERVER_READY, SERVER_DRAINING } server_state;

/* What all requests share. Made before any thread starts; the members that change are atomic, the rest is constant. */
typedef struct http_server {
    const config *config;
    const struct route *routes; /* who answers what (route.h) */
    const struct route_dialect *dialects;
    struct server *owner; /* for the handlers, as request->server: HTTP does not look into it */
    int threads;          /* that receive and validate */
    linger_set *linger;
    connections *connections;
    struct keys *keys;           /* keys.h; NULL: nobody needs one here */
    struct guesses *guesses;     /* guesses.h, of wrong keys */
    struct hold *hold;           /* hold.h */
    struct disk *answers;        /* disk.h: threads for answers that take long to make */
    struct disk *disk;           /* disk.h */
    struct route_counts *counts; /* http_metrics.c's: of each route, and of no route */
    uint32_t id_prefix;          /* random: request ids of two runs differ */
    _Atomic uint32_t ids;        /* requests so far */
    _Atomic int state;           /* server_state */
    _Atomic int given_up;        /* the time to finish requests is over */
    _Atomic int in_flight;       /* requests begun and not completed */
    _Atomic int answering;       /* those of them that came in whole */
    _Atomic size_t buffered;     /* bytes of all bodies being held */
} http_server;

/* What stood in the path in the places that the route's pattern leaves open, in order. */
typedef char http_parameters[HTTP_PARAMETERS][HTTP_PARAMETER_BYTES];

typedef struct http_request {
    http_server *http;
    struct server *server; /* http->owner */
    struct MHD_Connection *connection;
    struct connection *wire;   /* connections.h */
    const char *method, *path; /* live as long as the request */
    char id[HTTP_ID_BYTES], client[HTTP_CLIENT_BYTES];
    char host[HTTP_HOST_BYTES];     /* whom the client meant to ask: "example.org:8080"; "" if it did not say */
    char scheme[HTTP_SCHEME_BYTES]; /* "http", "https": how a trusted proxy was asked; "" if none says so */
    char prefix[HTTP_PREFIX_BYTES]; /* "/captions": where a trusted proxy shows the daemon; "" at its root */
    char trace[HTTP_TRACE_BYTES];   /* the client's traceparent (W3C Trace Context); "" without a valid one */
    http_parameters parameter;
    double started;      /* clock_ms when the headers were in */
    unsigned char *body; /* malloc'd; a handler may take it by setting it to NULL */
    size_t size;         /* of the body */

    char location[HTTP_LOCATION_BYTES]; /* a handler may set the Location header of its answer, without the prefix */

    /* http.c's own */
    const struct route *route;
    size_t room, charged;               /* allocated for the body; counted in http->buffered */
    size_t received;                    /* bytes of the body that came, kept or not */
    struct named_key *key;              /* that it has; NULL: none, or, with wrong_key, one that there is not */
    int is_admin, wrong_key, has_begun; /* access.c's: of the key; the request counts among those at work for it */
    int hold_ms;                        /* its answer waits so long */
    problem problem;                    /* found before the body was complete */
    char allow[64];                     /* for 405 */
    struct MHD_Response *response;
    int status; /* of the answer; 0: none yet */
    size_t answer_bytes;
    int by_proxy;                             /* a trusted proxy passed it on */
    int is_old;                               /* HTTP/1.0 */
    int late;                                 /* begun when the server was shutting down */
    int whole, handled, suspended, abandoned; /* whole: counted in http->answering */
    int is_stream;                            /* its answer comes piece by piece, as long as it likes */
    int preflight;                            /* cors.h: answered 204 without a handler */
    int unread;                               /* answered although the client may be sending: linger */
} http_request;

/* Answers with JSON; takes `json` (malloc'd). NULL, out of memory, is answered 500. */
void http_answer_json(http_request *request, int status, char *json);

/* Answers 200 with `size` bytes of another type. These are malloc'd and taken (NULL, out of memory, is answered 500)...
 */
void http_answer_bytes(http_request *request, const char *type, void *bytes, size_t size);

/* ... and these live as long as the program: a constant, or a file that the binary carries (embedded.h). */
void http_answer_constant(http_request *request, const char *type, const void *bytes, size_t size);

/* Answers 200 with a file, sent from `fd`, which is taken. */
void http_answer_file(http_request *request, int fd, size_t size, const char *type);

/* Answers 204. */
void http_answer_nothing(http_request *request);

/* Answers 304: the client has it already. */
void http_answer_unchanged(http_request *request);

/* Gives the answer just made a header, in place of one of that name. */
void http_answer_header(http_request *request, const char *name, const char *value);

/* Answers 200 with a body that comes piece by piece. `read` is called on an HTTP thread whenever the client can take
 * more: it writes up to `room` bytes and returns how many; or HTTP_STREAM_END; or HTTP_STREAM_WAIT after http_suspend,
 * and then whoever has more calls http_resume. `release` is called once, when the request may be gone already. */
enum { HTTP_STREAM_WAIT = 0, HTTP_STREAM_END = -1 };
void http_answer_stream(http_request *request, const char *type, ssize_t (*read)(void *context, char *out, size_t room),
                        void (*release)(void *context), void *context);

void http_answer_problem(http_request *request, const problem *p);

/* The client is gone: close without an answer, which the log calls p. */
void http_abandon(http_request *request, const problem *p);

void http_suspend(http_request *request);
void http_resume(http_request *request);

int http_socket(const http_request *request);
const char *http_header(const http_request *request, const char *name); /* NULL if absent */

/* Calls `each` for the query's parameters until it returns non-zero, which is returned. A value may be NULL. */
int http_each_parameter(const http_request *request, int (*each)(void *context, const char *name, const char *value),
                        void *context);

int http_each_header(const http_request *request, int (*each)(void *context, const char *name, const char *value),
                     void *context);

/* For what takes long, between its steps: 1 with *p set if the answer is not wanted any more: the client has left, the
 * request's deadline has passed, or the server gives up what it has not finished. */
int http_unwanted(const http_request *request, problem *p);

/* 1 with *p set while the weights are loading, or if the request began when the server was shutting down. */
int http_not_ready(const http_request *request, problem *p);

/* ---- for http*.c ------------------------------------------------------------------------------------------------- */

extern const char http_challenge[]; /* WWW-Authenticate of an answer 401 */

/* Counting (http_metrics.c): a request that is over, and a problem that was answered or ended a request without an
 * answer. */
void http_count_request(const http_request *request);
void http_count_problem(problem_kind kind);

/* ---- for command_serve.c --------------------------------------------------------------------------------------- */

/* Serves on the listening socket, which belongs to the daemon from now on; NULL if libmicrohttpd cannot start. */
struct MHD_Daemon *http_start(http_server *s, int listener);

/* Makes room for counting and registers what is counted; before http_start. */
int http_counts_new(http_server *s, caption_error *err); /* room for counting alone */
int http_metrics_start(http_server *s, caption_error *err);
void http_metrics_stop(http_server *s);

/* Refuses new connections; those there are live on. Returns the listening socket, now the caller's, to be closed only
 * after http_stop: a thread may be about to accept from it. */
int http_stop_listening(struct MHD_Daemon *daemon);

/* Closes every connection; none may be suspended. */
void http_stop(struct MHD_Daemon *daemon);

#endif
