/* config.c: the option table of `captiond serve` and the checks that concern two options at once. */
#include "server/base/config.h"

#include <limits.h>
#include <sched.h>

#include "model/caption.h"
#include "server/base/background.h"

/* Cores this process may run on, which a container may have narrowed. */
static int usable_cores(void)
{
    cpu_set_t set;
    return sched_getaffinity(0, sizeof set, &set) == 0 && CPU_COUNT(&set) > 0 ? CPU_COUNT(&set) : 1;
}

static config defaults(void)
{
    return (config){
        .host = "127.0.0.1",
        .port = 8080,
        .workers = usable_cores(),
        .queue = 64,
        .batch = 8,
        .batch_wait_ms = 0,
        .deadline_ms = 30000,
        .max_body_mb = 16,
        .max_buffered_mb = 1024,
        .max_pixels = CAPTION_IMAGE_PIXELS,
        .max_parts = 16,
        .picture_ms = 2000,
        .request_ms = 10000,
        .picture_mb = 1024,
        .max_answer_words = 8192,
        .max_overlays = 128,
        .answer_threads = 1,
        .answer_queue = 16,
        .admin_host = "127.0.0.1",
        .connections = 512,
        .connections_per_address = 128,
        .http_threads = 2,
        .header_timeout_s = 10,
        .request_timeout_s = 300,
        .idle_timeout_s = 30,
        .min_rate = 500,
        .drain_ms = 30000,
        .max_datasets = 1000,
        .max_items = 100000,
        .max_captions = 20,
        .max_data_mb = 10240,
        .min_free_mb = 64,
        .disk_threads = 4,
        .disk_queue = 64,
        .background = "idle",
        .training_jobs = 1,
        .training_threads = 1,
        .training_memory_mb = 4096,
        .picture_jobs = 1,
        .max_picture_jobs = 8,
        .picture_side = 1024,
        .picture_steps = 1000,
        .saliency_samples = 32,
        .max_jobs = 32,
        .max_ended_jobs = 1000,
        .job_events = 1000,
        .event_streams = 64,
        .confine = 1,
        .event_keep_alive_s = 15,
        .wrong_key_delay_s = 60,
        .log_level = "info",
        .log_format = "logfmt",
    };
}

static int check_together(const config *c)
{
    if (c->max_parts > c->queue)
        return options_refuse("serve", "--max-parts %d is more than --queue %d: such a request could never be taken",
                              c->max_parts, c->queue);
    if (c->batch > c->queue)
        return options_refuse("serve", "--batch %d is more than --queue %d: a batch could never fill", c->batch,
                              c->queue);
    if (c->http_threads > c->connections)
        return options_refuse("serve", "--http-threads %d is more than --connections %d", c->http_threads,
                              c->connections);
    if (c->max_body_mb > c->max_buffered_mb)
        return options_refuse("serve", "--max-body-mb %d is more than --max-buffered-mb %d", c->max_body_mb,
                              c->max_buffered_mb);
    return 0;
}

int config_parse(config *c, int argc, char **argv, int *status)
{
    *c = defaults();
    const option table[] = {
        {"listen", OPTION_TEXT, &c->listen, 0, 0, "unix:PATH", "Unix socket to listen on, instead of host and port"},
        {"host", OPTION_TEXT, &c->host, 0, 0, "ADDRESS", "address to listen on"},
        {"port", OPTION_INTEGER, &c->port, 0, 65535, "N", "TCP port to listen on; 0: any free port (see the log)"},
        {"admin-listen", OPTION_TEXT, &c->admin_listen, 0, 0, "unix:PATH",
         "Unix socket that serves only /healthz, /readyz and /metrics"},
        {"admin-host", OPTION_TEXT, &c->admin_host, 0, 0, "ADDRESS",
         "address that serves only these, with --admin-port"},
        {"admin-port", OPTION_INTEGER, &c->admin_port, 0, 65535, "N", "TCP port of --admin-host; 0: none"},
        WEIGHTS_OPTIONS(&c->weights),
        {"models", OPTION_TEXT, &c->models, 0, 0, "MODELS",
         "captioners to load: names or files, comma-separated; default: all in the weights directory"},
        {"model", OPTION_TEXT, &c->model, 0, 0, "MODEL",
         "default captioner at the start, even if another was activated; else that one, else attention, else the "
         "first"},
        {"workers", OPTION_INTEGER, &c->workers, 1, 1024, "N", "worker threads that write captions"},
        {"queue", OPTION_INTEGER, &c->queue, 1, 65536, "N", "images that may be queued; beyond that: 503"},
        {"batch", OPTION_INTEGER, &c->batch, 1, 256, "N", "images a worker takes as one batch, at most"},
        {"batch-wait-ms", OPTION_INTEGER, &c->batch_wait_ms, 0, 3600000, "N", "time to wait for a batch to fill"},
        {"deadline-ms", OPTION_INTEGER, &c->deadline_ms, 1, 3600000, "N",
         "time in the queue, and to make the answer; beyond that: 504"},
        {"max-body-mb", OPTION_INTEGER, &c->max_body_mb, 1, 4096, "N", "size of a request body; beyond that: 413"},
        {"max-buffered-mb", OPTION_INTEGER, &c->max_buffered_mb, 1, 1048576, "N",
         "size of all request bodies in memory; beyond that: 503"},
        {"max-pixels", OPTION_INTEGER, &c->max_pixels, 1, INT_MAX, "N",
         "pixels of an image, as its header declares them; beyond that: 413"},
        {"max-parts", OPTION_INTEGER, &c->max_parts, 1, 1024, "N", "images in one request"},
        {"picture-ms", OPTION_INTEGER, &c->picture_ms, 1, 3600000, "N", "processor time to decode an image"},
        {"request-ms", OPTION_INTEGER, &c->request_ms, 1, 3600000, "N",
         "processor time to decode all images of a request"},
        {"picture-mb", OPTION_INTEGER, &c->picture_mb, 16, 65536, "N", "memory to decode an image"},
        {"max-answer-words", OPTION_INTEGER, &c->max_answer_words, 64, INT_MAX, "N",
         "words that a request may ask for: images x n (or beam) x max_words"},
        {"max-overlays", OPTION_INTEGER, &c->max_overlays, 1, INT_MAX, "N",
         "attention overlays that a request may ask for: images x n x (max_words + 1)"},
        {"answer-threads", OPTION_INTEGER, &c->answer_threads, 1, 64, "N",
         "threads that render attention overlays and heat maps"},
        {"answer-queue", OPTION_INTEGER, &c->answer_queue, 1, 65536, "N",
         "requests that may wait for these threads; beyond that: 503"},
        {"connections", OPTION_INTEGER, &c->connections, 1, 65536, "N",
         "open connections; beyond that, slow and idle ones are closed to admit new ones"},
        {"connections-per-address", OPTION_INTEGER, &c->connections_per_address, 0, 65536, "N",
         "open connections of one client address; 0: no limit"},
        {"http-threads", OPTION_INTEGER, &c->http_threads, 1, 64, "N", "threads that receive and validate requests"},
        {"header-timeout-s", OPTION_INTEGER, &c->header_timeout_s, 1, 86400, "N",
         "time for the head of a request, and before --min-rate applies; beyond that: 408"},
        {"request-timeout-s", OPTION_INTEGER, &c->request_timeout_s, 1, 86400, "N",
         "time to receive a request, and to send its answer"},
        {"min-rate", OPTION_INTEGER, &c->min_rate, 0, 1000000000, "N",
         "bytes per second below which a transfer is cut off"},
        {"idle-timeout-s", OPTION_INTEGER, &c->idle_timeout_s, 1, 86400, "N",
         "time after which an idle connection is closed"},
        {"drain-ms", OPTION_INTEGER, &c->drain_ms, 0, 3600000, "N", "time to finish requests after SIGTERM"},
        {"data", OPTION_TEXT, &c->data, 0, 0, "DIR",
         "directory of datasets, jobs and trained models; default: $XDG_DATA_HOME/captiond or ~/.local/share/captiond"},
        {"max-datasets", OPTION_INTEGER, &c->max_datasets, 1, INT_MAX, "N", "datasets"},
        {"max-items", OPTION_INTEGER, &c->max_items, 1, INT_MAX, "N", "images in one dataset"},
        {"max-captions", OPTION_INTEGER, &c->max_captions, 1, 1000, "N", "captions of one image"},
        {"max-data-mb", OPTION_INTEGER, &c->max_data_mb, 1, INT_MAX, "N", "size of all stored images"},
        {"min-free-mb", OPTION_INTEGER, &c->min_free_mb, 0, INT_MAX, "N", "disk space that uploads must leave free"},
        {"disk-threads", OPTION_INTEGER, &c->disk_threads, 1, 64, "N", "threads that read and write datasets"},
        {"disk-queue", OPTION_INTEGER, &c->disk_queue, 1, 65536, "N",
         "requests that may wait for these threads; beyond that: 503"},
        {"training-root", OPTION_TEXT, &c->training_root, 0, 0, "DIR",
         "clients may train on files below this directory; default: on none"},
        {"background", OPTION_CHOICE, &c->background, 0, 0, BACKGROUND_CHOICES,
         "priority of jobs and feature extraction relative to captions"},
        {"training-jobs", OPTION_INTEGER, &c->training_jobs, 1, 16, "N", "training jobs that run at the same time"},
        {"training-threads", OPTION_INTEGER, &c->training_threads, 1, 64, "N",
         "threads of a training job that encode images"},
        {"training-memory-mb", OPTION_INTEGER, &c->training_memory_mb, 1, 1048576, "N",
         "memory of a training job; networks that need more are refused"},
        {"picture-jobs", OPTION_INTEGER, &c->picture_jobs, 1, 16, "N", "picture jobs that run at the same time"},
        {"max-picture-jobs", OPTION_INTEGER, &c->max_picture_jobs, 1, 10000, "N",
         "picture jobs queued or running; beyond that: 503"},
        {"picture-side", OPTION_INTEGER, &c->picture_side, 32, 2048, "N", "longest side of a dream, in pixels"},
        {"picture-steps", OPTION_INTEGER, &c->picture_steps, 1, 10000, "N", "steps of a picture job in all"},
        {"saliency-samples", OPTION_INTEGER, &c->saliency_samples, 1, 100, "N", "noisy copies for one SmoothGrad map"},
        {"max-jobs", OPTION_INTEGER, &c->max_jobs, 1, 10000, "N", "jobs queued or running; beyond that: 503"},
        {"max-ended-jobs", OPTION_INTEGER, &c->max_ended_jobs, 1, 1000000, "N",
         "ended jobs kept; the oldest are deleted"},
        {"job-events", OPTION_INTEGER, &c->job_events, 2, 1000000, "N",
         "events kept for each job; the oldest are deleted"},
        {"event-streams", OPTION_INTEGER, &c->event_streams, 1, 65536, "N",
         "clients that follow job events at the same time"},
        {"event-keep-alive-s", OPTION_INTEGER, &c->event_keep_alive_s, 1, 3600, "N",
         "interval of keep-alive comments on idle event streams"},
        {"key-file", OPTION_TEXT, &c->key_file, 0, 0, "FILE",
         "named keys, one per line: NAME caption|admin KEY [rate=60/m] [concurrency=N]; read again on SIGHUP"},
        {"wrong-key-delay-s", OPTION_INTEGER, &c->wrong_key_delay_s, 0, 3600, "N",
         "longest delay imposed on a client that sends wrong keys; 0: none"},
        {"admin-key", OPTION_TEXT, &c->admin_key, 0, 0, "KEY",
         "key for writing and training; default: these are allowed from this machine only"},
        {"caption-key", OPTION_TEXT, &c->caption_key, 0, 0, "KEY", "key for captions; default: none is needed"},
        {"cors-origin", OPTION_LIST, &c->cors_origins, 0, 0, "ORIGIN",
         "origin whose pages may use the API: https://example.org; comma-separated; or * (not together with a key)"},
        {"public-host", OPTION_LIST, &c->public_hosts, 0, 0, "NAME",
         "further host name of the server: captions.example.org, *.example.net; comma-separated; or *"},
        {"trusted-proxy", OPTION_LIST, &c->trusted_proxies, 0, 0, "ADDRESS",
         "proxy whose X-Forwarded-For, -Host, -Proto and -Prefix are trusted: 127.0.0.1, 10.0.0.0/8, unix; "
         "comma-separated"},
        {"confine", OPTION_FLAG, &c->confine, 0, 0, "",
         "drop access to files and system calls that are not needed (Landlock, seccomp)"},
        {"core-dumps", OPTION_FLAG, &c->core_dumps, 0, 0, "", "allow core dumps, which contain keys and images"},
        {"log-level", OPTION_CHOICE, &c->log_level, 0, 0, "debug|info|warning|error",
         "least severe level that is logged"},
        {"log-format", OPTION_CHOICE, &c->log_format, 0, 0, "logfmt|json", "format of log lines"},
        {0},
    };
    const options_usage usage = {"serve", "", "Serves captions over HTTP until SIGTERM or SIGINT.", table, 0, 0};
    if (!options_parse(&usage, &argc, &argv, status))
        return 0;
    *status = check_together(c);
    return *status == 0;
}
