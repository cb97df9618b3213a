/* metrics_text.c: the table of metrics and how each is told; see metrics_text.h.
 *
 * Names follow Prometheus' rules: base units (seconds, bytes), _total for what only grows, and for the process the
 * names that every exporter uses. Labels have few values: a request's route is the pattern in the table of routes,
 * never the path that a client sent. What was never counted under some labels is left out, but for plain counters, so
 * that a rate has its zero. */
#include "server/base/metrics_text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/metrics_values.h"
#include "server/base/process.h"
#include "server/jobs/job_run.h"

/* What is looked at once for a whole answer. */
typedef struct scrape {
    FILE *out;
    const server *server;
    process_facts process;
} scrape;

typedef struct family {
    const char *name, *type, *help;
    void (*write)(const scrape *s, const struct family *f);
    int which; /* for `write`: an enumerator of metrics.h */
} family;

/* ---- samples ----------------------------------------------------------------------------------------------------- */

static uint64_t load(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

/* A number as short as it stays exact for what is counted or measured here. */
static void write_value(const scrape *s, const family *f, double value)
{
    fprintf(s->out, "%s %.15g\n", f->name, value);
}

/* `labels` are told before le: `stage="decode",` or "". */
static void write_buckets(const scrape *s, const family *f, const char *labels, const metrics_buckets *buckets,
                          const metrics_bounds *bounds)
{
    uint64_t sum = 0;
    int length = (int)strlen(labels) - (*labels != '\0'); /* without its comma */
    const char *open = *labels ? "{" : "", *close = *labels ? "}" : "";
    for (int i = 0; i <= bounds->n; i++) {
        sum += load(&buckets->count[i]);
        if (i < bounds->n)
            fprintf(s->out, "%s_bucket{%sle=\"%g\"} %llu\n", f->name, labels, bounds->bound[i],
                    (unsigned long long)sum);
        else
            fprintf(s->out, "%s_bucket{%sle=\"+Inf\"} %llu\n", f->name, labels, (unsigned long long)sum);
    }
    fprintf(s->out, "%s_sum%s%.*s%s %.15g\n", f->name, open, length, labels, close,
            (double)load(&buckets->millionths) / 1e6);
    fprintf(s->out, "%s_count%s%.*s%s %llu\n", f->name, open, length, labels, close, (unsigned long long)sum);
}

/* ---- families: what was counted ---------------------------------------------------------------------------------- */

static void write_counter(const scrape *s, const family *f)
{
    write_value(s, f, (double)load(&metrics_values.counters[f->which]));
}

static void write_gauge(const scrape *s, const family *f)
{
    write_value(s, f, (double)atomic_load_explicit(&metrics_values.gauges[f->which], memory_order_relaxed));
}

static void write_histogram(const scrape *s, const family *f)
{
    write_buckets(s, f, "", &metrics_values.histograms[f->which], metrics_bounds_of((metrics_histogram)f->which));
}

static void write_stages(const scrape *s, const family *f)
{
    static const char *const stages[] = {"stage=\"decode\",", "stage=\"encode\",", "stage=\"write\","};
    for (int i = 0; i < 3; i++)
        write_buckets(s, f, stages[i], &metrics_values.histograms[METRICS_DECODE + i], &metrics_seconds);
}

/* The place in metrics_values.requests as labels, with a comma behind. */
static void name_route(char *out, size_t room, size_t place)
{
    const route *r = place > 0 ? routes_at(place - 1) : NULL;
    snprintf(out, room, "method=\"%s\",route=\"%s\",", r ? r->method : "other", r ? r->path : "other");
}

static size_t count_places(void)
{
    size_t n = 0;
    while (n < METRICS_ROUTES && routes_at(n))
        n++;
    return n + 1;
}

static void write_requests(const scrape *s, const family *f)
{
    char labels[160], status[16];
    for (size_t place = 0; place < count_places(); place++)
        for (int i = 0; i < METRICS_STATUSES; i++) {
            uint64_t n = load(&metrics_values.requests[place][i]);
            if (n == 0)
                continue;
            name_route(labels, sizeof labels, place);
            snprintf(status, sizeof status, "%d", metrics_statuses[i]);
            fprintf(s->out, "%s{%sstatus=\"%s\"} %llu\n", f->name, labels, metrics_statuses[i] ? status : "other",
                    (unsigned long long)n);
        }
}

static void write_durations(const scrape *s, const family *f)
{
    char labels[160];
    for (size_t place = 0; place < count_places(); place++) {
        const metrics_buckets *buckets = &metrics_values.durations[place];
        uint64_t n = 0;
        for (int i = 0; i <= metrics_seconds.n; i++)
            n += load(&buckets->count[i]);
        if (n == 0)
            continue;
        name_route(labels, sizeof labels, place);
        write_buckets(s, f, labels, buckets, &metrics_seconds);
    }
}

static void write_problems(const scrape *s, const family *f)
{
    for (int i = 0; i < PROBLEM_KINDS; i++) {
        const problem p = {.kind = (problem_kind)i};
        uint64_t n = load(&metrics_values.problems[i]);
        if (n > 0)
            fprintf(s->out, "%s{type=\"%s\"} %llu\n", f->name, problem_name(&p), (unsigned long long)n);
    }
}

static void write_jobs(const scrape *s, const family *f)
{
    static const job_state final[] = {JOB_SUCCEEDED, JOB_FAILED, JOB_CANCELLED};
    for (int i = 0; i < METRICS_JOB_KINDS && job_kinds[i].name; i++)
        for (int k = 0; k < 3; k++)
            fprintf(s->out, "%s{kind=\"%s\",state=\"%s\"} %llu\n", f->name, job_kinds[i].name, job_state_name(final[k]),
                    (unsigned long long)load(&metrics_values.jobs[i][final[k]]));
}

/* ---- families: what is looked at --------------------------------------------------------------------------------- */

static void write_ready(const scrape *s, const family *f)
{
    write_value(s, f, atomic_load(&s->server->state) == SERVER_READY);
}

static void write_in_flight(const scrape *s, const family *f)
{
    write_value(s, f, atomic_load(&s->server->in_flight));
}

static void write_buffered(const scrape *s, const family *f)
{
    write_value(s, f, (double)atomic_load(&s->server->buffered));
}

static void write_waiting(const scrape *s, const family *f)
{
    write_value(s, f, queue_waiting(s->server->queue));
}

static void write_capacity(const scrape *s, const family *f)
{
    write_value(s, f, s->server->config->queue);
}

static void write_workers(const scrape *s, const family *f)
{
    write_value(s, f, s->server->config->workers);
}

static void write_build(const scrape *s, const family *f)
{
    fprintf(s->out, "%s{version=\"%s\",simd=\"%s\",blas=\"%s\"} 1\n", f->name, CAPTIOND_VERSION, caption_simd_name(),
            caption_blas_name());
}

/* A model may be called what a file may be called. */
static void write_escaped(FILE *out, const char *text)
{
    for (; *text; text++)
        if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else
            fputs(*text == '\n' ? "\\n" : (char[]){*text, '\0'}, out);
}

static void write_models(const scrape *s, const family *f)
{
    registry_facts facts;
    caption_model *model;
    for (int i = 0; (model = registry_take_at(s->server->registry, i, &facts)) != NULL; i++) {
        fprintf(s->out, "%s{model=\"", f->name);
        write_escaped(s->out, facts.name);
        fprintf(s->out, "\",kind=\"%s\",sha256=\"%s\",default=\"%s\"} 1\n", caption_model_kind(model),
                caption_model_sha256(model), facts.is_default ? "true" : "false");
        caption_model_release(model);
    }
}

static void write_process(const scrape *s, const family *f)
{
    const process_facts *p = &s->process;
    const double values[] = {p->cpu_seconds,        p->start_seconds,     p->resident_bytes, p->virtual_bytes,
                             (double)p->open_files, (double)p->max_files, (double)p->threads};
    write_value(s, f, values[f->which]);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static const family table[] = {
    {"captiond_build_info", "gauge", "The version, and the kernels chosen for this processor.", write_build, 0},
    {"captiond_ready", "gauge", "1 while captions are served, 0 while loading or shutting down.", write_ready, 0},
    {"captiond_model_info", "gauge", "The captioners in service.", write_models, 0},

    {"captiond_http_requests_total", "counter", "Requests, by the route that they asked and the answer's status.",
     write_requests, 0},
    {"captiond_http_request_duration_seconds", "histogram", "From a request's headers to the end of its answer.",
     write_durations, 0},
    {"captiond_http_requests_in_flight", "gauge", "Requests begun and not completed.", write_in_flight, 0},
    {"captiond_http_received_bytes_total", "counter", "Of requests' bodies.", write_counter, METRICS_RECEIVED_BYTES},
    {"captiond_http_sent_bytes_total", "counter", "Of answers' bodies.", write_counter, METRICS_SENT_BYTES},
    {"captiond_http_buffered_bytes", "gauge", "Of bodies being held.", write_buffered, 0},
    {"captiond_problems_total", "counter", "Requests refused or dropped, by the problem's type.", write_problems, 0},

    {"captiond_queue_images", "gauge", "Images that wait for a worker.", write_waiting, 0},
    {"captiond_queue_capacity_images", "gauge", "How many may wait.", write_capacity, 0},
    {"captiond_queue_wait_seconds", "histogram", "How long requests waited for a worker to take their first image.",
     write_histogram, METRICS_QUEUE_WAIT},
    {"captiond_workers", "gauge", "Threads that write captions.", write_workers, 0},
    {"captiond_workers_busy", "gauge", "Of these, those with a batch in hand.", write_gauge, METRICS_BUSY_WORKERS},
    {"captiond_batch_images", "histogram", "Images that a worker took at once.", write_histogram, METRICS_BATCH},
    {"captiond_stage_duration_seconds", "histogram",
     "Time of a worker: to decode an image, to encode a batch, to write a batch's captions.", write_stages, 0},
    {"captiond_images_total", "counter", "Images decoded.", write_counter, METRICS_IMAGES},
    {"captiond_captions_total", "counter", "Captions written.", write_counter, METRICS_CAPTIONS},
    {"captiond_caption_words_total", "counter", "Words of these captions.", write_counter, METRICS_WORDS},

    {"captiond_jobs_queued", "gauge", "Jobs of the data directory that wait.", write_gauge, METRICS_JOBS_QUEUED},
    {"captiond_jobs_running", "gauge", "Jobs of the data directory that run, in whatever daemon.", write_gauge,
     METRICS_JOBS_RUNNING},
    {"captiond_jobs_ended_total", "counter", "Jobs that this daemon brought to an end.", write_jobs, 0},

    {"process_cpu_seconds_total", "counter", "User and system time.", write_process, 0},
    {"process_start_time_seconds", "gauge", "Start, in seconds since 1970.", write_process, 1},
    {"process_resident_memory_bytes", "gauge", "Resident memory.", write_process, 2},
    {"process_virtual_memory_bytes", "gauge", "Virtual memory.", write_process, 3},
    {"process_open_fds", "gauge", "Open file descriptors.", write_process, 4},
    {"process_max_fds", "gauge", "How many may be open.", write_process, 5},
    {"process_threads", "gauge", "Threads.", write_process, 6},
};

char *metrics_text(const server *s, size_t *size)
{
    char *text = NULL;
    scrape about = {open_memstream(&text, size), s, process_look()};
    if (!about.out)
        return NULL;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const family *f = &table[i];
        fprintf(about.out, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, f->type);
        f->write(&about, f);
    }
    if (fclose(about.out) == 0)
        return text;
    free(text);
    return NULL;
}
