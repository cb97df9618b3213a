/* job_json.c: see job_json.h. What was stored as JSON goes out as it is. */
#include "server/api/job_json.h"

/* A time that has not come yet is null. */
static int add_time(cJSON *object, const char *name, double seconds)
{
    return seconds > 0 ? json_add_time(object, name, (long long)seconds) : cJSON_AddNullToObject(object, name) != NULL;
}

static int add_stored(cJSON *object, const char *name, const char *json)
{
    return json ? cJSON_AddRawToObject(object, name, json) != NULL : cJSON_AddNullToObject(object, name) != NULL;
}

static int add_details(cJSON *object, const job_record *r)
{
    return add_stored(object, "request", r->request) && add_stored(object, "progress", r->progress) &&
           add_stored(object, "result", r->result);
}

/* What the job makes or looks into, so that a list says more than numbers; null where it names none. */
static int add_model(cJSON *object, const job_record *r)
{
    cJSON *request = r->request ? cJSON_Parse(r->request) : NULL;
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(request, "model");
    const char *name = cJSON_GetStringValue(model);
    int good = (name && *name ? cJSON_AddStringToObject(object, "model", name)
                              : cJSON_AddNullToObject(object, "model")) != NULL;
    cJSON_Delete(request);
    return good;
}

cJSON *job_json(const job_record *r, int whole)
{
    cJSON *object = cJSON_CreateObject();
    return json_checked(
        object,
        cJSON_AddNumberToObject(object, "id", (double)r->id) && cJSON_AddStringToObject(object, "kind", r->kind) &&
            add_model(object, r) && cJSON_AddStringToObject(object, "state", job_state_name(r->state)) &&
            add_time(object, "created", r->created) && add_time(object, "started", r->started) &&
            add_time(object, "ended", r->ended) && (!whole || add_details(object, r)) &&
            (r->error ? cJSON_AddStringToObject(object, "error", r->error) : cJSON_AddNullToObject(object, "error")));
}
