/* api_metrics.c: GET /metrics. */
#include "server/api/api.h"
#include "server/base/metrics_text.h"

void api_metrics(http_request *request)
{
    size_t size = 0;
    char *text = metrics_text(request->server, &size);
    http_answer_bytes(request, METRICS_TYPE, text, size);
}
