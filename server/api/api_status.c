/* api_status.c: what the daemon says of itself: index, liveness, readiness. */
#include <string.h>

#include "server/api/api.h"
#include "server/http/accept.h"
#include "server/http/json.h"

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

static void answer_routes(http_request *request)
{
    cJSON *answer = cJSON_CreateObject();
    int good = cJSON_AddStringToObject(answer, "name", "captiond") &&
               cJSON_AddStringToObject(answer, "version", CAPTIOND_VERSION);
    cJSON *routes = cJSON_AddArrayToObject(answer, "routes");
    for (const route *r = api_routes; good && r->method; r++)
        good = add_route(routes, r);
    http_answer_json(request, 200, json_finish(answer, good));
    http_answer_header(request, "Vary", "Accept");
}

void api_index(http_request *request)
{
    if (accept_prefers(http_header(request, "Accept"), "text/html"))
        api_page(request);
    else
        answer_routes(request);
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
    if (http_not_ready(request, &p) || registry_default_broken(request->server->registry, &p))
        http_answer_problem(request, &p);
    else
        answer_status(request, "ready");
}
