/* metrics.c: counting; see metrics.h. Relaxed order is enough: nobody concludes from one value to another. */
#include <string.h>

#include "server/base/metrics_values.h"
#include "server/jobs/job_run.h"

struct metrics_values metrics_values;

const metrics_bounds metrics_seconds = {
    14, {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60}};
const metrics_bounds metrics_images = {9, {1, 2, 4, 8, 16, 32, 64, 128, 256}};

const int metrics_statuses[METRICS_STATUSES] = {200, 201, 202, 204, 304, 400, 401, 403, 404, 405,
                                                409, 413, 415, 422, 499, 500, 503, 504, 507, 0};

static void add(_Atomic uint64_t *value, uint64_t n)
{
    atomic_fetch_add_explicit(value, n, memory_order_relaxed);
}

void metrics_add(metrics_counter counter, unsigned long long n)
{
    add(&metrics_values.counters[counter], n);
}

void metrics_set(metrics_gauge gauge, long long value)
{
    atomic_store_explicit(&metrics_values.gauges[gauge], value, memory_order_relaxed);
}

void metrics_shift(metrics_gauge gauge, long long by)
{
    atomic_fetch_add_explicit(&metrics_values.gauges[gauge], by, memory_order_relaxed);
}

const metrics_bounds *metrics_bounds_of(metrics_histogram which)
{
    return which == METRICS_BATCH ? &metrics_images : &metrics_seconds;
}

static void observe(metrics_buckets *buckets, const metrics_bounds *bounds, double value)
{
    int i = 0;
    while (i < bounds->n && value > bounds->bound[i])
        i++;
    add(&buckets->count[i], 1);
    add(&buckets->millionths, (uint64_t)(value * 1e6 + 0.5));
}

void metrics_observe(metrics_histogram histogram, double value)
{
    observe(&metrics_values.histograms[histogram], metrics_bounds_of(histogram), value);
}

void metrics_count_request(const route *of, int status, double seconds)
{
    size_t place = of ? (size_t)(of - routes_at(0)) + 1 : 0;
    int i = 0;
    if (place > METRICS_ROUTES)
        return;
    while (metrics_statuses[i] && metrics_statuses[i] != status)
        i++;
    observe(&metrics_values.durations[place], &metrics_seconds, seconds);
    add(&metrics_values.requests[place][i], 1); /* last: who sees this sees the rest */
}

void metrics_count_problem(problem_kind kind)
{
    add(&metrics_values.problems[kind], 1);
}

void metrics_count_job(const char *kind, job_state state)
{
    for (int i = 0; i < METRICS_JOB_KINDS && job_kinds[i].name; i++)
        if (strcmp(job_kinds[i].name, kind) == 0)
            add(&metrics_values.jobs[i][state], 1);
}
