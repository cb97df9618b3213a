/* http_answer.c: the answers that handlers give: JSON, problems, files, streams. */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/http/cors.h"
#include "server/http/http.h"
#include "server/http/route.h"

static char lost_answer[] = "{\"type\":\"urn:captiond:problem:internal\",\"title\":\"The server failed\","
                            "\"status\":500,\"detail\":\"out of memory\"}\n";

const char http_challenge[] = "Bearer realm=\"captiond\"";

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    if (*value)
        MHD_add_response_header(response, name, value);
}

static void add_cors(void *context, const char *name, const char *value)
{
    add_header(context, name, value);
}

/* The headers of every answer. */
static void add_headers(http_request *r, const char *type, int retry_after)
{
    char seconds[16] = "";
    if (retry_after > 0)
        snprintf(seconds, sizeof seconds, "%d", retry_after);
    add_header(r->response, "Content-Type", type);
    add_header(r->response, "X-Request-Id", r->id);
    add_header(r->response, "Cache-Control", "no-store");
    add_header(r->response, "Allow", r->allow);
    if (*r->location) {
        char location[HTTP_PREFIX_BYTES + HTTP_LOCATION_BYTES];
        snprintf(location, sizeof location, "%s%s", r->prefix, r->location);
        add_header(r->response, "Location", location);
    }
    cors_headers(r, add_cors, r->response);
    add_header(r->response, "Retry-After", seconds);
    add_header(r->response, "WWW-Authenticate", r->status == 401 ? http_challenge : "");
    if (atomic_load(&r->http->state) == SERVER_DRAINING)
        add_header(r->response, "Connection", "close");
}

/* Makes the response. `bytes` are taken if they are to be freed; NULL is answered 500. */
static void answer(http_request *r, int status, void *bytes, size_t size, enum MHD_ResponseMemoryMode memory,
                   const char *type, int retry_after)
{
    if (!bytes) {
        status = 500;
        bytes = lost_answer;
        size = strlen(lost_answer);
        memory = MHD_RESPMEM_PERSISTENT;
        type = "application/problem+json";
    }
    r->status = status;
    r->answer_bytes = size;
    r->response = MHD_create_response_from_buffer(size, bytes, memory);
    if (r->response)
        add_headers(r, type, retry_after);
    else if (memory == MHD_RESPMEM_MUST_FREE)
        free(bytes);
}

/* JSON ends in a newline, for the terminals that it is printed on: in the place of the zero byte. */
static void answer_text(http_request *r, int status, char *text, const char *type, int retry_after)
{
    size_t length = text ? strlen(text) : 0;
    if (text)
        text[length++] = '\n';
    answer(r, status, text, length, MHD_RESPMEM_MUST_FREE, type, retry_after);
}

void http_answer_bytes(http_request *r, const char *type, void *bytes, size_t size)
{
    answer(r, 200, bytes, size, MHD_RESPMEM_MUST_FREE, type, 0);
}

void http_answer_constant(http_request *r, const char *type, const void *bytes, size_t size)
{
    answer(r, 200, (void *)bytes, size, MHD_RESPMEM_PERSISTENT, type, 0); /* it is only read */
}

void http_answer_file(http_request *r, int fd, size_t size, const char *type)
{
    r->status = 200;
    r->answer_bytes = size;
    r->response = MHD_create_response_from_fd64(size, fd);
    if (r->response)
        add_headers(r, type, 0);
    else
        close(fd);
}

/* What feeds a response piece by piece. The request is gone when it is released, but not before the last piece. */
typedef struct stream_source {
    http_request *request;
    ssize_t (*read)(void *context, char *out, size_t room);
    void (*release)(void *context);
    void *context;
} stream_source;

static ssize_t read_source(void *cls, uint64_t position, char *out, size_t room)
{
    stream_source *source = cls;
    (void)position;
    ssize_t n = source->read(source->context, out, room);
    if (n == HTTP_STREAM_END)
        return MHD_CONTENT_READER_END_OF_STREAM;
    source->request->answer_bytes += (size_t)n;
    return n;
}

static void release_source(void *cls)
{
    stream_source *source = cls;
    source->release(source->context);
    free(source);
}

void http_answer_stream(http_request *r, const char *type, ssize_t (*read)(void *context, char *out, size_t room),
                        void (*release)(void *context), void *context)
{
    enum { PIECE_BYTES = 16384 };
    stream_source *source = calloc(1, sizeof *source);
    if (source) {
        *source = (stream_source){r, read, release, context};
        r->response =
            MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, PIECE_BYTES, read_source, source, release_source);
    }
    if (!r->response) {
        free(source);
        release(context);
        return;
    }
    r->status = 200;
    r->is_stream = 1;
    add_headers(r, type, 0);
    add_header(r->response, "X-Accel-Buffering", "no"); /* tells nginx to pass pieces on as they come */
}

static void answer_empty(http_request *r, int status)
{
    r->status = status;
    r->response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    if (r->response)
        add_headers(r, "", 0);
}

void http_answer_nothing(http_request *r)
{
    answer_empty(r, 204);
}

void http_answer_unchanged(http_request *r)
{
    answer_empty(r, 304);
}

void http_answer_header(http_request *r, const char *name, const char *value)
{
    if (!r->response)
        return;
    const char *before = MHD_get_response_header(r->response, name);
    if (before && strcmp(name, "Vary") != 0) /* what an answer varies by adds up */
        MHD_del_response_header(r->response, name, before);
    MHD_add_response_header(r->response, name, value);
}

void http_answer_json(http_request *r, int status, char *json)
{
    answer_text(r, status, json, "application/json", 0);
}

void http_answer_problem(http_request *r, const problem *p)
{
    char instance[HTTP_PREFIX_BYTES + HTTP_INSTANCE_BYTES];
    snprintf(instance, sizeof instance, "%s%s", r->prefix, r->path);
    http_count_problem(p->kind);
    answer_text(r, problem_status(p), problem_json(p, route_dialect_of(r->http->dialects, r->path, p), instance, r->id),
                "application/problem+json", p->retry_after);
}

void http_abandon(http_request *r, const problem *p)
{
    http_count_problem(p->kind);
    r->status = problem_status(p);
    r->abandoned = 1;
}
