/* api_status.c: what the daemon says of itself: index, liveness, readiness, models. */
#include <stdlib.h>

#include "server/api.h"
#include "server/commands.h"
#include "server/json.h"
#include "server/routes.h"

static int add_route(cJSON *routes, const route *r)
{
    cJSON *item = cJSON_CreateObject();
    if (cJSON_AddStringToObject(item, "method", r->method) && cJSON_AddStringToObject(item, "path", r->path) &&
        cJSON_AddStringToObject(item, "access", access_name(r->access)) &&
        cJSON_AddStringToObject(item, "summary", r->summary) && cJSON_AddItemToArray(routes, item))
        return 1;
    cJSON_Delete(item);
    return 0;
}

void api_index(http_request *request)
{
    cJSON *answer = cJSON_CreateObject();
    int good = cJSON_AddStringToObject(answer, "name", "captiond") &&
               cJSON_AddStringToObject(answer, "version", CAPTIOND_VERSION);
    cJSON *routes = cJSON_AddArrayToObject(answer, "routes");
    for (size_t i = 0; good && routes_at(i); i++)
        good = add_route(routes, routes_at(i));
    http_answer_json(request, 200, json_finish(answer, good));
}

static void answer_status(http_request *request, const char *status)
{
    cJSON *answer = cJSON_CreateObject();
    int good = cJSON_AddStringToObject(answer, "status", status) != NULL;
    http_answer_json(request, 200, json_finish(answer, good));
}

void api_healthz(http_request *request)
{
    answer_status(request, "alive");
}

void api_readyz(http_request *request)
{
    problem p = {.kind = PROBLEM_NONE};
    if (http_not_ready(request, &p))
        http_answer_problem(request, &p);
    else
        answer_status(request, "ready");
}

/* The scores that training left in the file's metadata, as numbers. */
static int add_scores(cJSON *item, const caption_model *model)
{
    static const char prefix[] = "dev_";
    static const char *const names[] = {"dev_bleu_4", "dev_rouge_l", "dev_cider"};
    cJSON *scores = cJSON_AddObjectToObject(item, "scores");
    int good = scores != NULL;
    for (size_t i = 0; good && i < sizeof names / sizeof *names; i++) {
        const char *text = caption_model_metadata(model, names[i]);
        char *end = NULL;
        double value = text ? strtod(text, &end) : 0;
        if (text && end > text && !*end)
            good = json_add_rounded(scores, names[i] + sizeof prefix - 1, value, 4);
    }
    return good;
}

/* A string of the file's metadata, if it has it. */
static int add_metadata(cJSON *item, const char *name, const caption_model *model, const char *key)
{
    const char *text = caption_model_metadata(model, key);
    return !text || cJSON_AddStringToObject(item, name, text);
}

static int add_model(cJSON *models, const char *name, const caption_model *model, int is_default)
{
    cJSON *item = cJSON_CreateObject();
    if (cJSON_AddStringToObject(item, "name", name) && cJSON_AddBoolToObject(item, "default", is_default) &&
        cJSON_AddStringToObject(item, "kind", caption_model_kind(model)) &&
        cJSON_AddNumberToObject(item, "vocabulary_size", caption_model_vocabulary_size(model)) &&
        cJSON_AddNumberToObject(item, "hidden_size", caption_model_hidden_size(model)) &&
        cJSON_AddNumberToObject(item, "word_size", caption_model_word_size(model)) &&
        cJSON_AddStringToObject(item, "sha256", caption_model_sha256(model)) &&
        add_metadata(item, "encoder_sha256", model, "encoder") && add_metadata(item, "training", model, "training") &&
        add_scores(item, model) && cJSON_AddItemToArray(models, item))
        return 1;
    cJSON_Delete(item);
    return 0;
}

void api_models(http_request *request)
{
    registry *r = request->server->registry;
    caption_encoder *encoder = registry_encoder(r);
    cJSON *answer = cJSON_CreateObject();
    cJSON *models = cJSON_AddArrayToObject(answer, "models");
    int good = models != NULL, is_default;
    char name[WEIGHTS_NAME_BYTES];
    caption_model *model;
    for (int i = 0; (model = registry_take_at(r, i, name, &is_default)) != NULL; i++) {
        good = good && add_model(models, name, model, is_default);
        caption_model_release(model);
    }
    cJSON *facts = cJSON_AddObjectToObject(answer, "encoder");
    good = good && cJSON_AddStringToObject(facts, "name", "efficientnet-b0") &&
           (!encoder || cJSON_AddStringToObject(facts, "sha256", caption_encoder_sha256(encoder)));
    http_answer_json(request, 200, json_finish(answer, good));
}
