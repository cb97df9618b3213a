/* framing.h: where one HTTP/1.1 request ends and the next begins, read so strictly that no proxy in front can read it
 * otherwise.
 *
 *     framing f = {0};                       the beginning of a connection
 *     n = framing_feed(&f, bytes, size);     the first n bytes are in order and belong to the request at hand
 *     if (f.fault.kind) ...                  what comes behind them is not: answer f.fault and close
 *     if (f.part == FRAMING_BETWEEN) ...     the request is whole; what comes behind them is the next one's
 *
 * Refused, as RFC 9112 has it or lets it be: a line that does not end in CRLF, control characters, a folded line, a
 * blank before a colon, no Host or two, two lengths, a length that is not digits alone, a length beside a transfer
 * coding, any transfer coding but chunked, chunks whose sizes do not add up; a request line, a head or a trailer that
 * is too long, and more fields, cookies or parameters than anybody sends.
 *
 * Plain memory, without anything to be freed; knows nothing of sockets. */
#ifndef SERVER_FRAMING_H
#define SERVER_FRAMING_H

#include <stddef.h>
#include <stdint.h>

#include "server/http/problem.h"

enum {
    FRAMING_LINE_BYTES = 8192,    /* of a request line, or of one field */
    FRAMING_HEAD_BYTES = 16384,   /* of the request line and all fields */
    FRAMING_FIELDS = 100,         /* in a head */
    FRAMING_PIECES = 200,         /* parameters in a query; cookies */
    FRAMING_EXTENSION_BYTES = 256 /* behind the size of a chunk */
};

typedef enum framing_part {
    FRAMING_BETWEEN, /* nothing has come of the next request */
    FRAMING_HEAD,
    FRAMING_BODY
} framing_part;

typedef struct framing {
    framing_part part;
    problem fault;
    int is_head;    /* its method is HEAD: an answer has no body */
    char path[256]; /* of its target, cut */
    uint64_t left;  /* bytes of the body, or of the chunk, that are to come as they are */

    /* its own */
    int state, version_1_0, chunked, hosts, lengths, codings, fields, pieces;
    size_t used, head, extension; /* bytes in `line`; of the head; behind a chunk's size */
    char line[FRAMING_LINE_BYTES];
} framing;

size_t framing_feed(framing *f, const char *bytes, size_t size);

#endif
