/* http_metrics.c: what is counted of requests, and how /metrics tells it. What was never counted under some labels is
 * left out, but for plain counters, so that a rate has its zero. */
#include <stdlib.h>
#include <string.h>

#include "server/base/clock.h"
#include "server/base/metrics.h"
#include "server/http/http.h"
#include "server/http/route.h"

/* The statuses that are told apart; 0 closes the list and stands for any other. */
static const int statuses[] = {200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 408, 409, 413,
                               414, 415, 422, 429, 431, 499, 500, 501, 503, 504, 507, 0};
enum { STATUSES = sizeof statuses / sizeof *statuses };

typedef struct route_counts {
    metrics_counter requests[STATUSES];
    metrics_histogram seconds;
} route_counts;

static metrics_counter received_bytes, sent_bytes, problems[PROBLEM_KINDS];

/* ---- counting ---------------------------------------------------------------------------------------------------- */

static size_t count_routes(const http_server *s)
{
    size_t n = 0;
    while (s->routes[n].method)
        n++;
    return n;
}

/* A client that left before there was an answer shows as 499, as it does where the queue notices. */
void http_count_request(const http_request *r)
{
    enum { CLIENT_GONE = 499 };
    route_counts *counts = &r->http->counts[r->route ? (size_t)(r->route - r->http->routes) : count_routes(r->http)];
    int status = r->status ? r->status : CLIENT_GONE, i = 0;
    metrics_add(&received_bytes, r->received);
    metrics_add(&sent_bytes, strcmp(r->method, "HEAD") == 0 ? 0 : r->answer_bytes);
    while (statuses[i] && statuses[i] != status)
        i++;
    metrics_observe(&counts->seconds, (clock_ms() - r->started) / 1e3);
    metrics_add(&counts->requests[i], 1); /* last: who sees this sees the rest */
}

void http_count_problem(problem_kind kind)
{
    metrics_add(&problems[kind], 1);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* The i-th route as labels, with a comma behind. */
static void name_route(char *out, size_t room, const http_server *s, size_t i)
{
    const route *r = &s->routes[i];
    snprintf(out, room, "method=\"%s\",route=\"%s\",", r->method ? r->method : "other", r->method ? r->path : "other");
}

static void write_requests(FILE *out, const http_server *s, size_t n)
{
    static const char name[] = "captiond_http_requests_total";
    char labels[160], status[16];
    metrics_write_head(out, name, "counter", "Requests, by the route that they asked and the answer's status.");
    for (size_t i = 0; i <= n; i++)
        for (int k = 0; k < STATUSES; k++) {
            uint64_t count = metrics_read(&s->counts[i].requests[k]);
            if (count == 0)
                continue;
            name_route(labels, sizeof labels, s, i);
            snprintf(status, sizeof status, "%d", statuses[k]);
            fprintf(out, "%s{%sstatus=\"%s\"} %llu\n", name, labels, statuses[k] ? status : "other",
                    (unsigned long long)count);
        }
}

static void write_durations(FILE *out, const http_server *s, size_t n)
{
    static const char name[] = "captiond_http_request_duration_seconds";
    char labels[160];
    metrics_write_head(out, name, "histogram", "From a request's headers to the end of its answer.");
    for (size_t i = 0; i <= n; i++) {
        if (metrics_observed(&s->counts[i].seconds) == 0)
            continue;
        name_route(labels, sizeof labels, s, i);
        metrics_write_buckets(out, name, labels, &s->counts[i].seconds);
    }
}

static void write_connections(FILE *out, const http_server *s)
{
    static const char name[] = "captiond_http_connections", *const phases[CONNECTION_PHASES] = {"idle", "head", "body",
                                                                                                "work", "answer"};
    int n[CONNECTION_PHASES];
    unsigned long long evicted, slow;
    connections_count(s->connections, n, &evicted, &slow);
    metrics_write_head(out, name, "gauge", "Open connections, by what they are at.");
    for (int i = 0; i < CONNECTION_PHASES; i++)
        fprintf(out, "%s{phase=\"%s\"} %d\n", name, phases[i], n[i]);
    metrics_write_head(out, "captiond_http_connections_cut_total", "counter", "Connections cut off, by the reason.");
    fprintf(out, "captiond_http_connections_cut_total{reason=\"evicted\"} %llu\n", evicted);
    fprintf(out, "captiond_http_connections_cut_total{reason=\"slow\"} %llu\n", slow);
}

static void write_problems(FILE *out)
{
    static const char name[] = "captiond_problems_total";
    metrics_write_head(out, name, "counter", "Requests refused or dropped, by the problem's type.");
    for (int i = 0; i < PROBLEM_KINDS; i++) {
        const problem p = {.kind = (problem_kind)i};
        uint64_t n = metrics_read(&problems[i]);
        if (n > 0)
            fprintf(out, "%s{type=\"%s\"} %llu\n", name, problem_name(&p), (unsigned long long)n);
    }
}

static void write(FILE *out, void *context)
{
    const http_server *s = context;
    size_t n = count_routes(s);
    write_requests(out, s, n);
    write_durations(out, s, n);
    metrics_write_gauge(out, "captiond_http_requests_in_flight", "Requests begun and not completed.",
                        atomic_load(&s->in_flight));
    metrics_write_counter(out, "captiond_http_received_bytes_total", "Of requests' bodies.", &received_bytes);
    metrics_write_counter(out, "captiond_http_sent_bytes_total", "Of answers' bodies.", &sent_bytes);
    metrics_write_gauge(out, "captiond_http_buffered_bytes", "Of bodies being held.",
                        (double)atomic_load(&s->buffered));
    write_connections(out, s);
    write_problems(out);
}

int http_counts_new(http_server *s, caption_error *err)
{
    size_t n = count_routes(s) + 1;
    s->counts = calloc(n, sizeof *s->counts);
    if (!s->counts)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for metrics");
    for (size_t i = 0; i < n; i++)
        s->counts[i].seconds.bounds = &metrics_seconds;
    return CAPTION_OK;
}

int http_metrics_start(http_server *s, caption_error *err)
{
    int status = http_counts_new(s, err);
    if (!status)
        metrics_register(write, s);
    return status;
}

void http_metrics_stop(http_server *s)
{
    free(s->counts);
}
