/* api_openapi.c: GET /openapi.json: openapi.json beside this file, as it is. tests/clients/openapi.mjs holds it against
 * the routes and against what a daemon answers. */
#include "server/api/api.h"
#include "server/base/embedded.h"

EMBEDDED(server_api_openapi_json);

void api_openapi(http_request *request)
{
    http_answer_constant(request, "application/json", embedded_server_api_openapi_json,
                         EMBEDDED_SIZE(server_api_openapi_json));
}
