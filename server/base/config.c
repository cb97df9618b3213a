/* config.c: the option table of `captiond serve` and the checks that concern two options at once. */
#include "server/base/config.h"

#include <limits.h>
#include <sched.h>

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
        .max_pixels = 64000000,
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
        .job_memory = 1000,
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
        {"listen", OPTION_TEXT, &c->listen, 0, 0, "unix:PATH", "a socket in the file system instead of host and port"},
        {"host", OPTION_TEXT, &c->host, 0, 0, "ADDRESS", "address to listen on"},
        {"port", OPTION_INTEGER, &c->port, 0, 65535, "N", "TCP port; 0: any free one, see the log"},
        {"admin-listen", OPTION_TEXT, &c->admin_listen, 0, 0, "unix:PATH",
         "a socket of its own for /healthz, /readyz and /metrics"},
        {"admin-host", OPTION_TEXT, &c->admin_host, 0, 0, "ADDRESS", "the same on TCP, with --admin-port"},
        {"admin-port", OPTION_INTEGER, &c->admin_port, 0, 65535, "N", "its TCP port; 0: none"},
        WEIGHTS_OPTIONS(&c->weights),
        {"models", OPTION_TEXT, &c->models, 0, 0, "MODELS", "names or files, by commas; else all in the directory"},
        {"model", OPTION_TEXT, &c->model, 0, 0, "MODEL",
         "model used if a request names none and none was activated; else attention or the first"},
        {"workers", OPTION_INTEGER, &c->workers, 1, 1024, "N", "threads that write captions"},
        {"queue", OPTION_INTEGER, &c->queue, 1, 65536, "N", "images that may wait; more are answered 503"},
        {"batch", OPTION_INTEGER, &c->batch, 1, 256, "N", "images a worker takes at once"},
        {"batch-wait-ms", OPTION_INTEGER, &c->batch_wait_ms, 0, 3600000, "N", "how long to wait for a batch to fill"},
        {"deadline-ms", OPTION_INTEGER, &c->deadline_ms, 1, 3600000, "N",
         "a request that waits longer, or whose answer takes longer, is answered 504"},
        {"max-body-mb", OPTION_INTEGER, &c->max_body_mb, 1, 4096, "N", "larger bodies are answered 413"},
        {"max-buffered-mb", OPTION_INTEGER, &c->max_buffered_mb, 1, 1048576, "N", "of all bodies together"},
        {"max-pixels", OPTION_INTEGER, &c->max_pixels, 1, INT_MAX, "N", "images that claim more are answered 413"},
        {"max-parts", OPTION_INTEGER, &c->max_parts, 1, 1024, "N", "images in one request"},
        {"picture-ms", OPTION_INTEGER, &c->picture_ms, 1, 3600000, "N", "of processor time to decode an image"},
        {"request-ms", OPTION_INTEGER, &c->request_ms, 1, 3600000, "N", "the same, for all images of a request"},
        {"picture-mb", OPTION_INTEGER, &c->picture_mb, 16, 65536, "N", "of memory to decode an image"},
        {"max-answer-words", OPTION_INTEGER, &c->max_answer_words, 64, INT_MAX, "N",
         "that one request may ask for: images x n, or beam, x max_words"},
        {"max-overlays", OPTION_INTEGER, &c->max_overlays, 1, INT_MAX, "N",
         "pictures of attention that one request may ask for: images x n x (max_words + 1)"},
        {"answer-threads", OPTION_INTEGER, &c->answer_threads, 1, 64, "N",
         "threads that make answers with attention or heat maps"},
        {"answer-queue", OPTION_INTEGER, &c->answer_queue, 1, 65536, "N", "requests that may wait for them"},
        {"connections", OPTION_INTEGER, &c->connections, 1, 65536, "N",
         "open connections; for more, who is slow or idle has to leave"},
        {"connections-per-address", OPTION_INTEGER, &c->connections_per_address, 0, 65536, "N",
         "of them from one address; 0: any number"},
        {"http-threads", OPTION_INTEGER, &c->http_threads, 1, 64, "N", "threads that receive and validate"},
        {"header-timeout-s", OPTION_INTEGER, &c->header_timeout_s, 1, 86400, "N",
         "for the head of a request, and before the minimum rate holds; more is answered 408"},
        {"request-timeout-s", OPTION_INTEGER, &c->request_timeout_s, 1, 86400, "N",
         "for a request to come in, and for its answer to be taken"},
        {"min-rate", OPTION_INTEGER, &c->min_rate, 0, 1000000000, "N", "bytes a second at which either must go on"},
        {"idle-timeout-s", OPTION_INTEGER, &c->idle_timeout_s, 1, 86400, "N", "silent connections are closed"},
        {"drain-ms", OPTION_INTEGER, &c->drain_ms, 0, 3600000, "N", "how long to finish requests after SIGTERM"},
        {"data", OPTION_TEXT, &c->data, 0, 0, "DIR",
         "for datasets and training; else $XDG_DATA_HOME/captiond, ~/.local/share/captiond"},
        {"max-datasets", OPTION_INTEGER, &c->max_datasets, 1, INT_MAX, "N", "datasets in all"},
        {"max-items", OPTION_INTEGER, &c->max_items, 1, INT_MAX, "N", "images in one dataset"},
        {"max-captions", OPTION_INTEGER, &c->max_captions, 1, 1000, "N", "captions of one image"},
        {"max-data-mb", OPTION_INTEGER, &c->max_data_mb, 1, INT_MAX, "N", "of all images stored"},
        {"min-free-mb", OPTION_INTEGER, &c->min_free_mb, 0, INT_MAX, "N", "left free on the disk by uploads"},
        {"disk-threads", OPTION_INTEGER, &c->disk_threads, 1, 64, "N", "threads that read and write datasets"},
        {"disk-queue", OPTION_INTEGER, &c->disk_queue, 1, 65536, "N", "requests that may wait for them"},
        {"training-root", OPTION_TEXT, &c->training_root, 0, 0, "DIR",
         "clients may train on files below it; else on none"},
        {"background", OPTION_CHOICE, &c->background, 0, 0, BACKGROUND_CHOICES,
         "how jobs and features give way to captions"},
        {"training-jobs", OPTION_INTEGER, &c->training_jobs, 1, 16, "N", "trainings that run at once; others wait"},
        {"training-threads", OPTION_INTEGER, &c->training_threads, 1, 64, "N", "of a training that encode photos"},
        {"training-memory-mb", OPTION_INTEGER, &c->training_memory_mb, 1, 1048576, "N", "larger networks are refused"},
        {"picture-jobs", OPTION_INTEGER, &c->picture_jobs, 1, 16, "N", "jobs that make pictures at once; others wait"},
        {"max-picture-jobs", OPTION_INTEGER, &c->max_picture_jobs, 1, 10000, "N",
         "of them that wait or run; more are answered 503"},
        {"picture-side", OPTION_INTEGER, &c->picture_side, 32, 2048, "N", "pixels, longest side of a dream"},
        {"picture-steps", OPTION_INTEGER, &c->picture_steps, 1, 10000, "N", "steps of such a job in all"},
        {"saliency-samples", OPTION_INTEGER, &c->saliency_samples, 1, 100, "N", "noisy copies for one saliency map"},
        {"max-jobs", OPTION_INTEGER, &c->max_jobs, 1, 10000, "N", "jobs that wait or run; more are answered 503"},
        {"job-memory", OPTION_INTEGER, &c->job_memory, 1, 1000000, "N", "ended jobs that are remembered"},
        {"job-events", OPTION_INTEGER, &c->job_events, 2, 1000000, "N", "events of a job that are remembered"},
        {"event-streams", OPTION_INTEGER, &c->event_streams, 1, 65536, "N", "clients that follow events at once"},
        {"event-keep-alive-s", OPTION_INTEGER, &c->event_keep_alive_s, 1, 3600, "N",
         "a comment goes to clients that saw no event for so long"},
        {"key-file", OPTION_TEXT, &c->key_file, 0, 0, "FILE",
         "keys by name, a line each: NAME caption|admin KEY [rate=60/m] [concurrency=N]; read again on SIGHUP"},
        {"wrong-key-delay-s", OPTION_INTEGER, &c->wrong_key_delay_s, 0, 3600, "N",
         "the longest that who sends wrong keys has to wait; 0: not at all"},
        {"admin-key", OPTION_TEXT, &c->admin_key, 0, 0, "KEY",
         "one for writing and training; else only from this machine"},
        {"caption-key", OPTION_TEXT, &c->caption_key, 0, 0, "KEY", "one for captions; else everybody may ask"},
        {"cors-origin", OPTION_LIST, &c->cors_origins, 0, 0, "ORIGIN",
         "pages of it may ask: https://example.org, several by commas, or *, not with a key"},
        {"public-host", OPTION_LIST, &c->public_hosts, 0, 0, "NAME",
         "it may be asked by this name too: captions.example.org, *.example.net, several by commas, or *"},
        {"trusted-proxy", OPTION_LIST, &c->trusted_proxies, 0, 0, "ADDRESS",
         "its X-Forwarded-For, -Host, -Proto and -Prefix are believed: 127.0.0.1, 10.0.0.0/8, unix; several by commas"},
        {"confine", OPTION_FLAG, &c->confine, 0, 0, "",
         "gives up files and system calls that it does not need (Landlock, seccomp)"},
        {"core-dumps", OPTION_FLAG, &c->core_dumps, 0, 0, "",
         "a crash leaves an image of memory, keys and photos included"},
        {"log-level", OPTION_CHOICE, &c->log_level, 0, 0, "debug|info|warning|error", "least level logged"},
        {"log-format", OPTION_CHOICE, &c->log_format, 0, 0, "logfmt|json", "how a line of the log is written"},
        {0},
    };
    const options_usage usage = {"serve", "", "Serves captions over HTTP until SIGTERM or SIGINT.", table, 0, 0};
    if (!options_parse(&usage, &argc, &argv, status))
        return 0;
    *status = check_together(c);
    return *status == 0;
}
