/* log.c: see log.h. Level and format are the only state; they are set once, before threads start. */
#include "server/base/log.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { CLOSING_BYTES = 4 };

static const char *const level_names[] = {"debug", "info", "warning", "error"};
static log_level least_level = LOG_LEVEL_INFO;
static int as_json;

void log_set_level(const char *name)
{
    for (int i = LOG_LEVEL_DEBUG; i <= LOG_LEVEL_ERROR; i++)
        if (strcmp(name, level_names[i]) == 0)
            least_level = (log_level)i;
}

void log_set_format(const char *name)
{
    as_json = strcmp(name, "json") == 0;
}

/* Appends and cuts; room stays for what closes a line, JSON's brace and the newline. */
static void append(log_line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(log_line *line, const char *format, ...)
{
    size_t room = sizeof line->text - CLOSING_BYTES - line->used;
    va_list args;
    va_start(args, format);
    int length = vsnprintf(line->text + line->used, room, format, args);
    va_end(args);
    if (length > 0)
        line->used += (size_t)length < room ? (size_t)length : room - 1;
}

void log_begin(log_line *line, log_level level, const char *event)
{
    line->used = 0;
    line->wanted = level >= least_level;
    if (!line->wanted)
        return;
    struct timespec now;
    struct tm utc;
    char stamp[32];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
    append(line,
           as_json ? "{\"time\":\"%s.%03ldZ\",\"level\":\"%s\",\"event\":\"%s\"" : "time=%s.%03ldZ level=%s event=%s",
           stamp, now.tv_nsec / 1000000, level_names[level], event);
}

static int is_plain(const char *value)
{
    for (const char *c = value; *c; c++)
        if (!isgraph((unsigned char)*c) || *c == '"' || *c == '=' || *c == '\\')
            return 0;
    return *value != '\0';
}

/* Bytes that are not ASCII stay if they are UTF-8's; JSON has no others. Returns the length of the character, 0: none.
 */
static int utf8_length(const char *c)
{
    const unsigned char *b = (const unsigned char *)c;
    int length = b[0] < 0x80 ? 1 : b[0] >= 0xc2 && b[0] < 0xe0 ? 2 : b[0] >= 0xe0 && b[0] < 0xf0 ? 3 : 0;
    if (b[0] >= 0xf0 && b[0] < 0xf5)
        length = 4;
    for (int i = 1; i < length; i++)
        if ((b[i] & 0xc0) != 0x80)
            return 0;
    if ((b[0] == 0xe0 && b[1] < 0xa0) || (b[0] == 0xed && b[1] >= 0xa0) || (b[0] == 0xf0 && b[1] < 0x90) ||
        (b[0] == 0xf4 && b[1] >= 0x90))
        return 0;
    return length;
}

/* A member is written whole or not at all, so that a cut line is still JSON; a long value is cut. */
static void add_json(log_line *line, const char *key, const char *value)
{
    enum { VALUE_BYTES = 1024, REST_BYTES = CLOSING_BYTES + 12 /* the longest escape, and the quote */ };
    size_t end = line->used + strlen(key) + VALUE_BYTES;
    if (line->used + strlen(key) + REST_BYTES > sizeof line->text)
        return;
    if (end > sizeof line->text - REST_BYTES)
        end = sizeof line->text - REST_BYTES;
    append(line, ",\"%s\":\"", key);
    for (int n; *value && line->used < end; value += n) {
        n = utf8_length(value);
        if (n == 0 || *value == '"' || *value == '\\' || (unsigned char)*value < ' ' || *value == 0x7f) {
            append(line, *value == '"' || *value == '\\' ? "\\%c" : "\\u%04x", (unsigned char)*value);
            n = 1;
        } else {
            append(line, "%.*s", n, value);
        }
    }
    append(line, "\"");
}

static void add_logfmt(log_line *line, const char *key, const char *value)
{
    if (is_plain(value)) {
        append(line, " %s=%s", key, value);
        return;
    }
    append(line, " %s=\"", key);
    for (const char *c = value; *c; c++) {
        if (*c == '"' || *c == '\\')
            append(line, "\\%c", *c);
        else if (isprint((unsigned char)*c))
            append(line, "%c", *c);
        else
            append(line, "\\x%02x", (unsigned char)*c);
    }
    append(line, "\"");
}

void log_text(log_line *line, const char *key, const char *value)
{
    if (!line->wanted || !value)
        return;
    if (as_json)
        add_json(line, key, value);
    else
        add_logfmt(line, key, value);
}

/* A number is text to logfmt. */
static void add_number(log_line *line, const char *key, const char *number)
{
    if (!as_json)
        append(line, " %s=%s", key, number);
    else if (line->used + strlen(key) + strlen(number) + 8 < sizeof line->text - CLOSING_BYTES)
        append(line, ",\"%s\":%s", key, number);
}

void log_integer(log_line *line, const char *key, long long value)
{
    char number[32];
    snprintf(number, sizeof number, "%lld", value);
    if (line->wanted)
        add_number(line, key, number);
}

void log_ms(log_line *line, const char *key, double milliseconds)
{
    char number[64];
    snprintf(number, sizeof number, "%.2f", milliseconds);
    if (line->wanted)
        add_number(line, key, number);
}

void log_end(log_line *line)
{
    if (!line->wanted)
        return;
    if (as_json)
        line->text[line->used++] = '}';
    line->text[line->used++] = '\n';
    /* A log that cannot be written must not stop the service, and there is nowhere else to say it. */
    ssize_t ignored = write(STDERR_FILENO, line->text, line->used);
    (void)ignored;
}
