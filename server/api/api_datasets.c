/* api_datasets.c: /v1/datasets and /v1/datasets/{name}. Each handler checks its request on the HTTP thread; the part
 * that asks the store runs on a disk thread. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/api.h"
#include "server/api/data.h"
#include "server/http/disk.h"
#include "server/http/input.h"
#include "server/http/json.h"
#include "server/jobs/job_store.h"
#include "server/store/store.h"

/* ---- answers --------------------------------------------------------------------------------------------------- */

static int fill_dataset(cJSON *object, const store_dataset *d)
{
    return cJSON_AddStringToObject(object, "name", d->name) && json_add_time(object, "created", d->created) &&
           cJSON_AddNumberToObject(object, "items", (double)d->items) &&
           cJSON_AddNumberToObject(object, "captions", (double)d->captions) &&
           cJSON_AddNumberToObject(object, "features_ready", (double)d->features_ready);
}

static void answer_dataset(http_request *r, int status, const store_dataset *d)
{
    cJSON *answer = cJSON_CreateObject();
    http_answer_json(r, status, json_finish(answer, fill_dataset(answer, d)));
}

/* ---- one dataset ----------------------------------------------------------------------------------------------- */

static void work_put(http_request *r, void *context)
{
    problem p = {.kind = PROBLEM_NONE};
    store_dataset d;
    int created;
    (void)context;
    if (store_dataset_create(r->server->store, r->parameter[0], &d, &created, &p))
        http_answer_problem(r, &p);
    else
        answer_dataset(r, created ? 201 : 200, &d);
}

static void work_get(http_request *r, void *context)
{
    problem p = {.kind = PROBLEM_NONE};
    store_dataset d;
    (void)context;
    if (store_dataset_get(r->server->store, r->parameter[0], &d, &p))
        http_answer_problem(r, &p);
    else
        answer_dataset(r, 200, &d);
}

typedef struct deletion {
    const http_request *request;
    store_dataset deleted;
} deletion;

static int delete_unneeded(void *context, problem *p)
{
    deletion *what = context;
    const server *s = what->request->server;
    const char *dataset = what->request->parameter[0];
    char name[HTTP_PARAMETER_BYTES + JOB_NAME_BYTES];
    if (name_fault(dataset))
        return problem_set(p, PROBLEM_UNKNOWN_DATASET, "there is no dataset \"%.64s\"", dataset);
    snprintf(name, sizeof name, JOB_NAME_DATASET, dataset);
    return job_store_check_unneeded(s->job_store, name, PROBLEM_DATASET_IN_USE, p) ||
           store_dataset_delete(s->store, dataset, &what->deleted, p);
}

/* Holds the store of jobs, so that none is queued meanwhile that needs the dataset; no longer than it takes to hide it.
 */
static void work_delete(http_request *r, void *context)
{
    problem p = {.kind = PROBLEM_NONE};
    deletion what = {.request = r};
    const store_dataset *d = &what.deleted;
    (void)context;
    if (job_store_hold(r->server->job_store, delete_unneeded, &what, &p)) {
        http_answer_problem(r, &p);
        return;
    }
    store_purge(r->server->store);
    cJSON *answer = cJSON_CreateObject();
    int good = cJSON_AddStringToObject(answer, "deleted", d->name) &&
               cJSON_AddNumberToObject(answer, "items", (double)d->items);
    http_answer_json(r, 200, json_finish(answer, good));
}

static void run_simple(http_request *r, int (*not_ready)(const http_request *r, problem *p),
                       void (*work)(http_request *request, void *context))
{
    problem p = {.kind = PROBLEM_NONE};
    if (not_ready(r, &p) || input_read_nothing(r, &p))
        http_answer_problem(r, &p);
    else
        disk_run(r, work, NULL, NULL);
}

void api_dataset_put(http_request *r)
{
    run_simple(r, data_not_ready, work_put);
}

void api_dataset_get(http_request *r)
{
    run_simple(r, data_not_ready, work_get);
}

void api_dataset_delete(http_request *r)
{
    run_simple(r, data_jobs_not_ready, work_delete);
}

/* ---- all datasets ---------------------------------------------------------------------------------------------- */

static char *list_json(const store_dataset *datasets, int n, int more, int limit, const char *prefix)
{
    char next[HTTP_PREFIX_BYTES + HTTP_PARAMETER_BYTES];
    cJSON *answer = cJSON_CreateObject();
    cJSON *list = cJSON_AddArrayToObject(answer, "datasets");
    int good = list != NULL;
    for (int i = 0; i < n && good; i++) {
        cJSON *item = cJSON_CreateObject();
        good = cJSON_AddItemToArray(list, item) && fill_dataset(item, &datasets[i]);
    }
    if (more && n > 0) {
        snprintf(next, sizeof next, "%s/v1/datasets?limit=%d&after=%s", prefix, limit, datasets[n - 1].name);
        good = good && cJSON_AddStringToObject(answer, "next", next);
    }
    return json_finish(answer, good);
}

static void work_list(http_request *r, void *context)
{
    const input_page *page = context;
    problem p = {.kind = PROBLEM_NONE};
    int n, more;
    store_dataset *datasets = calloc((size_t)page->limit, sizeof *datasets);
    if (!datasets)
        problem_set(&p, PROBLEM_MEMORY_FULL, "out of memory");
    if (p.kind || store_dataset_list(r->server->store, page->after, page->limit, datasets, &n, &more, &p))
        http_answer_problem(r, &p);
    else
        http_answer_json(r, 200, list_json(datasets, n, more, page->limit, r->prefix));
    free(datasets);
}

void api_datasets(http_request *r)
{
    problem p = {.kind = PROBLEM_NONE};
    input_page *page = calloc(1, sizeof *page);
    if (!page)
        problem_set(&p, PROBLEM_MEMORY_FULL, "out of memory");
    if (!p.kind && !data_not_ready(r, &p) && !input_read_page(r, page, &p)) {
        disk_run(r, work_list, page, free);
        return;
    }
    free(page);
    http_answer_problem(r, &p);
}
