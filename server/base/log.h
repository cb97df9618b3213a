/* log.h: structured log lines on stderr: logfmt or JSON, one event a line, one write a line.
 *
 *     log_line line;
 *     log_begin(&line, LOG_LEVEL_INFO, "request");
 *     log_text(&line, "path", path);
 *     log_integer(&line, "status", 200);
 *     log_end(&line);
 *
 *     time=2024-05-01T12:00:00.123Z level=info event=request path=/v1/caption status=200
 *     {"time":"2024-05-01T12:00:00.123Z","level":"info","event":"request","path":"/v1/caption","status":200}
 *
 * Whatever a client sent is escaped, so that it can neither forge a line nor a key. Lines longer than the buffer are
 * cut. Thread-safe: lines do not mix. */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include <stddef.h>

typedef enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARNING, LOG_LEVEL_ERROR } log_level;

typedef struct log_line {
    char text[2048];
    size_t used;
    int wanted; /* 0: below the level, nothing is written */
} log_line;

/* The least level that is written, "debug", "info", "warning" or "error". Call before threads start. */
void log_set_level(const char *name);

/* "logfmt" or "json". Call before threads start. */
void log_set_format(const char *name);

void log_begin(log_line *line, log_level level, const char *event);
void log_text(log_line *line, const char *key, const char *value); /* NULL is written as nothing */
void log_integer(log_line *line, const char *key, long long value);
void log_ms(log_line *line, const char *key, double milliseconds);
void log_end(log_line *line);

#endif
