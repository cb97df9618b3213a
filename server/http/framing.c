/* framing.c: a machine that takes a byte at a time; lines of a head are gathered and judged when they end. */
#include "server/http/framing.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum state {
    LINE,       /* of a head or a trailer */
    LINE_END,   /* its LF must follow */
    PLAIN,      /* `left` bytes of a body */
    CHUNK_SIZE, /* hexadecimal digits */
    CHUNK_EXTENSION,
    CHUNK_SIZE_END,
    CHUNK_DATA, /* `left` bytes of a chunk */
    CHUNK_CR,
    CHUNK_LF,
};

enum { MAX_EMPTY_LINES = 2 }; /* before a request line */

static const char token_marks[] = "!#$%&'*+-.^_`|~";

static int is_token(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (!isalnum((unsigned char)text[i]) && (!text[i] || !strchr(token_marks, text[i])))
            return 0;
    return size > 0;
}

static int bad(framing *f, const char *why)
{
    return problem_set(&f->fault, PROBLEM_BAD_REQUEST, "%s", why);
}

/* ---- lines: each function returns 0, or 1 with f->fault set --------------------------------------------------------
 */

/* Counts what libmicrohttpd keeps for each piece of a query or of cookies. */
static int count_pieces(framing *f, const char *text, const char *marks, problem_kind kind, const char *what)
{
    for (; *text; text++)
        f->pieces += strchr(marks, *text) != NULL;
    if (f->pieces <= FRAMING_PIECES)
        return 0;
    return problem_set(&f->fault, kind, "there are more than %d %s", FRAMING_PIECES, what);
}

static int version(framing *f, const char *text)
{
    if (strcmp(text, "HTTP/1.1") == 0 || strcmp(text, "HTTP/1.0") == 0) {
        f->version_1_0 = text[7] == '0';
        return 0;
    }
    if (strncmp(text, "HTTP/", 5) == 0 && isdigit((unsigned char)text[5]) && strlen(text) == 8 && text[6] == '.' &&
        isdigit((unsigned char)text[7]))
        return problem_set(&f->fault, PROBLEM_HTTP_VERSION, "this is HTTP/1.1, not %s", text);
    return bad(f, "the request line does not end in HTTP/1.1");
}

/* METHOD SP TARGET SP VERSION */
static int request_line(framing *f)
{
    char *target = strchr(f->line, ' ');
    char *end = target ? strchr(target + 1, ' ') : NULL;
    if (!end || end == target + 1)
        return bad(f, "the first line is no request line");
    if (!is_token(f->line, (size_t)(target - f->line)))
        return bad(f, "the method is no token");
    *target++ = *end = '\0';
    f->is_head = strcmp(f->line, "HEAD") == 0;
    snprintf(f->path, sizeof f->path, "%.*s", (int)strcspn(target, "?"), target);
    f->pieces = f->fields = 0;
    if (strchr(target, '\t'))
        return bad(f, "there is a tab in the request line");
    return version(f, end + 1) || count_pieces(f, target, "&", PROBLEM_URI_TOO_LONG, "parameters");
}

static int is_host(const char *text)
{
    return *text &&
           strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~%:[]") == strlen(text);
}

static int length_field(framing *f, const char *text)
{
    f->left = 0;
    if (f->lengths++)
        return bad(f, "Content-Length comes twice");
    if (!*text)
        return bad(f, "Content-Length is empty");
    for (; *text; text++) {
        if (!isdigit((unsigned char)*text))
            return bad(f, "Content-Length is not digits alone");
        if (f->left > (UINT64_MAX >> 1) / 10)
            return problem_set(&f->fault, PROBLEM_BODY_TOO_LARGE, "Content-Length is no length of anything");
        f->left = f->left * 10 + (uint64_t)(*text - '0');
    }
    return 0;
}

static int coding_field(framing *f, const char *text)
{
    if (f->codings++)
        return bad(f, "Transfer-Encoding comes twice");
    if (f->version_1_0)
        return bad(f, "HTTP/1.0 has no Transfer-Encoding");
    if (!*text)
        return bad(f, "Transfer-Encoding is empty");
    if (strcasecmp(text, "chunked") != 0)
        return problem_set(&f->fault, PROBLEM_NOT_IMPLEMENTED, "Transfer-Encoding can be chunked, and nothing else");
    f->chunked = 1;
    return 0;
}

/* NAME ":" OWS VALUE OWS */
static int field_line(framing *f)
{
    static const char blanks[] = " \t";
    char *colon = strchr(f->line, ':');
    if (strchr(blanks, *f->line))
        return bad(f, "a header line is folded");
    if (!colon)
        return bad(f, "a header line has no colon");
    if (!is_token(f->line, (size_t)(colon - f->line)))
        return bad(f, "a header's name is no token: is there a blank before the colon?");
    if (++f->fields > FRAMING_FIELDS)
        return problem_set(&f->fault, PROBLEM_HEADERS_TOO_LARGE, "there are more than %d header fields",
                           FRAMING_FIELDS);
    *colon = '\0';
    char *value = colon + 1 + strspn(colon + 1, blanks);
    size_t length = strlen(value);
    while (length > 0 && strchr(blanks, value[length - 1]))
        value[--length] = '\0';
    if (f->chunked && f->part == FRAMING_BODY) /* a trailer: nothing in it counts */
        return 0;
    if (strcasecmp(f->line, "Host") == 0)
        return ++f->hosts > 1 ? bad(f, "Host comes twice") : is_host(value) ? 0 : bad(f, "Host is no host");
    if (strcasecmp(f->line, "Content-Length") == 0)
        return length_field(f, value);
    if (strcasecmp(f->line, "Transfer-Encoding") == 0)
        return coding_field(f, value);
    if (strcasecmp(f->line, "Cookie") == 0)
        return count_pieces(f, value, ";,", PROBLEM_HEADERS_TOO_LARGE, "cookies");
    return 0;
}

static void finish(framing *f)
{
    f->part = FRAMING_BETWEEN;
    f->state = LINE;
}

/* The empty line behind the head. */
static int end_of_head(framing *f)
{
    if (f->hosts == 0 && !f->version_1_0)
        return bad(f, "there is no Host");
    if (f->lengths && f->codings)
        return bad(f, "there are both Content-Length and Transfer-Encoding");
    if (!f->chunked && f->left == 0) {
        finish(f);
        return 0;
    }
    f->part = FRAMING_BODY;
    f->state = f->chunked ? CHUNK_SIZE : PLAIN;
    f->extension = 0;
    return 0;
}

static int end_of_line(framing *f)
{
    int first = f->head == 0 && f->part == FRAMING_HEAD;
    f->head += f->used + 2;
    f->line[f->used] = '\0';
    f->state = LINE;
    int empty = f->used == 0;
    f->used = 0;
    if (first && empty) { /* left over from the body before it, in some clients */
        f->head = 0;
        return ++f->fields > MAX_EMPTY_LINES ? bad(f, "empty lines come instead of a request line") : 0;
    }
    if (first)
        return request_line(f);
    if (!empty)
        return field_line(f);
    if (f->part == FRAMING_HEAD)
        return end_of_head(f);
    finish(f);
    return 0;
}

/* ---- bytes: each function returns 0, or 1 with f->fault set --------------------------------------------------------
 */

static int line_byte(framing *f, unsigned char c)
{
    int first = f->head == 0 && f->part == FRAMING_HEAD;
    if (c == '\r') {
        f->state = LINE_END;
        return 0;
    }
    if (c == '\n')
        return bad(f, "a line ends in a line feed alone");
    if ((c < ' ' && c != '\t') || c == 127)
        return bad(f, "there is a control character in the head");
    if (f->used + 1 < sizeof f->line && f->head + f->used < FRAMING_HEAD_BYTES) {
        f->line[f->used++] = (char)c;
        return 0;
    }
    if (first)
        return problem_set(&f->fault, PROBLEM_URI_TOO_LONG, "the request line has more than %d bytes",
                           FRAMING_LINE_BYTES);
    return problem_set(&f->fault, PROBLEM_HEADERS_TOO_LARGE, "the header fields have more than %d bytes, or one has %d",
                       FRAMING_HEAD_BYTES, FRAMING_LINE_BYTES);
}

static int hexadecimal(unsigned char c)
{
    return isdigit(c) ? c - '0' : isxdigit(c) ? tolower(c) - 'a' + 10 : -1;
}

/* `extension` counts the digits as long as there is none. */
static int size_byte(framing *f, unsigned char c)
{
    int digit = hexadecimal(c);
    if (digit >= 0 && f->extension < 15) {
        f->left = f->extension++ ? f->left * 16 + (uint64_t)digit : (uint64_t)digit;
        return 0;
    }
    if (digit >= 0)
        return problem_set(&f->fault, PROBLEM_BODY_TOO_LARGE, "a chunk's size is no size of anything");
    if (f->extension == 0 || (c != '\r' && c != ';'))
        return bad(f, "a chunk's size is not hexadecimal");
    f->extension = 0;
    f->state = c == '\r' ? CHUNK_SIZE_END : CHUNK_EXTENSION;
    return 0;
}

static int extension_byte(framing *f, unsigned char c)
{
    if (c == '\r')
        f->state = CHUNK_SIZE_END;
    else if ((c < ' ' && c != '\t') || c == 127)
        return bad(f, "there is a control character behind a chunk's size");
    else if (++f->extension > FRAMING_EXTENSION_BYTES)
        return bad(f, "there is too much behind a chunk's size");
    return 0;
}

static int chunk_begins(framing *f, unsigned char c)
{
    if (c != '\n')
        return bad(f, "a chunk's size does not end in CRLF");
    f->state = f->left ? CHUNK_DATA : LINE; /* the last one: a trailer */
    f->head = f->used = 0;
    f->fields = 0;
    return 0;
}

static int take_byte(framing *f, unsigned char c)
{
    switch (f->state) {
    case LINE:
        return line_byte(f, c);
    case LINE_END:
        return c == '\n' ? end_of_line(f) : bad(f, "a carriage return stands within a line");
    case CHUNK_SIZE:
        return size_byte(f, c);
    case CHUNK_EXTENSION:
        return extension_byte(f, c);
    case CHUNK_SIZE_END:
        return chunk_begins(f, c);
    case CHUNK_CR:
        f->state = CHUNK_LF;
        return c == '\r' ? 0 : bad(f, "a chunk is longer than its size");
    default: /* CHUNK_LF */
        f->state = CHUNK_SIZE;
        f->extension = 0;
        return c == '\n' ? 0 : bad(f, "a chunk is longer than its size");
    }
}

/* As much as there is of what comes as it is. */
static size_t take_plain(framing *f, size_t size)
{
    size_t n = f->left < size ? (size_t)f->left : size;
    f->left -= n;
    if (f->left == 0 && f->state == PLAIN)
        finish(f);
    else if (f->left == 0)
        f->state = CHUNK_CR;
    return n;
}

static void begin(framing *f)
{
    problem none = {.kind = PROBLEM_NONE};
    f->part = FRAMING_HEAD;
    f->fault = none;
    f->state = LINE;
    f->left = 0;
    f->version_1_0 = f->chunked = f->hosts = f->lengths = f->codings = f->fields = f->pieces = f->is_head = 0;
    f->used = f->head = f->extension = 0;
    *f->path = '\0';
}

size_t framing_feed(framing *f, const char *bytes, size_t size)
{
    size_t n = 0;
    if (size > 0 && f->part == FRAMING_BETWEEN)
        begin(f);
    while (n < size && !f->fault.kind && f->part != FRAMING_BETWEEN) {
        if (f->state == PLAIN || f->state == CHUNK_DATA)
            n += take_plain(f, size - n);
        else if (take_byte(f, (unsigned char)bytes[n]) == 0)
            n++;
    }
    return n;
}
