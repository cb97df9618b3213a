/* ollama_models.c: GET /api/version, /api/tags and /api/ps and POST /api/show: what Ollama's clients ask to find out
 * which models there are and what they can. All are in memory, always. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "server/api/api.h"
#include "server/api/compat/ollama.h"
#include "server/base/options.h"
#include "server/engine/registry.h"
#include "server/http/input.h"
#include "server/http/json.h"

void api_ollama_version(http_request *r)
{
    cJSON *object = cJSON_CreateObject();
    http_answer_json(r, 200, json_finish(object, cJSON_AddStringToObject(object, "version", CAPTIOND_VERSION) != NULL));
}

/* What a captioner is; numbers of parameters and bits are not told, as they mean another thing there. */
static int add_details(cJSON *object, const caption_model *model)
{
    const char *kind = caption_model_kind(model);
    cJSON *details = cJSON_AddObjectToObject(object, "details");
    int good = cJSON_AddStringToObject(details, "parent_model", "") &&
               cJSON_AddStringToObject(details, "format", "safetensors") &&
               cJSON_AddStringToObject(details, "family", kind);
    cJSON *families = cJSON_AddArrayToObject(details, "families");
    return good && families && cJSON_AddItemToArray(families, cJSON_CreateString(kind)) &&
           cJSON_AddStringToObject(details, "parameter_size", "") &&
           cJSON_AddStringToObject(details, "quantization_level", "");
}

static cJSON *model_entry(const registry_facts *facts, const caption_model *model, int running)
{
    char name[WEIGHTS_NAME_BYTES + sizeof OLLAMA_TAG];
    struct stat file = {.st_size = 0};
    cJSON *item = cJSON_CreateObject();
    stat(facts->path, &file);
    snprintf(name, sizeof name, "%s" OLLAMA_TAG, facts->name);
    int good = cJSON_AddStringToObject(item, "name", name) && cJSON_AddStringToObject(item, "model", name) &&
               cJSON_AddNumberToObject(item, "size", (double)file.st_size) &&
               cJSON_AddStringToObject(item, "digest", caption_model_sha256(model)) && add_details(item, model);
    if (running)
        good = good && json_add_time(item, "expires_at", 253402300799) && cJSON_AddNumberToObject(item, "size_vram", 0);
    else
        good = good && json_add_time(item, "modified_at", file.st_mtime);
    return json_checked(item, good);
}

static void answer_models(http_request *r, int running)
{
    registry_facts facts;
    caption_model *model;
    cJSON *object = cJSON_CreateObject(), *list = cJSON_AddArrayToObject(object, "models");
    int good = list != NULL;
    for (int i = 0; (model = registry_take_at(r->server->registry, i, &facts)) != NULL; i++) {
        good = good && cJSON_AddItemToArray(list, model_entry(&facts, model, running));
        caption_model_release(model);
    }
    http_answer_json(r, 200, json_finish(object, good));
}

void api_ollama_tags(http_request *r)
{
    answer_models(r, 0);
}

void api_ollama_ps(http_request *r)
{
    answer_models(r, 1);
}

/* ---- POST /api/show ---------------------------------------------------------------------------------------------- */

static int add_capabilities(cJSON *object)
{
    cJSON *list = cJSON_AddArrayToObject(object, "capabilities");
    return list && cJSON_AddItemToArray(list, cJSON_CreateString("completion")) &&
           cJSON_AddItemToArray(list, cJSON_CreateString("vision"));
}

static int add_info(cJSON *object, const caption_model *model)
{
    cJSON *info = cJSON_AddObjectToObject(object, "model_info");
    return cJSON_AddStringToObject(info, "general.architecture", "captiond") &&
           cJSON_AddStringToObject(info, "captiond.kind", caption_model_kind(model)) &&
           cJSON_AddNumberToObject(info, "captiond.vocabulary_size", caption_model_vocabulary_size(model)) &&
           cJSON_AddNumberToObject(info, "captiond.context_length", CAPTION_MAX_WORDS) &&
           cJSON_AddNumberToObject(info, "captiond.embedding_length", caption_model_hidden_size(model));
}

static void answer_shown(http_request *r, const registry_facts *facts, const caption_model *model)
{
    struct stat file = {.st_size = 0};
    cJSON *object = cJSON_CreateObject();
    stat(facts->path, &file);
    int good = cJSON_AddStringToObject(object, "modelfile", "") && cJSON_AddStringToObject(object, "parameters", "") &&
               cJSON_AddStringToObject(object, "template", "{{ .Prompt }}") && add_details(object, model) &&
               add_info(object, model) && add_capabilities(object) &&
               json_add_time(object, "modified_at", file.st_mtime);
    http_answer_json(r, 200, json_finish(object, good));
}

/* {"model": "lstm"}; older clients say "name". Returns 1 with *p set if there is none. */
static int read_name(const http_request *r, char name[WEIGHTS_NAME_BYTES], problem *p)
{
    cJSON *object = json_parse_object((const char *)r->body, r->size, p);
    if (!object)
        return 1;
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(object, "model");
    const cJSON *older = cJSON_GetObjectItemCaseSensitive(object, "name");
    const char *given = cJSON_GetStringValue(model ? model : older);
    if (given)
        ollama_model_name(given, name);
    cJSON_Delete(object);
    return given ? 0 : problem_set(p, PROBLEM_BAD_OPTION, "model must be a string");
}

void api_ollama_show(http_request *r)
{
    problem p = {.kind = PROBLEM_NONE};
    registry_facts facts;
    char name[WEIGHTS_NAME_BYTES], full[WEIGHTS_NAME_BYTES];
    if (r->size == 0)
        problem_set(&p, PROBLEM_EMPTY_BODY, "send JSON: {\"model\": \"NAME\"}");
    caption_model *model = p.kind || read_name(r, name, &p) ? NULL : registry_take(r->server->registry, name, full);
    if (model && registry_find(r->server->registry, full, &facts))
        answer_shown(r, &facts, model);
    else if (!p.kind)
        problem_set(&p, PROBLEM_UNKNOWN_MODEL, "there is no model \"%.64s\"", name);
    caption_model_release(model);
    if (p.kind)
        http_answer_problem(r, &p);
}
