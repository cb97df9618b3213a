/* http_body.c: the buffer doubles as bytes come in, so that a client pays with traffic for the memory it takes; all
 * buffers together are bounded by --max-buffered-mb. */
#include "server/http/http_body.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 1 << 16 };

static size_t max_body(const http_request *r)
{
    return (size_t)r->http->config->max_body_mb << 20;
}

int http_body_announced(const http_request *r, unsigned long long *length)
{
    const char *announced = http_header(r, "Content-Length");
    *length = announced ? strtoull(announced, NULL, 10) : 0;
    return *length > 0 || http_header(r, "Transfer-Encoding") != NULL;
}

int http_body_check_length(http_request *r, unsigned long long length)
{
    if (length <= max_body(r))
        return 0;
    return problem_set(&r->problem, PROBLEM_BODY_TOO_LARGE, "the body has %llu bytes, the limit is %d MiB", length,
                       r->http->config->max_body_mb);
}

/* Counts `bytes` more in the sum of all bodies, unless that would go over the limit. */
static int charge(http_request *r, size_t bytes)
{
    size_t limit = (size_t)r->http->config->max_buffered_mb << 20;
    size_t before = atomic_fetch_add(&r->http->buffered, bytes);
    if (before + bytes > limit) {
        atomic_fetch_sub(&r->http->buffered, bytes);
        return 0;
    }
    r->charged += bytes;
    return 1;
}

static int grow(http_request *r, size_t needed)
{
    size_t room = r->room ? r->room : FIRST_BYTES;
    while (room < needed)
        room *= 2;
    if (!charge(r, room - r->room))
        return problem_set(&r->problem, PROBLEM_MEMORY_FULL, "all requests together hold %d MiB, the limit",
                           r->http->config->max_buffered_mb);
    unsigned char *larger = realloc(r->body, room);
    if (!larger)
        return problem_set(&r->problem, PROBLEM_MEMORY_FULL, "out of memory");
    r->body = larger;
    r->room = room;
    return 0;
}

int http_body_append(http_request *r, const char *data, size_t size)
{
    r->received += size;
    if (r->received > max_body(r)) {
        if (!r->problem.kind)
            problem_set(&r->problem, PROBLEM_BODY_TOO_LARGE, "the body is larger than the limit of %d MiB",
                        r->http->config->max_body_mb);
        return 1;
    }
    if (r->problem.kind)
        return 0;
    if (r->size + size > r->room && grow(r, r->size + size))
        return 1;
    memcpy(r->body + r->size, data, size);
    r->size += size;
    return 0;
}

void http_body_free(http_request *r)
{
    free(r->body);
    r->body = NULL;
    atomic_fetch_sub(&r->http->buffered, r->charged);
    r->charged = 0;
}
