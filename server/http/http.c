/* http.c: the life of a request in libmicrohttpd.
 *
 *     headers -> begin      find the route; refuse what the headers already show to be wrong
 *     body    -> receive    collect within the limits
 *     end     -> complete   call the handler; deliver its answer, now or when resumed
 *     done    -> completed  one access line, free
 *
 * Keeping connections alive. libmicrohttpd closes a connection that is answered before its body has come. So a refusal
 * usually waits: the body (no larger than the limit) is thrown away as it comes, then answered, and the connection
 * lives. Only where waiting makes no sense is it answered early and closed: the client asked first (Expect:
 * 100-continue), or announced more than the limit. A chunked body that outgrows the limit can no longer be answered
 * through libmicrohttpd, so the refusal is written to the socket directly. Where the client may still be sending, the
 * socket lingers (linger.h).
 *
 * What is no HTTP/1.1, and who is too slow, never gets here: connections.h.
 *
 * http_start's threads wait in poll, because libmicrohttpd's epoll misses the end of a connection that comes together
 * with data; none of them ever waits for a worker: connections are suspended instead. */
#include "server/http/http.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/http/cors.h"
#include "server/http/hold.h"
#include "server/http/http_body.h"
#include "server/http/keys.h"
#include "server/http/proxy.h"
#include "server/http/route.h"
#include "server/http/site.h"

enum {
    CONNECTION_MEMORY = 1 << 17, /* a head with all its fields (framing.h), and the largest piece of a body */
    SPARE_CONNECTIONS = 64       /* connections.h decides who gets a place, so libmicrohttpd has more than enough */
};

/* ---- what handlers ask ----------------------------------------------------------------------------------------- */

const char *http_header(const http_request *r, const char *name)
{
    return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

int http_socket(const http_request *r)
{
    return MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

typedef struct parameter_walk {
    int (*each)(void *context, const char *name, const char *value);
    void *context;
    int stopped;
} parameter_walk;

static enum MHD_Result walk_parameter(void *cls, enum MHD_ValueKind kind, const char *name, const char *value)
{
    parameter_walk *walk = cls;
    (void)kind;
    walk->stopped = walk->each(walk->context, name, value);
    return walk->stopped ? MHD_NO : MHD_YES;
}

int http_each_parameter(const http_request *r, int (*each)(void *context, const char *name, const char *value),
                        void *context)
{
    parameter_walk walk = {each, context, 0};
    MHD_get_connection_values(r->connection, MHD_GET_ARGUMENT_KIND, walk_parameter, &walk);
    return walk.stopped;
}

int http_each_header(const http_request *r, int (*each)(void *context, const char *name, const char *value),
                     void *context)
{
    parameter_walk walk = {each, context, 0};
    MHD_get_connection_values(r->connection, MHD_HEADER_KIND, walk_parameter, &walk);
    return walk.stopped;
}

int http_not_ready(const http_request *r, problem *p)
{
    if (r->late)
        return problem_set(p, PROBLEM_DRAINING, "no new requests are taken");
    if (atomic_load(&r->http->state) == SERVER_LOADING)
        return problem_set(p, PROBLEM_LOADING, "try again in a moment");
    return 0;
}

int http_unwanted(const http_request *r, problem *p)
{
    const int deadline_ms = r->http->config->deadline_ms;
    struct pollfd client = {http_socket(r), POLLRDHUP, 0};
    if (poll(&client, 1, 0) > 0)
        return problem_set(p, PROBLEM_CLIENT_GONE, "dropped while the answer was made");
    if (clock_ms() - r->started > deadline_ms)
        return problem_set(p, PROBLEM_DEADLINE, "the answer was not made within %d ms", deadline_ms);
    if (atomic_load(&r->http->given_up))
        return problem_set(p, PROBLEM_DRAINING, "the time to finish requests is over");
    return 0;
}

/* ---- suspending and delivering ------------------------------------------------------------------------------------
 */

void http_suspend(http_request *r)
{
    r->suspended = 1;
    MHD_suspend_connection(r->connection);
}

void http_resume(http_request *r)
{
    MHD_resume_connection(r->connection);
}

/* MHD_NO closes the connection. */
static enum MHD_Result deliver(http_request *r)
{
    if (r->abandoned || !r->response)
        return MHD_NO;
    connection_answers(r->wire, r->is_stream);
    return MHD_queue_response(r->connection, (unsigned)r->status, r->response);
}

static void write_header(void *context, const char *name, const char *value)
{
    fprintf(context, "%s: %s\r\n", name, value);
}

/* The head of the answer that refuse_midway writes; malloc'd. */
static char *head_of_refusal(http_request *r, size_t *size)
{
    char *head = NULL;
    FILE *out = open_memstream(&head, size);
    if (!out)
        return NULL;
    fprintf(out,
            "HTTP/1.1 %d %s\r\nContent-Type: application/problem+json\r\nContent-Length: %zu\r\n"
            "X-Request-Id: %s\r\nCache-Control: no-store\r\n",
            r->status, MHD_get_reason_phrase_for((unsigned)r->status), r->answer_bytes, r->id);
    if (r->problem.retry_after > 0)
        fprintf(out, "Retry-After: %d\r\n", r->problem.retry_after);
    if (r->status == 401)
        fprintf(out, "WWW-Authenticate: %s\r\n", http_challenge);
    cors_headers(r, write_header, out);
    fputs("Connection: close\r\n\r\n", out);
    return fclose(out) == 0 ? head : NULL;
}

/* Refuses in the midst of a body, where libmicrohttpd takes no response. Nothing has been sent on this request but
 * perhaps "100 Continue", so a few hundred bytes fit into the socket's buffer. */
static enum MHD_Result refuse_midway(http_request *r)
{
    size_t size;
    char *json = problem_json(&r->problem, route_dialect_of(r->http->dialects, r->path, &r->problem), r->path, r->id),
         *head;
    if (!json)
        return MHD_NO;
    http_count_problem(r->problem.kind);
    r->status = problem_status(&r->problem);
    r->answer_bytes = strlen(json);
    r->unread = 1;
    head = head_of_refusal(r, &size);
    if (head && send(http_socket(r), head, size, MSG_DONTWAIT | MSG_NOSIGNAL | MSG_MORE) == (ssize_t)size)
        (void)!send(http_socket(r), json, r->answer_bytes, MSG_DONTWAIT | MSG_NOSIGNAL);
    free(head);
    free(json);
    return MHD_NO;
}

/* ---- the request's life ---------------------------------------------------------------------------------------- */

/* The client's own X-Request-Id if it is harmless, else a new one. */
static void choose_id(http_request *r)
{
    const char *given = http_header(r, "X-Request-Id");
    size_t length = given ? strspn(given, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") : 0;
    if (length > 0 && length < sizeof r->id && !given[length])
        memcpy(r->id, given, length + 1);
    else
        snprintf(r->id, sizeof r->id, "%08x-%x", r->http->id_prefix, atomic_fetch_add(&r->http->ids, 1) + 1);
}

static void name_client(http_request *r)
{
    const struct sockaddr *a = MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    if (a->sa_family == AF_INET)
        inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)a)->sin_addr, r->client, sizeof r->client);
    else if (a->sa_family == AF_UNIX)
        strcpy(r->client, HTTP_CLIENT_UNIX);
    else
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr, r->client, sizeof r->client);
}

/* A target may be a whole URL (RFC 9112, 3.2.2), as proxies are asked; its host then counts instead of the header.
 * Returns the path in it. */
static const char *name_host(http_request *r, const char *target)
{
    const char *header = http_header(r, "Host"), *rest = strstr(target, "://");
    int absolute = rest && (strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0);
    if (!absolute) {
        snprintf(r->host, sizeof r->host, "%s", header ? header : "");
        return target;
    }
    size_t length = strcspn(rest + 3, "/");
    snprintf(r->host, sizeof r->host, "%.*s", (int)length, rest + 3);
    return rest[3 + length] ? rest + 3 + length : "/";
}

/* traceparent: 00-<32 hex digits>-<16>-<2>, neither id all zeros (W3C Trace Context). Others are no trace. */
static void name_trace(http_request *r)
{
    static const char form[] = "xx-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
    const char *given = http_header(r, "traceparent");
    if (!given || strlen(given) != sizeof form - 1 || strncmp(given, "ff", 2) == 0)
        return;
    for (size_t i = 0; form[i]; i++)
        if (form[i] == '-' ? given[i] != '-' : !strchr("0123456789abcdef", given[i]))
            return;
    if (strspn(given + 3, "0") < 32 && strspn(given + 36, "0") < 16)
        strcpy(r->trace, given);
}

static void log_begun(const http_request *r)
{
    log_line line;
    log_begin(&line, LOG_LEVEL_DEBUG, "begun");
    log_text(&line, "id", r->id);
    log_end(&line);
}

static int refuse_by_headers(http_request *r, unsigned long long length)
{
    const char *encoding = http_header(r, "Content-Encoding");
    r->route = route_find(r->http->routes, r->method, r->path, r->parameter, r->allow);
    if (connection_refused(r->wire, &r->problem))
        return 1;
    if (*r->allow && cors_is_preflight(r)) {
        r->preflight = 1;
        return http_body_check_length(r, length);
    }
    access_identify(r);
    if (!r->key && site_check(r, &r->problem))
        return 1;
    if (!r->route && !*r->allow)
        return problem_echo(&r->problem, PROBLEM_NOT_FOUND, "there is no %.200s", r->path);
    if (!r->route)
        return problem_echo(&r->problem, PROBLEM_METHOD_NOT_ALLOWED, "%.200s has only %s", r->path, r->allow);
    if (access_check(r, r->route->access, &r->problem) || access_count(r, r->route->access, &r->problem))
        return 1;
    if (encoding && strcasecmp(encoding, "identity") != 0)
        return problem_set(&r->problem, PROBLEM_UNSUPPORTED_MEDIA, "Content-Encoding %.64s is not supported", encoding);
    return http_body_check_length(r, length);
}

static void count_whole(http_request *r)
{
    if (!r->whole)
        atomic_fetch_add(&r->http->answering, 1);
    r->whole = 1;
}

static enum MHD_Result begin(http_server *s, struct MHD_Connection *connection, const char *url, const char *method,
                             const char *version, void **context)
{
    struct connection *wire =
        *(struct connection **)MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    http_request *r = wire ? calloc(1, sizeof *r) : NULL;
    if (!r)
        return MHD_NO;
    *context = r;
    r->http = s;
    r->server = s->owner;
    r->connection = connection;
    r->wire = wire;
    r->method = method;
    r->path = name_host(r, url);
    r->is_old = strcmp(version, MHD_HTTP_VERSION_1_0) == 0;
    r->started = clock_ms();
    r->late = atomic_load(&s->state) == SERVER_DRAINING;
    atomic_fetch_add(&s->in_flight, 1);
    unsigned long long length;
    int body = http_body_announced(r, &length);
    if (!body)
        count_whole(r);
    choose_id(r);
    name_client(r);
    r->by_proxy =
        proxy_trusts(s->config, MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr);
    proxy_read(r);
    name_trace(r);
    log_begun(r);

    int refused = refuse_by_headers(r, length);
    int too_large = length > (unsigned long long)s->config->max_body_mb << 20;
    int early = refused && body && (too_large || http_header(r, "Expect") || connection_refused(r->wire, &r->problem));
    if (refused)
        access_punish(r, !early);
    if (!early)
        return MHD_YES;
    r->unread = 1;
    http_answer_problem(r, &r->problem);
    return deliver(r);
}

static enum MHD_Result receive(http_request *r, const char *data, size_t size)
{
    return http_body_append(r, data, size) ? refuse_midway(r) : MHD_YES;
}

/* Perhaps not at once (guesses.h). */
static void answer_refusal(http_request *r)
{
    http_answer_problem(r, &r->problem);
    if (r->hold_ms > 0)
        hold_request(r->http->hold, r, r->hold_ms);
}

/* Called when the body is in, and again when the connection is resumed. */
static enum MHD_Result complete(http_request *r)
{
    if (!r->handled) {
        r->handled = 1;
        count_whole(r);
        if (r->problem.kind)
            answer_refusal(r);
        else if (r->preflight)
            http_answer_nothing(r);
        else
            r->route->handle(r);
        if (r->suspended)
            return MHD_YES;
    }
    return deliver(r);
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *size, void **context)
{
    http_request *r = *context;
    if (!r)
        return begin(cls, connection, url, method, version, context);
    if (*size == 0)
        return complete(r);
    size_t n = *size;
    *size = 0;
    return receive(r, data, n);
}

static int is_head(const http_request *r)
{
    return strcmp(r->method, "HEAD") == 0;
}

static void log_access(const http_request *r, int whole)
{
    log_line line;
    log_begin(&line, LOG_LEVEL_INFO, "request");
    log_text(&line, "id", r->id);
    log_text(&line, "traceparent", *r->trace ? r->trace : NULL);
    log_text(&line, "client", r->client);
    log_text(&line, "key", r->key ? key_name(r->key) : NULL);
    log_text(&line, "method", r->method);
    log_text(&line, "path", r->path);
    log_integer(&line, "status", r->status);
    log_integer(&line, "received", (long long)r->received);
    log_integer(&line, "sent", is_head(r) ? 0 : (long long)r->answer_bytes);
    log_ms(&line, "ms", clock_ms() - r->started);
    if (!whole)
        log_text(&line, "ended", "early");
    log_end(&line);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    http_request *r = *context;
    (void)connection;
    if (!r)
        return;
    http_server *s = cls;
    if (!r->status)
        r->status = connection_status(r->wire);
    http_count_request(r);
    log_access(r, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    if (r->unread)
        linger_add(s->linger, http_socket(r));
    if (r->response)
        MHD_destroy_response(r->response);
    if (r->whole)
        atomic_fetch_sub(&s->answering, 1);
    http_body_free(r);
    access_forget(r);
    connection_rests(r->wire);
    free(r);
    *context = NULL;
    atomic_fetch_sub(&s->in_flight, 1);
}

/* ---- the daemon ------------------------------------------------------------------------------------------------ */

static void on_log(void *cls, const char *format, va_list args)
{
    char message[512];
    log_line line;
    (void)cls;
    vsnprintf(message, sizeof message, format, args);
    message[strcspn(message, "\n")] = '\0';
    log_begin(&line, LOG_LEVEL_DEBUG, "http");
    log_text(&line, "message", message);
    log_end(&line);
}

/* Of paths and queries. A zero byte would end the text in the middle, so that it means something else than was logged
 * and checked on the way here: what has one stays escaped, and is then no name. */
static size_t unescape(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strstr(text, "%00") ? strlen(text) : MHD_http_unescape(text);
}

/* Without a `connection` a socket is shut down, and nothing is read from it: MHD_NO cannot be returned here. */
static void on_connection(void *cls, struct MHD_Connection *connection, void **wire,
                          enum MHD_ConnectionNotificationCode code)
{
    http_server *s = cls;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        if (*wire)
            connection_closed(*wire);
        return;
    }
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    const struct sockaddr *a = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    *wire = connection_opened(s->connections, fd, a, proxy_trusts(s->config, a));
    if (!*wire)
        shutdown(fd, SHUT_RDWR);
}

struct MHD_Daemon *http_start(http_server *s, int listener)
{
    const config *c = s->config;
    unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem pool[] = {
        {MHD_OPTION_THREAD_POOL_SIZE, s->threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(flags, 0, NULL, NULL, on_request, s, /* */
                            MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, listener,
                            MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, s,
                            MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_CONNECTION_LIMIT,
                            2 * (unsigned)c->connections + SPARE_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            (size_t)CONNECTION_MEMORY, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, MHD_OPTION_ARRAY,
                            s->threads > 1 ? pool : pool + 1, MHD_OPTION_END);
}

int http_stop_listening(struct MHD_Daemon *daemon)
{
    int listener = MHD_quiesce_daemon(daemon);
    shutdown(listener, SHUT_RDWR);
    return listener;
}

void http_stop(struct MHD_Daemon *daemon)
{
    MHD_stop_daemon(daemon);
}
