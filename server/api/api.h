/* api.h: the handlers named in api_routes.c. Each answers its request, at once or after http_suspend. */
#ifndef SERVER_API_H
#define SERVER_API_H

#include <stdio.h>

#include "server/api/server.h"
#include "server/http/http.h"
#include "server/http/route.h"

/* For http_server. */
extern const route api_routes[];
extern const route api_admin_routes[];
extern const route_dialect api_dialects[];

void api_index(http_request *request);
void api_page(http_request *request); /* what api_index gives browsers */
void api_page_file(http_request *request);
void api_healthz(http_request *request);
void api_readyz(http_request *request);
void api_metrics(http_request *request);
void api_openapi(http_request *request);
void api_models(http_request *request);
void api_model_get(http_request *request);
void api_model_file(http_request *request);
void api_model_activate(http_request *request);
void api_model_delete(http_request *request);
void api_caption(http_request *request);
void api_score(http_request *request);
void api_selftest(http_request *request);
void api_datasets(http_request *request);
void api_dataset_put(http_request *request);
void api_dataset_get(http_request *request);
void api_dataset_delete(http_request *request);
void api_items(http_request *request);
void api_item_add(http_request *request);
void api_item_get(http_request *request);
void api_item_image(http_request *request);
void api_item_delete(http_request *request);
void api_train(http_request *request);
void api_jobs(http_request *request);
void api_job_get(http_request *request);
void api_job_cancel(http_request *request);
void api_job_events(http_request *request);
void api_job_picture(http_request *request);
void api_saliency(http_request *request);
void api_fool(http_request *request);
void api_visualize(http_request *request);
void api_invert(http_request *request);
void api_dream(http_request *request);

/* For metrics_register; the context is the server. */
void api_write_metrics(FILE *out, void *server);

/* "17" -> 17; 0 if it is no such number. */
long long api_job_id(const char *text);

void api_openai_chat(http_request *request);
void api_openai_responses(http_request *request);
void api_ollama_version(http_request *request);
void api_ollama_tags(http_request *request);
void api_ollama_ps(http_request *request);
void api_ollama_show(http_request *request);
void api_ollama_generate(http_request *request);
void api_ollama_chat(http_request *request);
void api_huggingface(http_request *request);
void api_max_predict(http_request *request);
void api_max_metadata(http_request *request);
void api_oip_server(http_request *request);
void api_oip_live(http_request *request);
void api_oip_ready(http_request *request);
void api_oip_model(http_request *request);
void api_oip_model_ready(http_request *request);
void api_oip_infer(http_request *request);

#endif
