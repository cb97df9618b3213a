/* metrics.h: what the daemon counts, for GET /metrics.
 *
 *     metrics_add(METRICS_CAPTIONS, 1);
 *     metrics_observe(METRICS_ENCODE, seconds);
 *
 * One set for the process, as there is one log. Every value is an atomic that is only added to or set, so counting
 * costs nanoseconds, takes no lock and may be done from any thread. metrics_text.c has the table of what is told. */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include "server/http/problem.h"
#include "server/http/routes.h"
#include "server/jobs/job_store.h"

typedef enum metrics_counter {
    METRICS_IMAGES, /* decoded, captioned or not */
    METRICS_CAPTIONS,
    METRICS_WORDS,
    METRICS_RECEIVED_BYTES,
    METRICS_SENT_BYTES,
    METRICS_COUNTERS
} metrics_counter;

typedef enum metrics_gauge {
    METRICS_BUSY_WORKERS,
    METRICS_JOBS_QUEUED,
    METRICS_JOBS_RUNNING,
    METRICS_GAUGES
} metrics_gauge;

typedef enum metrics_histogram {
    METRICS_QUEUE_WAIT, /* seconds, until a worker took a request's first image */
    METRICS_DECODE,     /* seconds an image */
    METRICS_ENCODE,     /* seconds a batch */
    METRICS_WRITE,      /* seconds a batch */
    METRICS_BATCH,      /* images a batch */
    METRICS_HISTOGRAMS
} metrics_histogram;

void metrics_add(metrics_counter counter, unsigned long long n);
void metrics_set(metrics_gauge gauge, long long value);
void metrics_shift(metrics_gauge gauge, long long by);
void metrics_observe(metrics_histogram histogram, double value);

/* A request that is over, and its route; NULL: it had none. */
void metrics_count_request(const route *of, int status, double seconds);

/* A problem that was answered, or that ended a request without an answer. */
void metrics_count_problem(problem_kind kind);

/* A job that this daemon has brought to an end. kind is one of job_kinds. */
void metrics_count_job(const char *kind, job_state state);

#endif
