/* metrics.c: counting, and the text format; see metrics.h. Relaxed order is enough: nobody concludes from one value to
 * another. */
#include "server/base/metrics.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_WRITERS = 16 };

const metrics_bounds metrics_seconds = {
    14, {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60}};

/* ---- counting ---------------------------------------------------------------------------------------------------- */

void metrics_add(metrics_counter *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

uint64_t metrics_read(const metrics_counter *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void metrics_shift(metrics_gauge *gauge, int64_t by)
{
    atomic_fetch_add_explicit(gauge, by, memory_order_relaxed);
}

void metrics_set(metrics_gauge *gauge, int64_t value)
{
    atomic_store_explicit(gauge, value, memory_order_relaxed);
}

void metrics_observe(metrics_histogram *h, double value)
{
    int i = 0;
    while (i < h->bounds->n && value > h->bounds->bound[i])
        i++;
    metrics_add(&h->count[i], 1);
    metrics_add(&h->millionths, (uint64_t)(value * 1e6 + 0.5));
}

uint64_t metrics_observed(const metrics_histogram *h)
{
    uint64_t n = 0;
    for (int i = 0; i <= h->bounds->n; i++)
        n += metrics_read(&h->count[i]);
    return n;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static struct {
    void (*write)(FILE *out, void *context);
    void *context;
} writers[MAX_WRITERS];

void metrics_register(void (*write)(FILE *out, void *context), void *context)
{
    for (size_t i = 0; i < MAX_WRITERS; i++)
        if (!writers[i].write) {
            writers[i].write = write;
            writers[i].context = context;
            return;
        }
}

char *metrics_text(size_t *size)
{
    char *text = NULL;
    FILE *out = open_memstream(&text, size);
    if (!out)
        return NULL;
    for (size_t i = 0; i < MAX_WRITERS && writers[i].write; i++)
        writers[i].write(out, writers[i].context);
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

void metrics_write_head(FILE *out, const char *name, const char *type, const char *help)
{
    fprintf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void metrics_write_counter(FILE *out, const char *name, const char *help, const metrics_counter *counter)
{
    metrics_write_head(out, name, "counter", help);
    fprintf(out, "%s %llu\n", name, (unsigned long long)metrics_read(counter));
}

/* As short as it stays exact for what is counted or measured here. */
void metrics_write_gauge(FILE *out, const char *name, const char *help, double value)
{
    metrics_write_head(out, name, "gauge", help);
    fprintf(out, "%s %.15g\n", name, value);
}

/* `labels` are told before le: `stage="decode",` or "". */
void metrics_write_buckets(FILE *out, const char *name, const char *labels, const metrics_histogram *h)
{
    uint64_t sum = 0;
    int length = (int)strlen(labels) - (*labels != '\0'); /* without its comma */
    const char *open = *labels ? "{" : "", *close = *labels ? "}" : "";
    for (int i = 0; i <= h->bounds->n; i++) {
        char bound[24] = "+Inf";
        if (i < h->bounds->n)
            snprintf(bound, sizeof bound, "%g", h->bounds->bound[i]);
        sum += metrics_read(&h->count[i]);
        fprintf(out, "%s_bucket{%sle=\"%s\"} %llu\n", name, labels, bound, (unsigned long long)sum);
    }
    fprintf(out, "%s_sum%s%.*s%s %.15g\n", name, open, length, labels, close,
            (double)metrics_read(&h->millionths) / 1e6);
    fprintf(out, "%s_count%s%.*s%s %llu\n", name, open, length, labels, close, (unsigned long long)sum);
}

void metrics_write_histogram(FILE *out, const char *name, const char *help, const metrics_histogram *h)
{
    metrics_write_head(out, name, "histogram", help);
    metrics_write_buckets(out, name, "", h);
}

void metrics_write_escaped(FILE *out, const char *text)
{
    for (; *text; text++)
        if (*text == '"' || *text == '\\')
            fprintf(out, "\\%c", *text);
        else
            fputs(*text == '\n' ? "\\n" : (char[]){*text, '\0'}, out);
}
