/* metrics.h: what the daemon counts, for GET /metrics.
 *
 * Each module keeps its own values and knows how they are written:
 *
 *     static metrics_counter captions;
 *     ...
 *     metrics_add(&captions, 1);
 *     ...
 *     void worker_metrics(FILE *out, void *context)
 *     {
 *         metrics_write_counter(out, "captiond_captions_total", "Captions written.", &captions);
 *     }
 *
 * and registers that function at start. Every value is an atomic that is only added to or set, so counting costs
 * nanoseconds, takes no lock and may be done from any thread.
 *
 * Names follow Prometheus' rules: base units (seconds, bytes), _total for what only grows. Labels have few values: a
 * request's route is the pattern in the table of routes, never the path that a client sent. */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

typedef _Atomic uint64_t metrics_counter;
typedef _Atomic int64_t metrics_gauge;

enum { METRICS_BUCKETS = 16 };

typedef struct metrics_bounds {
    int n; /* the bucket [n] is +Inf */
    double bound[METRICS_BUCKETS - 1];
} metrics_bounds;

extern const metrics_bounds metrics_seconds; /* of what takes from half a millisecond to a minute */

/* Buckets count what is at most their bound and above the one before; the last, +Inf, has no bound. The sum is kept in
 * millionths, because C has no atomic addition for floating-point numbers. */
typedef struct metrics_histogram {
    const metrics_bounds *bounds;
    metrics_counter count[METRICS_BUCKETS];
    metrics_counter millionths;
} metrics_histogram;

void metrics_add(metrics_counter *counter, uint64_t n);
uint64_t metrics_read(const metrics_counter *counter);
void metrics_shift(metrics_gauge *gauge, int64_t by);
void metrics_set(metrics_gauge *gauge, int64_t value);
void metrics_observe(metrics_histogram *histogram, double value);
uint64_t metrics_observed(const metrics_histogram *histogram); /* how many values */

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* Before any thread starts: GET /metrics will call `write` with this context, in the order of registration. */
void metrics_register(void (*write)(FILE *out, void *context), void *context);

/* All that is registered, as Prometheus reads it (text format 0.0.4): malloc'd, *size bytes; NULL when out of memory.
 */
#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
char *metrics_text(size_t *size);

/* A family without labels, whole. */
void metrics_write_counter(FILE *out, const char *name, const char *help, const metrics_counter *counter);
void metrics_write_gauge(FILE *out, const char *name, const char *help, double value);
void metrics_write_histogram(FILE *out, const char *name, const char *help, const metrics_histogram *histogram);

/* A family with labels: its head, then samples, which the caller prints but for these. */
void metrics_write_head(FILE *out, const char *name, const char *type, const char *help);
void metrics_write_buckets(FILE *out, const char *name, const char *labels, const metrics_histogram *histogram);

/* A label's value. */
void metrics_write_escaped(FILE *out, const char *text);

/* What the system says of this process, under the names that every exporter uses (process_metrics.c). */
void process_metrics(FILE *out, void *unused);

#endif
