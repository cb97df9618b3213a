/* command_serve.c: `captiond serve`: start, wait for a signal, stop.
 *
 *     start   configuration; listen; answer HTTP (/readyz says 503 until the weights are loaded); load; start workers
 *     run     the main thread only waits for a signal, and tells a watchdog that it does; SIGHUP: the key file is read
 *             again
 *     stop    first SIGTERM or SIGINT: stop accepting, finish what is in flight within --drain-ms, join, free, exit 0;
 *             a second one ends the process at once
 *
 * The queue ends its tickets first, because that resumes their connections: libmicrohttpd may stop only when none is
 * suspended. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "server/api/api.h"
#include "server/api/caption_call.h"
#include "server/api/data.h"
#include "server/api/selftest.h"
#include "server/app/commands.h"
#include "server/app/confine.h"
#include "server/app/notify.h"
#include "server/base/clock.h"
#include "server/base/log.h"
#include "server/base/metrics.h"
#include "server/decode/cage.h"
#include "server/decode/lockdown.h"
#include "server/engine/worker.h"
#include "server/http/cors.h"
#include "server/http/disk.h"
#include "server/http/guesses.h"
#include "server/http/hold.h"
#include "server/http/http.h"
#include "server/http/keys.h"
#include "server/http/listen.h"
#include "server/http/proxy.h"
#include "server/http/site.h"
#include "server/jobs/jobs.h"
#include "server/store/features.h"
#include "server/store/store.h"

enum { DRAIN_POLL_MS = 10, FLUSH_MS = 5000, GOODBYE_MS = 800, MAX_FILE_MB = 1024 /* of a dataset's image */ };

typedef struct service {
    config config;
    server server;
    struct MHD_Daemon *http, *admin;
    http_server admin_http; /* of --admin-port and --admin-listen */
    int listener;           /* -1: libmicrohttpd's */
    workers *workers;
    char trained[PATH_MAX]; /* where models are that jobs trained */
    double deadline;        /* for stopping; clock_ms */
} service;

/* A handler and a semaphore rather than a mask and sigwait: libraries have threads of their own (OpenBLAS makes them
 * before main), which would not have the mask. */
static sem_t signals;
static atomic_int last_signal, reload_wanted;

/* The second one does not wait for anything, whatever the process is doing. */
static void on_signal(int number)
{
    if (atomic_exchange(&last_signal, number))
        _exit(128 + number);
    sem_post(&signals);
}

static void on_hangup(int number)
{
    (void)number;
    atomic_store(&reload_wanted, 1);
    sem_post(&signals);
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    struct sigaction hangup = {.sa_handler = on_hangup, .sa_flags = SA_RESTART};
    sem_init(&signals, 0, 0);
#ifdef __SANITIZE_THREAD__
    /* ThreadSanitizer loses a signal that comes as a thread waits for the first time: wait before one can come. */
    sem_post(&signals);
    sem_wait(&signals);
#endif
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGHUP, &hangup, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow is an error of the write */
}

static void log_simple(log_level level, const char *event, const char *key, const char *value)
{
    log_line line;
    log_begin(&line, level, event);
    if (key)
        log_text(&line, key, value);
    log_end(&line);
}

static void log_listening(const config *c, int port)
{
    log_line line;
    log_begin(&line, LOG_LEVEL_INFO, "listening");
    if (c->listen) {
        log_text(&line, "listen", c->listen);
    } else {
        log_text(&line, "host", c->host);
        log_integer(&line, "port", port);
    }
    log_end(&line);
}

static void log_caged(void)
{
    log_line line;
    const char *left_out = lockdown_left_out();
    log_begin(&line, left_out ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "caged");
    log_text(&line, "filter", left_out ? "off" : "on");
    if (left_out)
        log_text(&line, "reason", left_out);
    log_end(&line);
}

static void log_ready(service *s, double started)
{
    char name[WEIGHTS_NAME_BYTES] = "";
    log_line line;
    caption_model *model = registry_take(s->server.registry, "", name);
    log_begin(&line, LOG_LEVEL_INFO, "ready");
    log_text(&line, "version", CAPTIOND_VERSION);
    log_text(&line, "model", name);
    log_integer(&line, "workers", s->config.workers);
    log_text(&line, "simd", caption_simd_name());
    log_text(&line, "blas", caption_blas_name());
    log_ms(&line, "ms", clock_ms() - started);
    log_end(&line);
    caption_model_release(model);
}

/* What the service manager is not told it need not know; it waits for READY=1 only if it is one. */
static void notify(const char *lines)
{
    if (notify_send(lines) < 0)
        log_simple(LOG_LEVEL_WARNING, "not-notified", "reason", strerror(errno));
}

static int register_metrics(server *s, caption_error *err)
{
    metrics_register(api_write_metrics, s);
    int status = http_metrics_start(&s->http, err);
    metrics_register(caption_call_metrics, NULL);
    metrics_register(workers_metrics, s->queue);
    metrics_register(cage_metrics, NULL);
    metrics_register(jobs_metrics, NULL);
    metrics_register(process_metrics, NULL);
    metrics_register(keys_metrics, s->http.keys);
    metrics_register(guesses_metrics, s->http.guesses);
    return status;
}

/* Sockets for all connections: the soft limit is often 1024. */
static void raise_socket_limit(const config *c)
{
    const rlim_t wanted = 4 * (rlim_t)c->connections + 512;
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted)
        return;
    limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static int start_connections(http_server *http, const config *c, int are_limited, caption_error *err)
{
    connections_limits limits = {.header_ms = c->header_timeout_s * 1000,
                                 .idle_ms = c->idle_timeout_s * 1000,
                                 .request_ms = c->request_timeout_s * 1000,
                                 .min_rate = c->min_rate};
    if (are_limited) {
        limits.connections = c->connections;
        limits.per_address = c->connections_per_address;
    }
    return connections_new(&http->connections, &limits, http->linger, err);
}

/* A quarter of the connections is enough for those who guess keys. */
static int start_access(http_server *http, const config *c, caption_error *err)
{
    int status = guesses_new(&http->guesses, c->wrong_key_delay_s, err);
    return status ? status : hold_new(&http->hold, 1 + c->connections / 4, err);
}

static int prepare_shared(service *s, caption_error *err)
{
    const queue_limits limits = {s->config.queue, s->config.batch, s->config.batch_wait_ms, s->config.deadline_ms,
                                 s->config.workers};
    const disk_limits disk_threads = {s->config.disk_threads, s->config.disk_queue, s->config.deadline_ms};
    const disk_limits answer_threads = {s->config.answer_threads, s->config.answer_queue, s->config.deadline_ms};
    http_server *http = &s->server.http;
    s->server.config = http->config = &s->config;
    http->owner = &s->server;
    http->routes = api_routes;
    http->dialects = api_dialects;
    http->threads = s->config.http_threads;
    raise_socket_limit(&s->config);
    if (getrandom(&http->id_prefix, sizeof http->id_prefix, 0) < 0)
        http->id_prefix = (uint32_t)getpid();
    s->server.registry = registry_new();
    if (!s->server.registry)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory");
    int status = start_access(http, &s->config, err);
    if (!status)
        status = linger_new(&http->linger, err);
    if (!status)
        status = start_connections(http, &s->config, 1, err);
    if (!status)
        status = queue_new(&s->server.queue, &limits, err);
    if (!status)
        status = disk_start(&http->disk, &disk_threads, err);
    if (!status)
        status = disk_start(&http->answers, &answer_threads, err);
    if (!status)
        status = selftest_start(&s->server.selftest, &s->config, err);
    if (!status)
        status = register_metrics(&s->server, err);
    if (!status)
        data_open(&s->server);
    return status;
}

/* Workers must not wait for each other, nor for uploads, nor these for jobs, which may wait long for a core. */
static int open_cages(service *s, caption_error *err)
{
    enum { OTHERS = 2 };
    cage_limits limits = {.level = BACKGROUND_NORMAL,
                          .helpers = s->config.workers,
                          .at_once = 1,
                          .file_mb = s->config.max_body_mb,
                          .picture_ms = s->config.picture_ms,
                          .picture_mb = s->config.picture_mb};
    int status = cage_open(&s->server.cage, &limits, err);
    limits.helpers = OTHERS;
    limits.at_once = 0;
    limits.file_mb = MAX_FILE_MB;
    if (!status)
        status = cage_open(&s->server.upload_cage, &limits, err);
    limits.level = background_parse(s->config.background);
    return status ? status : cage_open(&s->server.job_cage, &limits, err);
}

static int start_http(service *s, caption_error *err)
{
    int listener, port = 0;
    int status = s->config.listen ? listen_open_unix(s->config.listen, &listener, err)
                                  : listen_open(s->config.host, s->config.port, "--port N or CAPTIOND_PORT=N",
                                                &listener, &port, err);
    if (status)
        return status;
    s->http = http_start(&s->server.http, listener);
    if (!s->http) {
        close(listener);
        return caption_fail(err, CAPTION_ENOMEM, "libmicrohttpd cannot start its threads");
    }
    log_listening(&s->config, port);
    return CAPTION_OK;
}

/* Answers while the other listener has no place left, so that who restarts daemons that are dead leaves one alone that
 * is busy. */
static int start_admin(service *s, caption_error *err)
{
    const config *c = &s->config;
    http_server *http = &s->admin_http;
    int listener, port = 0;
    if (!c->admin_listen && !c->admin_port)
        return CAPTION_OK;
    http->config = c;
    http->owner = &s->server;
    http->routes = api_admin_routes;
    http->dialects = api_dialects;
    http->threads = 1;
    http->linger = s->server.http.linger;
    http->id_prefix = s->server.http.id_prefix ^ 1;
    int status = start_connections(http, c, 0, err);
    if (!status)
        status = http_counts_new(http, err);
    if (!status)
        status = c->admin_listen ? listen_open_unix(c->admin_listen, &listener, err)
                                 : listen_open(c->admin_host, c->admin_port, "--admin-port N or CAPTIOND_ADMIN_PORT=N",
                                               &listener, &port, err);
    if (status)
        return status;
    s->admin = http_start(http, listener);
    if (s->admin)
        return CAPTION_OK;
    close(listener);
    return caption_fail(err, CAPTION_ENOMEM, "libmicrohttpd cannot start its threads");
}

static void stop_admin(service *s)
{
    if (s->admin)
        http_stop(s->admin);
    if (s->admin && s->config.admin_listen)
        listen_remove_unix(s->config.admin_listen);
    connections_free(s->admin_http.connections);
    http_metrics_stop(&s->admin_http);
}

static void set_state(service *s, server_state state)
{
    atomic_store(&s->server.http.state, state);
    atomic_store(&s->admin_http.state, state);
}

/* Without them captions are served all the same, and training computes what it needs. */
static void start_features(service *s)
{
    caption_error err;
    if (s->server.store && features_start(&s->server.features, s->server.store, registry_encoder(s->server.registry),
                                          s->server.job_cage, background_parse(s->config.background), &err))
        log_simple(LOG_LEVEL_WARNING, "no-features", "reason", err.message);
}

/* Threads that may multiply matrices at the same time: workers, trainings, jobs that make pictures, the features of
 * uploads, the self-test. */
static int multiplying_threads(const config *c)
{
    return c->workers + c->training_jobs * c->training_threads + c->picture_jobs + 2;
}

/* What the kernel cannot do is left out, and told. */
static void tell_confined(const service *s, int status, const caption_error *left_out)
{
    if (s->config.confine && status)
        log_simple(LOG_LEVEL_WARNING, "not-confined", "reason", left_out->message);
}

/* Before there are threads: each would keep what it has. The data directory must be there to be named. */
static void confine_first(service *s)
{
    char data[PATH_MAX];
    caption_error reason;
    if (!s->config.core_dumps)
        confine_core_dumps();
    int has_data = data_directory(s->config.data, data, &reason) == CAPTION_OK;
    if (has_data)
        store_make_directory(data);
    if (has_data && snprintf(s->trained, sizeof s->trained, "%s/models", data) < (int)sizeof s->trained)
        s->config.weights.trained = s->trained;
    if (s->config.confine)
        tell_confined(s, confine_files(&s->config, has_data ? data : NULL, &reason), &reason);
}

static void confine_last(service *s)
{
    caption_error reason;
    if (s->config.confine)
        tell_confined(s, confine_calls(&reason), &reason);
}

static int start(service *s, caption_error *err)
{
    const caption_image_limits limits = {.max_pixels = (size_t)s->config.max_pixels};
    double started = clock_ms();
    int status = caption_reserve(multiplying_threads(&s->config), err);
    if (!status)
        status = prepare_shared(s, err);
    if (!status)
        status = open_cages(s, err);
    if (!status)
        status = start_http(s, err);
    if (!status)
        status = start_admin(s, err);
    if (!status)
        status = registry_load(s->server.registry, &s->config.weights, s->config.models, s->config.model, err);
    if (!status)
        status = workers_start(&s->workers, s->config.workers, s->server.queue, s->config.batch,
                               registry_encoder(s->server.registry), s->server.cage, &limits, err);
    if (!status)
        status = cage_wait(s->server.cage, err);
    if (status)
        return status;
    log_caged();
    start_features(s);
    data_start(&s->server);
    confine_last(s);
    set_state(s, SERVER_READY);
    log_ready(s, started);
    notify("READY=1");
    return CAPTION_OK;
}

/* Waits until a count of requests is zero or the time is over. */
static void wait_until_none(atomic_int *count, int ms)
{
    const struct timespec pause = {0, DRAIN_POLL_MS * 1000000L};
    double until = clock_ms() + ms;
    while (atomic_load(count) > 0 && clock_ms() < until)
        nanosleep(&pause, NULL);
}

static void reload_keys(service *s)
{
    char reloading[80];
    caption_error err;
    if (!s->config.key_file) {
        log_simple(LOG_LEVEL_WARNING, "not-reloaded", "reason", "there is no --key-file");
        return;
    }
    snprintf(reloading, sizeof reloading, "RELOADING=1\nMONOTONIC_USEC=%.0f", clock_ms() * 1e3);
    notify(reloading);
    if (keys_reload(s->server.http.keys, &err))
        log_simple(LOG_LEVEL_ERROR, "not-reloaded", "reason", err.message);
    else
        log_simple(LOG_LEVEL_INFO, "reloaded", "file", s->config.key_file);
    notify("READY=1");
}

/* A sign of life goes out only after the queue's lock was free: threads that block each other there end it. */
static void wait_for_signal(service *s)
{
    const int every_ms = notify_watchdog_ms();
    double next = clock_ms();
    for (;;) {
        const struct timespec until = clock_timespec(next);
        if (every_ms ? sem_clockwait(&signals, CLOCK_MONOTONIC, &until) == 0 : sem_wait(&signals) == 0) {
            if (atomic_load(&last_signal))
                return;
            if (atomic_exchange(&reload_wanted, 0))
                reload_keys(s);
            continue;
        }
        if (errno != ETIMEDOUT) /* interrupted: the handler has posted, or will */
            continue;
        queue_waiting(s->server.queue);
        notify("WATCHDOG=1");
        next = clock_ms() + every_ms;
    }
}

/* A job that does not stop in time goes on from its last checkpoint when the next daemon starts. Its thread uses what
 * would be freed here, so the process ends at once. */
static void stop_jobs(service *s)
{
    double left = s->deadline - clock_ms();
    if (data_stop(&s->server, left > 0 ? (int)left : 0) == 0)
        return;
    log_simple(LOG_LEVEL_WARNING, "stopped", "reason", "a job did not reach a checkpoint in time");
    _exit(0);
}

/* Ends the process when its time is over and a while for goodbyes besides, whatever a thread is waited for: all that
 * was acknowledged is on the disk. */
static void *end_in_time(void *context)
{
    const service *s = context;
    const double end = fmax(s->deadline + GOODBYE_MS, clock_ms() + FLUSH_MS);
    const struct timespec until = clock_timespec(end);
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        continue;
    log_simple(LOG_LEVEL_WARNING, "stopped", "reason", "a thread did not end in time");
    _exit(0);
}

static void limit_end(service *s)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, end_in_time, s) == 0)
        pthread_detach(thread);
}

static void run(service *s)
{
    wait_for_signal(s);
    notify("STOPPING=1");
    set_state(s, SERVER_DRAINING);
    s->listener = http_stop_listening(s->http);
    log_simple(LOG_LEVEL_INFO, "stopping", "signal", strsignal(atomic_load(&last_signal)));
    queue_drain(s->server.queue);
    data_begin_stop(&s->server);
    s->deadline = clock_ms() + s->config.drain_ms;
    limit_end(s);
    wait_until_none(&s->server.http.in_flight, s->config.drain_ms);
}

/* What still waits in the queue is answered 503; that takes only the time to send it. */
static void stop(service *s)
{
    atomic_store(&s->server.http.given_up, 1);
    hold_stop(s->server.http.hold);
    if (s->server.queue)
        queue_stop(s->server.queue);
    disk_stop(s->server.http.disk);
    selftest_stop(s->server.selftest);
    workers_join(s->workers);
    disk_stop(s->server.http.answers);
    if (s->http) {
        wait_until_none(&s->server.http.answering, FLUSH_MS);
        http_stop(s->http);
        if (s->listener >= 0)
            close(s->listener);
        if (s->config.listen)
            listen_remove_unix(s->config.listen);
    }
    stop_admin(s);
    connections_free(s->server.http.connections);
    features_stop(s->server.features);
    selftest_free(s->server.selftest);
    stop_jobs(s);
    data_close(&s->server);
    disk_free(s->server.http.disk);
    disk_free(s->server.http.answers);
    queue_free(s->server.queue);
    linger_free(s->server.http.linger);
    hold_free(s->server.http.hold);
    guesses_free(s->server.http.guesses);
    keys_free(s->server.http.keys);
    http_metrics_stop(&s->server.http);
    registry_free(s->server.registry);
    cage_close(s->server.cage);
    cage_close(s->server.upload_cage);
    cage_close(s->server.job_cage);
}

/* What only the layers below know to be wrong with an option. */
static int check_values(const char *called, const option_list *list, const char *(*fault_of)(const char *value))
{
    for (int i = 0; i < list->n; i++) {
        const char *fault = fault_of(list->values[i]);
        if (fault)
            return options_refuse("serve", "%s: \"%.200s\" %s", called, list->values[i], fault);
    }
    return 0;
}

static int check_config(const config *c)
{
    const option_list sockets = {.values = {c->listen}, .n = c->listen != NULL};
    const option_list admin_sockets = {.values = {c->admin_listen}, .n = c->admin_listen != NULL};
    int status = check_values("--listen", &sockets, listen_fault);
    if (!status)
        status = check_values("--admin-listen", &admin_sockets, listen_fault);
    if (!status)
        status = check_values("--cors-origin", &c->cors_origins, cors_fault);
    if (!status)
        status = check_values("--public-host", &c->public_hosts, site_fault);
    if (!status)
        status = check_values("--trusted-proxy", &c->trusted_proxies, proxy_fault);
    if (!status && (c->key_file || c->admin_key || c->caption_key) && cors_allows(c, ""))
        status = options_refuse("serve", "--cors-origin *: not together with a key: name the origins that may have it");
    return status;
}

int command_serve(int argc, char **argv)
{
    service s = {.http = NULL, .listener = -1};
    caption_error err;
    int status;
    if (!config_parse(&s.config, argc, argv, &status))
        return status;
    if ((status = check_config(&s.config)) != 0)
        return status;
    if (keys_new(&s.server.http.keys, &s.config, &err))
        return options_refuse("serve", "%s", err.message);
    log_set_level(s.config.log_level);
    log_set_format(s.config.log_format);
    catch_signals();
    confine_first(&s);
    status = start(&s, &err);
    if (status)
        fprintf(stderr, "captiond serve: %s\n", err.message);
    else
        run(&s);
    stop(&s);
    if (!status)
        log_simple(LOG_LEVEL_INFO, "stopped", NULL, NULL);
    return status != CAPTION_OK;
}
