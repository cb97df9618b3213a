/* data.c: see data.h. */
#include "server/api/data.h"

#include <stdio.h>
#include <stdlib.h>

#include "server/api/events.h"
#include "server/base/log.h"
#include "server/engine/models.h"
#include "server/jobs/job_files.h"
#include "server/jobs/job_store.h"
#include "server/jobs/jobs.h"
#include "server/store/store.h"

int data_directory(const char *given, char out[PATH_MAX], caption_error *err)
{
    const char *shared = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    int length;
    if (given)
        length = snprintf(out, PATH_MAX, "%s", given);
    else if (shared && *shared == '/') /* the XDG specification: others are to be ignored */
        length = snprintf(out, PATH_MAX, "%s/captiond", shared);
    else if (home && *home == '/')
        length = snprintf(out, PATH_MAX, "%s/.local/share/captiond", home);
    else
        return caption_fail(err, CAPTION_EINVAL, "give --data: there is no home directory to keep it in");
    return length < PATH_MAX ? CAPTION_OK : caption_fail(err, CAPTION_EINVAL, "--data: the path is too long");
}

static void log_outcome(const server *s, const char *directory)
{
    log_line line;
    log_begin(&line, s->store ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, s->store ? "data" : "no-data");
    if (s->store)
        log_text(&line, "directory", directory);
    else
        log_text(&line, "reason", s->store_fault.message);
    log_end(&line);
}

void data_open(server *s)
{
    const config *c = s->config;
    const store_limits limits = {c->max_datasets, c->max_items, c->max_captions, (long long)c->max_data_mb << 20,
                                 (long long)c->min_free_mb << 20};
    char directory[PATH_MAX] = "";
    if (data_directory(c->data, directory, &s->store_fault) == CAPTION_OK)
        store_open(&s->store, directory, &limits, &s->store_fault);
    log_outcome(s, directory);
}

/* ---- jobs and models --------------------------------------------------------------------------------------------- */

static int start_jobs(server *s, caption_error *err)
{
    const config *c = s->config;
    const job_limits limits = {c->max_jobs, c->max_ended_jobs, c->job_events};
    const char *directory = store_directory(s->store);
    int status = job_files_prepare(directory, err);
    if (!status)
        status = job_store_open(&s->job_store, directory, &limits, err);
    if (!status)
        status = models_open(&s->models, s->registry, directory, c->model, err);
    if (!status)
        status = events_start(&s->events, s->job_store, c->event_streams, 1000 * c->event_keep_alive_s, err);
    if (status)
        return status;
    const job_context context = {c,           s->registry, s->models, s->store, s->job_store,
                                 s->job_cage, events_tell, s->events};
    return jobs_start(&s->jobs, &context, err);
}

void data_start(server *s)
{
    log_line line;
    if (!s->store)
        s->jobs_fault = s->store_fault;
    if (!s->store || start_jobs(s, &s->jobs_fault) == CAPTION_OK)
        return;
    log_begin(&line, LOG_LEVEL_WARNING, "no-jobs");
    log_text(&line, "reason", s->jobs_fault.message);
    log_end(&line);
}

void data_begin_stop(server *s)
{
    jobs_begin_stop(s->jobs);
    events_stop(s->events);
}

int data_stop(server *s, int ms)
{
    return jobs_stop(s->jobs, ms);
}

void data_close(server *s)
{
    events_free(s->events);
    models_close(s->models);
    job_store_close(s->job_store);
    store_close(s->store);
}

/* ---- for handlers ------------------------------------------------------------------------------------------------ */

int data_not_ready(const http_request *r, problem *p)
{
    if (http_not_ready(r, p))
        return 1;
    return r->server->store ? 0 : problem_set(p, PROBLEM_NO_DATA_DIRECTORY, "%s", r->server->store_fault.message);
}

int data_jobs_not_ready(const http_request *r, problem *p)
{
    if (http_not_ready(r, p))
        return 1;
    return r->server->jobs ? 0 : problem_set(p, PROBLEM_NO_DATA_DIRECTORY, "%s", r->server->jobs_fault.message);
}
