/* api_train.c: POST /v1/train: checks what is asked, queues it as a job and says where that can be followed. */
#include <stdio.h>
#include <stdlib.h>

#include "server/api/api.h"
#include "server/api/data.h"
#include "server/api/job_json.h"
#include "server/http/disk.h"
#include "server/http/input.h"
#include "server/jobs/job_run.h"
#include "server/jobs/job_store.h"
#include "server/jobs/jobs.h"
#include "server/jobs/train_request.h"

typedef struct submission {
    server *server;
    const train_request *request;
} submission;

static int check(void *context, problem *p)
{
    const submission *s = context;
    return train_request_check(s->request, jobs_context(s->server->jobs), p);
}

static int add_job(server *s, const train_request *request, long long *id, problem *p)
{
    char claim[JOB_NAME_BYTES], needs[2 * JOB_NAME_BYTES];
    char *json = train_request_json(request);
    if (!json)
        return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    snprintf(claim, sizeof claim, JOB_NAME_MODEL, request->model);
    snprintf(needs, sizeof needs, JOB_NAME_DATASET " " JOB_NAME_MODEL, request->dataset, request->base);
    submission asked = {s, request};
    const job_order order = {
        .kind = job_train_name, .claim = claim, .needs = needs, .request = json, .check = check, .context = &asked};
    int failed = job_store_add(s->job_store, &order, id, p);
    free(json);
    return failed;
}

static void submit(http_request *r, void *context)
{
    train_request *request = context;
    job_record record;
    problem p;
    long long id;
    train_request_settle(request, jobs_context(r->server->jobs));
    if (add_job(r->server, request, &id, &p) || job_store_get(r->server->job_store, id, &record, &p)) {
        http_answer_problem(r, &p);
        return;
    }
    jobs_wake(r->server->jobs);
    snprintf(r->location, sizeof r->location, "/v1/jobs/%lld", id);
    cJSON *answer = job_json(&record, 1);
    job_record_free(&record);
    http_answer_json(r, 202, json_finish(answer, answer != NULL));
}

static int read(http_request *r, train_request *request, problem *p)
{
    const char *type = http_header(r, "Content-Type");
    if (input_refuse_query(r, p))
        return 1;
    if (r->size == 0)
        return problem_set(p, PROBLEM_EMPTY_BODY, "send JSON: {\"dataset\": ..., \"model\": ...}");
    if (!input_is_json(r))
        return problem_set(p, PROBLEM_UNSUPPORTED_MEDIA, "%.100s is not application/json",
                           type ? type : "no Content-Type");
    return data_jobs_not_ready(r, p) || train_request_parse(request, (const char *)r->body, r->size, p);
}

void api_train(http_request *r)
{
    problem p;
    train_request *request = calloc(1, sizeof *request);
    if (!request)
        problem_set(&p, PROBLEM_MEMORY_FULL, "out of memory");
    else if (read(r, request, &p) == 0) {
        disk_run(r, submit, request, free);
        return;
    }
    free(request);
    http_answer_problem(r, &p);
}
