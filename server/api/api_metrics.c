/* api_metrics.c: GET /metrics, and what is told there of the daemon as a whole. */
#include "server/api/api.h"
#include "server/base/metrics.h"

static void write_models(FILE *out, registry *r)
{
    static const char name[] = "captiond_model_info";
    registry_facts facts;
    caption_model *model;
    metrics_write_head(out, name, "gauge", "The captioners in service.");
    for (int i = 0; (model = registry_take_at(r, i, &facts)) != NULL; i++) {
        fprintf(out, "%s{model=\"", name);
        metrics_write_escaped(out, facts.name); /* a file may be called anything */
        fprintf(out, "\",kind=\"%s\",sha256=\"%s\",default=\"%s\"} 1\n", caption_model_kind(model),
                caption_model_sha256(model), facts.is_default ? "true" : "false");
        caption_model_release(model);
    }
}

void api_write_metrics(FILE *out, void *context)
{
    const server *s = context;
    problem ignored;
    metrics_write_head(out, "captiond_build_info", "gauge", "The version, and the kernels chosen for this processor.");
    fprintf(out, "captiond_build_info{version=\"%s\",simd=\"%s\",blas=\"%s\"} 1\n", CAPTIOND_VERSION,
            caption_simd_name(), caption_blas_name());
    metrics_write_gauge(out, "captiond_ready", "1 while captions are served, 0 while loading or shutting down.",
                        atomic_load(&s->http.state) == SERVER_READY && !registry_default_broken(s->registry, &ignored));
    write_models(out, s->registry);
}

void api_metrics(http_request *request)
{
    size_t size = 0;
    char *text = metrics_text(&size);
    http_answer_bytes(request, METRICS_TYPE, text, size);
}
