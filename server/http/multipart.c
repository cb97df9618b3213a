/* multipart.c: see multipart.h.
 *
 *     PREAMBLE  looks for a line that is the boundary              a line that is not is thrown away
 *     HEADERS   collects lines until an empty one                  then the part begins
 *     DATA      hands bytes on, but holds what may be a boundary   a boundary ends the part
 *     EPILOGUE  throws the rest away
 *
 * A boundary in data is CR LF "--" boundary and then "--", or blanks and a line's end. CR and LF cannot stand inside of
 * it, so when a byte does not fit, all that is held is data, and only that byte may begin the next candidate. At the
 * beginning of a body and of a part's data the line's end has been read already. */
#include "server/http/multipart.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { PREAMBLE, HEADERS, DATA, EPILOGUE };

/* Where a candidate is behind the delimiter's text: `matched` is delimiter + one of these. */
enum { TAIL_BEGUN, TAIL_DASH, TAIL_BLANKS, TAIL_CR };

/* What a byte makes of a candidate. */
typedef enum verdict { VERDICT_MORE, VERDICT_NO, VERDICT_PART, VERDICT_LAST } verdict;

static int fault(multipart *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
static int fault(multipart *m, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(m->fault, sizeof m->fault, format, args);
    va_end(args);
    m->stopped = 1;
    return 1;
}

/* What a function of the reader returned. */
static int told(multipart *m, int stop)
{
    m->stopped = stop != 0;
    return m->stopped;
}

static int is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* ---- parameters of a header: "form-data; name=image; filename=\"a.jpg\"" ------------------------------------------
 */

typedef struct parameter {
    const char *name, *value;
    size_t name_length, value_length;
    int quoted; /* the value stood in quotes, which are not part of it; it may hold escapes */
} parameter;

static void trim(const char **text, size_t *length)
{
    while (*length > 0 && is_blank((*text)[*length - 1]))
        --*length;
    while (*length > 0 && is_blank(**text)) {
        ++*text;
        --*length;
    }
}

/* The length of what is quoted, `text` pointing behind the first quote; -1 if it does not end. A backslash escapes a
 * quote or itself; elsewhere it is one of a Windows path. */
static long quoted_length(const char *text)
{
    const char *c = text;
    while (*c && *c != '"')
        c += *c == '\\' && (c[1] == '"' || c[1] == '\\') ? 2 : 1;
    return *c ? c - text : -1;
}

/* The parameter at or after *text, which is moved on. 1 if there is one, 0 at the end, -1 if quotes do not end. */
static int next_parameter(const char **text, parameter *p)
{
    const char *c = *text + strspn(*text, "; \t");
    if (!*c)
        return 0;
    *p = (parameter){.name = c, .name_length = strcspn(c, "=;")};
    c += p->name_length;
    trim(&p->name, &p->name_length);
    p->value = c;
    if (*c == '=') {
        c += 1 + strspn(c + 1, " \t");
        p->quoted = *c == '"';
        p->value = c + p->quoted;
        long length = p->quoted ? quoted_length(p->value) : (long)strcspn(c, ";");
        if (length < 0)
            return -1;
        p->value_length = (size_t)length;
        c = p->value + p->value_length + p->quoted;
        if (!p->quoted)
            trim(&p->value, &p->value_length);
        c += strcspn(c, ";"); /* unescaped quotes in a file name leave something here */
    }
    *text = c;
    return 1;
}

static int is_called(const parameter *p, const char *name)
{
    return p->name_length == strlen(name) && strncasecmp(p->name, name, p->name_length) == 0;
}

/* The value without its escapes; 0 if it does not fit, or has no byte. */
static int copy_value(const parameter *p, char *out, size_t room)
{
    size_t used = 0;
    for (size_t i = 0; i < p->value_length; i++) {
        if (p->quoted && p->value[i] == '\\' && i + 1 < p->value_length &&
            (p->value[i + 1] == '"' || p->value[i + 1] == '\\'))
            i++;
        if (used + 1 >= room)
            return 0;
        out[used++] = p->value[i];
    }
    out[used] = '\0';
    return used > 0;
}

static int hex_digit(char c)
{
    return isdigit((unsigned char)c) ? c - '0' : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10 : -1;
}

/* RFC 5987: utf-8'en'%65uro. */
static int copy_extended(const parameter *p, char *out, size_t room)
{
    const char *end = p->value + p->value_length;
    const char *c = memchr(p->value, '\'', p->value_length);
    c = c ? memchr(c + 1, '\'', (size_t)(end - c - 1)) : NULL;
    size_t used = 0;
    if (!c)
        return 0;
    for (c++; c < end; c++) {
        int byte = (unsigned char)*c;
        if (byte == '%') {
            if (end - c < 3 || hex_digit(c[1]) < 0 || hex_digit(c[2]) < 0)
                return 0;
            byte = hex_digit(c[1]) << 4 | hex_digit(c[2]);
            c += 2;
        }
        if (byte == 0 || used + 1 >= room)
            return 0;
        out[used++] = (char)byte;
    }
    out[used] = '\0';
    return used > 0;
}

/* ---- a part's headers -------------------------------------------------------------------------------------------- */

typedef struct headers {
    multipart_part part;
    int dispositions, names, extended; /* how many of each were seen */
} headers;

static int read_name(multipart *m, headers *h, const parameter *p)
{
    if (h->names++)
        return fault(m, "a part has two names");
    if (!copy_value(p, h->part.name, sizeof h->part.name))
        return fault(m, "a part's name is empty or has more than %d bytes", MULTIPART_NAME_BYTES - 1);
    return 0;
}

/* name* counts only without a name; where it cannot be read it is as if it were not there. */
static void read_extended(headers *h, const parameter *p)
{
    if (!h->names && !h->extended && copy_extended(p, h->part.name, sizeof h->part.name))
        h->extended = 1;
}

static int read_disposition(multipart *m, headers *h, const char *value)
{
    parameter p;
    int more;
    const char *rest = value + strcspn(value, ";");
    size_t length = (size_t)(rest - value);
    trim(&value, &length);
    if (length != strlen("form-data") || strncasecmp(value, "form-data", length) != 0)
        return fault(m, "a part's Content-Disposition is not form-data");
    if (h->dispositions++)
        return fault(m, "a part has two headers Content-Disposition");
    while ((more = next_parameter(&rest, &p)) > 0) {
        if (is_called(&p, "name") && read_name(m, h, &p))
            return 1;
        if (is_called(&p, "name*"))
            read_extended(h, &p);
        if (is_called(&p, "filename") || is_called(&p, "filename*"))
            h->part.is_file = 1;
    }
    return more ? fault(m, "a quote in a part's Content-Disposition does not end") : 0;
}

static int read_encoding(multipart *m, headers *h, const char *value)
{
    static const char *const plain[] = {"binary", "8bit", "7bit"};
    size_t length = strlen(value);
    trim(&value, &length);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        if (length == strlen(plain[i]) && strncasecmp(value, plain[i], length) == 0)
            return 0;
    h->part.is_base64 = length == strlen("base64") && strncasecmp(value, "base64", length) == 0;
    if (h->part.is_base64)
        return 0;
    return fault(m, "a part's Content-Transfer-Encoding is neither binary nor base64: \"%.40s\"", value);
}

static int read_header(multipart *m, headers *h, char *line)
{
    char *colon = strchr(line, ':');
    const char *name = line;
    if (!colon || colon == line)
        return fault(m, "a line of a part's headers has no name: \"%.40s\"", line);
    size_t length = (size_t)(colon - line);
    trim(&name, &length);
    if (length == strlen("Content-Disposition") && strncasecmp(name, "Content-Disposition", length) == 0)
        return read_disposition(m, h, colon + 1);
    if (length == strlen("Content-Transfer-Encoding") && strncasecmp(name, "Content-Transfer-Encoding", length) == 0)
        return read_encoding(m, h, colon + 1);
    return 0;
}

static int begin_part(multipart *m)
{
    headers h = {.dispositions = 0};
    m->header[m->used] = '\0';
    for (char *line = m->header, *end; *line; line = end + 1) {
        end = strchr(line, '\n'); /* each line has one */
        *end = '\0';
        if (read_header(m, &h, line))
            return 1;
    }
    if (!*h.part.name)
        return fault(m, "a part has no name: Content-Disposition: form-data; name=\"image\" is missing");
    m->state = DATA;
    m->matched = 2; /* the empty line ended with what the boundary begins with */
    m->held = m->used = 0;
    return told(m, m->reader->begin(m->context, &h.part));
}

/* At an end of line: ends the headers if the line is empty. used == start: nothing before it but its CR. */
static int end_line(multipart *m)
{
    if (m->used > 0 && m->header[m->used - 1] == '\r')
        m->used--;
    if (m->used == 0 || m->header[m->used - 1] == '\n')
        return begin_part(m);
    m->header[m->used++] = '\n';
    return 0;
}

static int feed_header(multipart *m, char c)
{
    if (c == '\n')
        return end_line(m);
    if (c == '\0')
        return fault(m, "a part's headers have a zero byte");
    if (m->used + 2 >= sizeof m->header)
        return fault(m, "a part's headers have more than %d bytes", MULTIPART_HEADER_BYTES);
    if (is_blank(c) && m->used > 0 && m->header[m->used - 1] == '\n') /* a folded line */
        m->used--;
    m->header[m->used++] = c;
    return 0;
}

/* ---- boundaries -------------------------------------------------------------------------------------------------- */

/* The byte behind the delimiter's text, or behind what of its tail was there. */
static verdict tail(multipart *m, char c)
{
    switch (m->matched - m->delimiter) {
    case TAIL_BEGUN:
        if (c == '-') {
            m->matched = m->delimiter + TAIL_DASH;
            return VERDICT_MORE;
        }
        break;
    case TAIL_DASH:
        return c == '-' ? VERDICT_LAST : VERDICT_NO;
    case TAIL_CR:
        return c == '\n' ? VERDICT_PART : VERDICT_NO;
    default:
        break;
    }
    if (c == '\n')
        return VERDICT_PART;
    if (c != '\r' && !is_blank(c))
        return VERDICT_NO;
    m->matched = m->delimiter + (c == '\r' ? TAIL_CR : TAIL_BLANKS);
    return VERDICT_MORE;
}

static verdict match(multipart *m, char c)
{
    if (m->matched >= m->delimiter)
        return tail(m, c);
    if (c != m->text[m->matched])
        return VERDICT_NO;
    m->matched++;
    return VERDICT_MORE;
}

static void begin_headers(multipart *m)
{
    m->state = HEADERS;
    m->used = m->held = 0;
}

/* The first boundary's line tells how lines end. */
static int feed_preamble(multipart *m, char c)
{
    int after_cr = m->matched == m->delimiter + TAIL_CR;
    if (m->matched > 0) {
        verdict v = match(m, c);
        if (v == VERDICT_LAST)
            m->state = EPILOGUE;
        if (v == VERDICT_PART) {
            m->skipped = !after_cr;
            begin_headers(m);
        }
        if (v != VERDICT_NO)
            return 0;
    }
    m->matched = c == '\n' ? 2 : 0; /* at the beginning of a line, or in its midst */
    return 0;
}

static int give(multipart *m, const char *bytes, size_t size)
{
    return size > 0 && told(m, m->reader->bytes(m->context, bytes, size));
}

/* A candidate that is none: what is held is data. A CR at its end may begin another. */
static int give_up(multipart *m)
{
    int cr = m->held > 0 && m->matched == m->delimiter + TAIL_CR && !m->skipped;
    size_t n = m->held - (size_t)cr;
    m->held = 0;
    m->matched = m->skipped;
    if (give(m, m->hold, n))
        return 1;
    if (cr) {
        m->hold[m->held++] = '\r';
        m->matched = 1;
    }
    return 0;
}

static int end_part(multipart *m, verdict v)
{
    begin_headers(m);
    if (v == VERDICT_LAST)
        m->state = EPILOGUE;
    return told(m, m->reader->end(m->context));
}

static int feed_candidate(multipart *m, char c)
{
    verdict v = m->held < sizeof m->hold ? match(m, c) : VERDICT_NO;
    if (v == VERDICT_PART || v == VERDICT_LAST)
        return end_part(m, v);
    if (v == VERDICT_MORE) {
        m->hold[m->held++] = c;
        return 0;
    }
    if (give_up(m))
        return 1;
    if (m->held > 0) /* the CR: now with this byte behind it */
        return feed_candidate(m, c);
    if (c != m->text[m->skipped])
        return give(m, &c, 1);
    m->hold[m->held++] = c;
    m->matched = m->skipped + 1;
    return 0;
}

/* Data up to the next byte that may begin a boundary goes on at once. Returns how many bytes were used. */
static size_t feed_data(multipart *m, const char *bytes, size_t size)
{
    if (m->matched > m->skipped) {
        feed_candidate(m, *bytes);
        return 1;
    }
    const char *next = memchr(bytes, m->text[m->skipped], size);
    size_t n = next ? (size_t)(next - bytes) : size;
    if (n > 0) {
        give(m, bytes, n);
        return n;
    }
    feed_candidate(m, *bytes);
    return 1;
}

int multipart_feed(multipart *m, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size && !m->stopped && m->state != EPILOGUE;) {
        if (m->state == DATA) {
            i += feed_data(m, bytes + i, size - i);
        } else {
            if (m->state == HEADERS)
                feed_header(m, bytes[i]);
            else
                feed_preamble(m, bytes[i]);
            i++;
        }
    }
    return m->stopped;
}

/* ---- beginning and end ------------------------------------------------------------------------------------------- */

static int read_boundary(multipart *m, const char *content_type)
{
    parameter p;
    int more, found = 0;
    const char *rest = content_type + strcspn(content_type, ";");
    while ((more = next_parameter(&rest, &p)) > 0) {
        if (!is_called(&p, "boundary"))
            continue;
        if (found++)
            return fault(m, "the Content-Type has two boundaries");
        if (!copy_value(&p, m->text + 4, MULTIPART_BOUNDARY_BYTES))
            return fault(m, "the boundary in Content-Type is empty or too long");
        for (const char *c = m->text + 4; *c; c++)
            if (!isprint((unsigned char)*c))
                return fault(m, "the boundary in Content-Type is not of printable ASCII");
    }
    if (more)
        return fault(m, "a quote in Content-Type does not end");
    if (!found)
        return fault(m, "the Content-Type has no boundary: let the client library write this header");
    return 0;
}

int multipart_open(multipart *m, const char *content_type, const multipart_reader *reader, void *context)
{
    m->reader = reader;
    m->context = context;
    m->fault[0] = '\0';
    m->state = PREAMBLE;
    m->stopped = 0;
    m->matched = 2;
    m->skipped = m->held = m->used = 0;
    memcpy(m->text, "\r\n--", 4);
    if (read_boundary(m, content_type))
        return 1;
    m->delimiter = strlen(m->text);
    return 0;
}

int multipart_close(multipart *m)
{
    static const char *const missing[] = {
        [PREAMBLE] = "the boundary of the Content-Type is not in the body",
        [HEADERS] = "the body ends in a part's headers",
        [DATA] = "the body ends before its last boundary",
    };
    if (m->stopped || m->state == EPILOGUE)
        return m->stopped;
    return fault(m, "%s", missing[m->state]);
}
