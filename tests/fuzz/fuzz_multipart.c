/* Any bytes as a form: the Content-Type up to an empty line, then the body. Fed whole, byte by byte and in halves, it
 * must tell the same. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { TOLD_BYTES = 1 << 16 };

typedef struct told {
    char text[TOLD_BYTES];
    size_t used;
    int open;
} told;

static void add(told *t, const char *bytes, size_t size)
{
    if (t->used + size > sizeof t->text)
        abort();
    memcpy(t->text + t->used, bytes, size);
    t->used += size;
}

static int on_begin(void *context, const multipart_part *part)
{
    told *t = context;
    if (t->open++ || !*part->name)
        abort();
    add(t, "<", 1);
    add(t, part->name, strlen(part->name) + 1);
    return 0;
}

static int on_bytes(void *context, const char *bytes, size_t size)
{
    told *t = context;
    if (!t->open || size == 0)
        abort();
    add(t, bytes, size);
    return 0;
}

static int on_end(void *context)
{
    told *t = context;
    if (t->open-- != 1)
        abort();
    add(t, ">", 1);
    return 0;
}

static void read_all(told *t, const char *type, const char *body, size_t size, size_t piece)
{
    static const multipart_reader reader = {on_begin, on_bytes, on_end};
    static multipart m;
    t->used = 0;
    t->open = 0;
    int failed = multipart_open(&m, type, &reader, t);
    for (size_t i = 0; i < size && !failed; i += piece) {
        char *copy = malloc(piece); /* so that a read past the end is seen */
        size_t n = size - i < piece ? size - i : piece;
        if (!copy)
            abort();
        memcpy(copy, body + i, n);
        failed = multipart_feed(&m, copy, n);
        free(copy);
    }
    failed = failed || multipart_close(&m);
    if (failed != (*m.fault != '\0') || (!failed && t->open))
        abort();
    add(t, m.fault, strlen(m.fault));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static told whole, pieces;
    const char *end = memmem(data, size, "\n\n", 2);
    char type[512];
    if (!end || (size_t)(end - (const char *)data) >= sizeof type)
        return 0;
    size_t length = (size_t)(end - (const char *)data);
    memcpy(type, data, length);
    type[length] = '\0';
    size -= length + 2;
    read_all(&whole, type, end + 2, size, size ? size : 1);
    for (size_t piece = 1; piece < size; piece = piece == 1 ? size / 2 + 1 : size) {
        read_all(&pieces, type, end + 2, size, piece);
        if (pieces.used != whole.used || memcmp(pieces.text, whole.text, whole.used) != 0)
            abort();
    }
    return 0;
}
