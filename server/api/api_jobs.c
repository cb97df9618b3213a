/* api_jobs.c: look at jobs, cancel them, follow them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/api.h"
#include "server/api/data.h"
#include "server/api/events.h"
#include "server/api/job_json.h"
#include "server/http/disk.h"
#include "server/http/input.h"
#include "server/jobs/jobs.h"

long long api_job_id(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits < 19 && !text[digits] ? strtoll(text, NULL, 10) : 0;
}

/* The job named in the path. */
static int read_id(const http_request *r, long long *id, problem *p)
{
    *id = api_job_id(r->parameter[0]);
    return *id > 0 ? 0 : problem_set(p, PROBLEM_UNKNOWN_JOB, "there is no job \"%.64s\"", r->parameter[0]);
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

typedef struct list_call {
    int limit;
    long long before;
    cJSON *jobs;
    long long last;
    int good;
} list_call;

static int add_job(void *context, const job_record *record)
{
    list_call *c = context;
    c->last = record->id;
    c->good = cJSON_AddItemToArray(c->jobs, job_json(record, 0));
    return !c->good;
}

static void list(http_request *r, void *context)
{
    list_call *c = context;
    char next[HTTP_PREFIX_BYTES + 64];
    problem p;
    int more = 0;
    cJSON *answer = cJSON_CreateObject();
    c->jobs = cJSON_AddArrayToObject(answer, "jobs");
    c->good = c->jobs != NULL;
    if (job_store_list(r->server->job_store, c->before, c->limit, add_job, c, &more, &p)) {
        cJSON_Delete(answer);
        http_answer_problem(r, &p);
        return;
    }
    snprintf(next, sizeof next, "%s/v1/jobs?limit=%d&after=%lld", r->prefix, c->limit, c->last);
    c->good = c->good && (!more || cJSON_AddStringToObject(answer, "next", next));
    http_answer_json(r, 200, json_finish(answer, c->good));
}

static int read_list(const http_request *r, list_call *c, problem *p)
{
    input_page page;
    if (data_jobs_not_ready(r, p) || input_read_page(r, &page, p))
        return 1;
    c->limit = page.limit;
    c->before = api_job_id(page.after);
    if (*page.after && c->before == 0)
        return problem_set(p, PROBLEM_BAD_OPTION, "after: \"%.40s\" is not a job's id", page.after);
    return 0;
}

void api_jobs(http_request *r)
{
    problem p;
    list_call *c = calloc(1, sizeof *c);
    if (c && read_list(r, c, &p) == 0) {
        disk_run(r, list, c, free);
        return;
    }
    if (!c)
        problem_set(&p, PROBLEM_MEMORY_FULL, "out of memory");
    free(c);
    http_answer_problem(r, &p);
}

/* ---- one job ----------------------------------------------------------------------------------------------------- */

static void answer_job(http_request *r, int status, long long id)
{
    problem p;
    job_record record;
    if (job_store_get(r->server->job_store, id, &record, &p)) {
        http_answer_problem(r, &p);
        return;
    }
    cJSON *answer = job_json(&record, 1);
    job_record_free(&record);
    http_answer_json(r, status, json_finish(answer, answer != NULL));
}

static void get(http_request *r, void *context)
{
    problem p;
    long long id;
    (void)context;
    if (read_id(r, &id, &p))
        http_answer_problem(r, &p);
    else
        answer_job(r, 200, id);
}

static void cancel(http_request *r, void *context)
{
    problem p;
    long long id;
    (void)context;
    if (read_id(r, &id, &p) || job_store_cancel(r->server->job_store, id, &p)) {
        http_answer_problem(r, &p);
        return;
    }
    jobs_wake(r->server->jobs);
    answer_job(r, 200, id);
}

/* Where a client left off: a number as we gave it. Anything else begins at the beginning, as browsers expect. */
static long long last_event(const http_request *r)
{
    const char *text = http_header(r, "Last-Event-ID");
    return text ? api_job_id(text) : 0;
}

static int note(void *context, const job_event *event)
{
    int *found = context;
    (void)event;
    *found = 1;
    return 1;
}

/* 204 tells a browser that has seen the end not to come back. */
static void follow(http_request *r, void *context)
{
    problem p;
    long long id, after = last_event(r);
    int found = 0, ended;
    (void)context;
    if (read_id(r, &id, &p) || job_store_events(r->server->job_store, id, after, note, &found, &ended, &p))
        http_answer_problem(r, &p);
    else if (ended && !found)
        http_answer_nothing(r);
    else
        events_answer(r->server->events, r, id, after);
}

static void begin(http_request *r, void (*work)(http_request *request, void *context))
{
    problem p;
    if (data_jobs_not_ready(r, &p) || input_read_nothing(r, &p))
        http_answer_problem(r, &p);
    else
        disk_run(r, work, NULL, NULL);
}

void api_job_get(http_request *r)
{
    begin(r, get);
}

void api_job_cancel(http_request *r)
{
    begin(r, cancel);
}

void api_job_events(http_request *r)
{
    begin(r, follow);
}
