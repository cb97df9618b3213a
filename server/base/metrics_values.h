/* metrics_values.h: where the values lie, for metrics.c, which adds to them, and metrics_text.c, which tells them. */
#ifndef SERVER_METRICS_VALUES_H
#define SERVER_METRICS_VALUES_H

#include <stdatomic.h>
#include <stdint.h>

#include "server/base/metrics.h"

enum {
    METRICS_BUCKETS = 16,
    METRICS_STATUSES = 24,
    METRICS_ROUTES = 96,
    METRICS_JOB_KINDS = 16,
    METRICS_JOB_STATES = 5
};

/* Buckets count what is at most their bound and above the one before; the last, +Inf, has no bound. The sum is kept in
 * millionths, because C has no atomic addition for floating-point numbers. */
typedef struct metrics_buckets {
    _Atomic uint64_t count[METRICS_BUCKETS];
    _Atomic uint64_t millionths;
} metrics_buckets;

typedef struct metrics_bounds {
    int n; /* the bucket [n] is +Inf */
    double bound[METRICS_BUCKETS - 1];
} metrics_bounds;

extern const metrics_bounds metrics_seconds, metrics_images;

/* The statuses that are told apart; 0 closes the list and stands for any other. */
extern const int metrics_statuses[METRICS_STATUSES];

extern struct metrics_values {
    _Atomic uint64_t counters[METRICS_COUNTERS];
    _Atomic int64_t gauges[METRICS_GAUGES];
    metrics_buckets histograms[METRICS_HISTOGRAMS];
    _Atomic uint64_t requests[METRICS_ROUTES + 1][METRICS_STATUSES]; /* [0]: of no route; [i + 1]: of routes_at(i) */
    metrics_buckets durations[METRICS_ROUTES + 1];
    _Atomic uint64_t problems[PROBLEM_KINDS];
    _Atomic uint64_t jobs[METRICS_JOB_KINDS][METRICS_JOB_STATES]; /* by place in job_kinds and by job_state */
} metrics_values;

/* The bounds of metrics_values.histograms[which]. */
const metrics_bounds *metrics_bounds_of(metrics_histogram which);

#endif
