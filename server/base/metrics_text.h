/* metrics_text.h: all metrics as Prometheus reads them, text format 0.0.4. */
#ifndef SERVER_METRICS_TEXT_H
#define SERVER_METRICS_TEXT_H

#include "server/api/server.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* malloc'd, *size bytes; NULL when out of memory. */
char *metrics_text(const server *s, size_t *size);

#endif
