/* multipart.h: form data (RFC 7578) taken apart as it comes in, in pieces of any size. Knows nothing of HTTP but the
 * value of Content-Type.
 *
 *     multipart m;
 *     if (multipart_open(&m, "multipart/form-data; boundary=xyz", &reader, context) ||
 *         multipart_feed(&m, bytes, size) ||            as often as bytes come
 *         multipart_close(&m))
 *         ... m.fault says what is wrong; it is empty if `reader` stopped the reading ...
 *
 * Read as RFC 2046 has it and as clients really write it. The boundary parameter may stand anywhere, quoted or not,
 * under any case; before the first boundary and behind the last may be anything; blanks may follow a boundary; header
 * lines may be folded; names may be unquoted (.NET), have escaped quotes or come as name*=utf-8''... (RFC 5987). Lines
 * end in CRLF, or in LF alone if the first boundary's line does. What would have two meanings is a fault: a second
 * name, a second boundary parameter, a body that ends before its last boundary.
 *
 * A `multipart` is plain memory, without anything to be freed. */
#ifndef SERVER_MULTIPART_H
#define SERVER_MULTIPART_H

#include <stddef.h>

enum {
    MULTIPART_BOUNDARY_BYTES = 256, /* RFC 2046 allows 70 */
    MULTIPART_NAME_BYTES = 256,
    MULTIPART_HEADER_BYTES = 8192, /* of one part's headers together */
    MULTIPART_PADDING_BYTES = 256  /* blanks behind a boundary */
};

typedef struct multipart_part {
    char name[MULTIPART_NAME_BYTES];
    int is_file;   /* it has a file name */
    int is_base64; /* its Content-Transfer-Encoding: the bytes are still encoded */
} multipart_part;

/* What is called for each part, in this order; anything but 0 stops the reading. */
typedef struct multipart_reader {
    int (*begin)(void *context, const multipart_part *part);
    int (*bytes)(void *context, const char *bytes, size_t size);
    int (*end)(void *context);
} multipart_reader;

typedef struct multipart {
    const multipart_reader *reader;
    void *context;
    char fault[160];
    int state;
    int stopped;      /* by the reader or a fault */
    size_t matched;   /* of `delimiter`, or of what may follow it */
    size_t delimiter; /* its length in text */
    size_t skipped;   /* of text's beginning: 1 where lines end in LF alone */
    size_t held, used;
    char text[MULTIPART_BOUNDARY_BYTES + 8]; /* CR LF "--" boundary */
    char
        hold[MULTIPART_BOUNDARY_BYTES + MULTIPART_PADDING_BYTES + 8]; /* came in, and is data unless it is a boundary */
    char header[MULTIPART_HEADER_BYTES];                              /* lines, each ended by LF */
} multipart;

/* All return 0, or 1. */
int multipart_open(multipart *m, const char *content_type, const multipart_reader *reader, void *context);
int multipart_feed(multipart *m, const char *bytes, size_t size);
int multipart_close(multipart *m);

#endif
