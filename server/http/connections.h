/* connections.h: the open connections of a listener: what each may take, and who has to leave when there are too many.
 *
 *     HEAD     the head is coming      within --header-timeout-s, else 408
 *     BODY     the body is coming      at --min-rate or faster, within --request-timeout-s, else 408
 *     WORK     it is being answered    as long as its deadline lets it (queue.h)
 *     ANSWER   the answer is taken     at --min-rate or faster, within --request-timeout-s, else cut off
 *     IDLE     between two requests    within --idle-timeout-s, as any silence
 *
 * When there are more than --connections, or more of one address than --connections-per-address, one makes room for the
 * new one: first who was let in beyond a limit; then whose head is not whole, longest first; then a body or the taking
 * of an answer that goes slower than the minimum rate; then who is idle, longest first; then the slowest body. One that
 * is worked for is never cut off. If nobody can leave, the new one is told so (503, or 429 if it is its address that
 * has too many) once its head has come. So clients that are slow, however many, lose their places to those that are
 * not.
 *
 * It also is the way by which bytes reach libmicrohttpd: connections.c has a `recv` of its own, which the linker puts
 * before libc's. It hands over one request at a time, read by framing.h, and answers what is not in order itself,
 * because libmicrohttpd would read it otherwise, or answer in HTML. */
#ifndef SERVER_CONNECTIONS_H
#define SERVER_CONNECTIONS_H

#include <sys/socket.h>

#include "model/error.h"
#include "server/http/linger.h"
#include "server/http/problem.h"

struct connection; /* one of them */
typedef struct connections connections;

typedef struct connections_limits {
    int connections, per_address; /* 0: any number */
    int header_ms, idle_ms, request_ms;
    int min_rate; /* bytes a second; 0: any */
} connections_limits;

typedef enum connection_phase {
    CONNECTION_IDLE,
    CONNECTION_HEAD,
    CONNECTION_BODY,
    CONNECTION_WORK,
    CONNECTION_ANSWER,
    CONNECTION_PHASES
} connection_phase;

/* Starts the thread that looks after them; `linger` must outlive it. */
int connections_new(connections **out, const connections_limits *limits, linger_set *linger, caption_error *err);

/* When all are closed. NULL is allowed. */
void connections_free(connections *all);

/* A client has come; `exempt`: its address stands for many (a trusted proxy, a socket in the file system). NULL when
 * out of memory: then it must be closed. Before its end, connection_closed, no other socket may get its number. */
struct connection *connection_opened(connections *all, int fd, const struct sockaddr *address, int exempt);
void connection_closed(struct connection *c);

/* 1 with *p set if there was no room for it. */
int connection_refused(const struct connection *c, problem *p);

/* The answer of the request at hand begins (is_stream: it may take as long as it likes), or is over. */
void connection_answers(struct connection *c, int is_stream);
void connection_rests(struct connection *c);

/* The status that connection_* itself answered the request at hand, or 0. */
int connection_status(const struct connection *c);

/* How many are in each phase now; how many had to leave for others and how many were too slow since the start. */
void connections_count(connections *all, int phases[CONNECTION_PHASES], unsigned long long *evicted,
                       unsigned long long *slow);

#endif
