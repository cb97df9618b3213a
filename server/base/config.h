/* config.h: what `captiond serve` can be told; every limit is an option with a printed default and an environment
 * twin. Read once at start, then immutable. */
#ifndef SERVER_CONFIG_H
#define SERVER_CONFIG_H

#include "server/base/options.h"

typedef struct config {
    const char *listen; /* "unix:PATH" instead of host and port; NULL: those */
    const char *host;
    int port;
    const char *admin_listen, *admin_host; /* of the listener for health and metrics alone: "unix:PATH", or */
    int admin_port;                        /* this one; 0: none */
    weights_place weights;
    const char *models; /* names or files separated by commas; NULL: every captioner in the weights directory */
    const char *model;  /* the default model; NULL: WEIGHTS_DEFAULT_MODEL if there, else the first */
    int workers, queue, batch, batch_wait_ms, deadline_ms;
    int max_body_mb, max_buffered_mb, max_pixels, max_parts;
    int picture_ms, request_ms, picture_mb; /* budgets of decoding: decode/cage.h */
    int max_answer_words, max_overlays, answer_threads, answer_queue;
    int connections, connections_per_address, http_threads, drain_ms;
    int header_timeout_s, request_timeout_s, idle_timeout_s, min_rate;
    const char *data; /* directory for datasets and jobs; NULL: see data.h */
    int max_datasets, max_items, max_captions, max_data_mb, min_free_mb;
    int disk_threads, disk_queue;
    const char *training_root; /* clients may train on files below it; NULL: on none */
    const char *background;    /* how trainings and features give way to captions: background.h */
    int training_jobs, training_threads, training_memory_mb;
    int picture_jobs, max_picture_jobs, picture_side, picture_steps, saliency_samples;
    int max_jobs, max_ended_jobs, job_events, event_streams, event_keep_alive_s;
    const char *key_file;        /* of named keys: keys.h; NULL: none */
    int wrong_key_delay_s;       /* guesses.h */
    const char *admin_key;       /* the operator's; NULL: none */
    const char *caption_key;     /* NULL: everybody may caption */
    option_list cors_origins;    /* pages of these may ask: cors.h */
    option_list public_hosts;    /* names by which the daemon is asked: site.h */
    option_list trusted_proxies; /* what these say of clients is believed: proxy.h */
    const char *log_level, *log_format;
    int confine, core_dumps; /* confine.h */
} config;

/* As options_parse: 1 to go on, 0 to exit with *status. */
int config_parse(config *c, int argc, char **argv, int *status);

#endif
