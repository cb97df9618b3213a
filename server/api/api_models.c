/* api_models.c: the captioners: list, show, send, activate, delete. The list is OpenAI's too: "object", "data". */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/api/api.h"
#include "server/api/data.h"
#include "server/engine/model_json.h"
#include "server/engine/models.h"
#include "server/http/disk.h"
#include "server/http/input.h"
#include "server/jobs/job_store.h"
#include "server/store/store.h"

static int add_encoder(cJSON *answer, caption_encoder *encoder)
{
    cJSON *facts = cJSON_AddObjectToObject(answer, "encoder");
    return cJSON_AddStringToObject(facts, "name", "efficientnet-b0") &&
           (!encoder || cJSON_AddStringToObject(facts, "sha256", caption_encoder_sha256(encoder)));
}

/* What else lies there and cannot be used. */
static int add_broken(cJSON *answer, registry *r)
{
    registry_broken facts;
    cJSON *all = cJSON_AddArrayToObject(answer, "broken");
    int good = all != NULL;
    for (int i = 0; good && registry_broken_at(r, i, &facts); i++)
        good = cJSON_AddItemToArray(all, model_json_broken(&facts));
    return good;
}

/* Neither has a query or a body. */
static void answer_nothing_asked(http_request *request, void (*answer)(http_request *request))
{
    problem p;
    if (input_read_nothing(request, &p))
        http_answer_problem(request, &p);
    else
        answer(request);
}

static void answer_list(http_request *request)
{
    registry *r = request->server->registry;
    cJSON *answer = cJSON_CreateObject();
    cJSON *all = cJSON_AddArrayToObject(answer, "models"), *data = cJSON_AddArrayToObject(answer, "data");
    int good = all != NULL && data != NULL;
    registry_facts facts;
    caption_model *model;
    for (int i = 0; (model = registry_take_at(r, i, &facts)) != NULL; i++) {
        good = good && cJSON_AddItemToArray(all, model_json(&facts, model)) &&
               cJSON_AddItemToArray(data, model_json_openai(&facts));
        caption_model_release(model);
    }
    good = good && add_broken(answer, r) && cJSON_AddStringToObject(answer, "object", "list") &&
           add_encoder(answer, registry_encoder(r));
    http_answer_json(request, 200, json_finish(answer, good));
}

void api_models(http_request *request)
{
    answer_nothing_asked(request, answer_list);
}

static void answer_model(http_request *request)
{
    registry_facts facts;
    problem p = {.kind = PROBLEM_NONE};
    cJSON *answer = NULL;
    char name[WEIGHTS_NAME_BYTES];
    caption_model *model = registry_take(request->server->registry, request->parameter[0], name);
    if (model && registry_find(request->server->registry, name, &facts))
        answer = model_json(&facts, model);
    else
        registry_refuse(request->server->registry, request->parameter[0], &p);
    caption_model_release(model);
    if (p.kind)
        http_answer_problem(request, &p);
    else
        http_answer_json(request, 200, json_finish(answer, answer != NULL));
}

void api_model_get(http_request *request)
{
    answer_nothing_asked(request, answer_model);
}

/* ---- the file: on a disk thread ---------------------------------------------------------------------------------- */

static void send_file(http_request *r, void *context)
{
    registry_facts facts;
    problem p;
    struct stat about;
    char header[sizeof "attachment; filename=\"\"" + WEIGHTS_NAME_BYTES];
    (void)context;
    if (!registry_find(r->server->registry, r->parameter[0], &facts)) {
        registry_refuse(r->server->registry, r->parameter[0], &p);
        http_answer_problem(r, &p);
        return;
    }
    int fd = open(facts.path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &about) == 0 && S_ISREG(about.st_mode)) {
        http_answer_file(r, fd, (size_t)about.st_size, "application/octet-stream");
        snprintf(header, sizeof header, "attachment; filename=\"%s\"", strrchr(facts.path, '/') + 1);
        http_answer_header(r, "Content-Disposition", header);
        return;
    }
    if (fd >= 0)
        close(fd);
    problem_set(&p, PROBLEM_UNKNOWN_MODEL, "the file of %.64s cannot be read now", facts.name);
    http_answer_problem(r, &p);
}

void api_model_file(http_request *r)
{
    problem p;
    if (http_not_ready(r, &p) || input_read_nothing(r, &p))
        http_answer_problem(r, &p);
    else
        disk_run(r, send_file, NULL, NULL);
}

/* ---- changes: on disk threads ------------------------------------------------------------------------------------ */

/* Both hold the store of jobs: no daemon publishes, activates or deletes a model meanwhile, and none queues a job that
 * needs it. The model's name stands in the path. */
static void make_change(http_request *r, int (*change)(void *context, problem *p), const char *member)
{
    problem p;
    if (job_store_hold(r->server->job_store, change, r, &p)) {
        http_answer_problem(r, &p);
        return;
    }
    cJSON *answer = cJSON_CreateObject();
    int good = cJSON_AddStringToObject(answer, member, r->parameter[0]) != NULL;
    http_answer_json(r, 200, json_finish(answer, good));
}

static int activate(void *context, problem *p)
{
    const http_request *r = context;
    return models_activate(r->server->models, r->parameter[0], p);
}

static void work_activate(http_request *r, void *context)
{
    (void)context;
    make_change(r, activate, "activated");
}

static int remove_unneeded(void *context, problem *p)
{
    const http_request *r = context;
    char name[HTTP_PARAMETER_BYTES + JOB_NAME_BYTES];
    snprintf(name, sizeof name, JOB_NAME_MODEL, r->parameter[0]);
    return (!name_fault(r->parameter[0]) &&
            job_store_check_unneeded(r->server->job_store, name, PROBLEM_MODEL_IN_USE, p)) ||
           models_delete(r->server->models, r->parameter[0], p);
}

static void work_delete(http_request *r, void *context)
{
    (void)context;
    make_change(r, remove_unneeded, "deleted");
}

static void change(http_request *r, void (*work)(http_request *request, void *context))
{
    problem p;
    if (data_jobs_not_ready(r, &p) || input_read_nothing(r, &p))
        http_answer_problem(r, &p);
    else
        disk_run(r, work, NULL, NULL);
}

void api_model_activate(http_request *r)
{
    change(r, work_activate);
}

void api_model_delete(http_request *r)
{
    change(r, work_delete);
}
