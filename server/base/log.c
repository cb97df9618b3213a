/* log.c: see log.h. The level is the only state; it is set once, before threads start. */
#include "server/base/log.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const char *const level_names[] = {"debug", "info", "warning", "error"};
static log_level least_level = LOG_LEVEL_INFO;

void log_set_level(const char *name)
{
    for (int i = LOG_LEVEL_DEBUG; i <= LOG_LEVEL_ERROR; i++)
        if (strcmp(name, level_names[i]) == 0)
            least_level = (log_level)i;
}

/* Appends and cuts; one byte stays free for the newline. */
static void append(log_line *line, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void append(log_line *line, const char *format, ...)
{
    size_t room = sizeof line->text - 1 - line->used;
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
    append(line, "time=%s.%03ldZ level=%s event=%s", stamp, now.tv_nsec / 1000000, level_names[level], event);
}

static int is_plain(const char *value)
{
    for (const char *c = value; *c; c++)
        if (!isgraph((unsigned char)*c) || *c == '"' || *c == '=' || *c == '\\')
            return 0;
    return *value != '\0';
}

void log_text(log_line *line, const char *key, const char *value)
{
    if (!line->wanted || !value)
        return;
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

void log_integer(log_line *line, const char *key, long long value)
{
    if (line->wanted)
        append(line, " %s=%lld", key, value);
}

void log_ms(log_line *line, const char *key, double milliseconds)
{
    if (line->wanted)
        append(line, " %s=%.2f", key, milliseconds);
}

void log_end(log_line *line)
{
    if (!line->wanted)
        return;
    line->text[line->used++] = '\n';
    /* A log that cannot be written must not stop the service, and there is nowhere else to say it. */
    ssize_t ignored = write(STDERR_FILENO, line->text, line->used);
    (void)ignored;
}
