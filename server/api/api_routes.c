/* api_routes.c: every route of the daemon. Each row says who may ask, so that no handler can forget to check; http.c
 * refuses before the body comes. */
#include "server/api/api.h"

const route api_routes[] = {
    {"GET", "/", ACCESS_OPEN, api_index, "this list; in a browser, the web page"},
    {"GET", "/ui/{name}", ACCESS_OPEN, api_page_file, "a file of the page"},
    {"GET", "/healthz", ACCESS_OPEN, api_healthz, "200 while the process lives"},
    {"GET", "/readyz", ACCESS_OPEN, api_readyz, "200 while captions are served, 503 while loading or shutting down"},
    {"GET", "/metrics", ACCESS_CAPTION, api_metrics, "metrics for Prometheus"},
    {"GET", "/openapi.json", ACCESS_OPEN, api_openapi, "the API as OpenAPI 3.1"},
    {"GET", "/v1/models", ACCESS_CAPTION, api_models, "the loaded captioners"},
    {"POST", "/v1/models/{name}/activate", ACCESS_OPERATOR, api_model_activate, "make a captioner the default"},
    {"DELETE", "/v1/models/{name}", ACCESS_OPERATOR, api_model_delete, "remove a trained model"},
    {"POST", "/v1/caption", ACCESS_CAPTION, api_caption, "captions for images"},
    {"POST", "/v1/score", ACCESS_CAPTION, api_score, "log-probabilities of given captions"},
    {"GET", "/v1/models/{name}", ACCESS_CAPTION, api_model_get, "one captioner"},
    {"GET", "/v1/models/{name}/file", ACCESS_OPERATOR, api_model_file, "the weight file of a captioner"},
    {"GET", "/v1/selftest/gradients", ACCESS_CAPTION, api_selftest, "numeric gradient check of every layer"},
    {"GET", "/v1/datasets", ACCESS_OPERATOR, api_datasets, "the datasets"},
    {"PUT", "/v1/datasets/{name}", ACCESS_OPERATOR, api_dataset_put, "create a dataset"},
    {"GET", "/v1/datasets/{name}", ACCESS_OPERATOR, api_dataset_get, "a dataset: items, captions, features"},
    {"DELETE", "/v1/datasets/{name}", ACCESS_OPERATOR, api_dataset_delete, "delete a dataset and its items"},
    {"POST", "/v1/datasets/{name}/items", ACCESS_OPERATOR, api_item_add, "add an image with captions"},
    {"GET", "/v1/datasets/{name}/items", ACCESS_OPERATOR, api_items, "images and captions of a dataset"},
    {"GET", "/v1/datasets/{name}/items/{id}", ACCESS_OPERATOR, api_item_get, "the captions of one image"},
    {"DELETE", "/v1/datasets/{name}/items/{id}", ACCESS_OPERATOR, api_item_delete, "delete an item"},
    {"GET", "/v1/datasets/{name}/items/{id}/image", ACCESS_OPERATOR, api_item_image, "the image as uploaded"},
    {"POST", "/v1/train", ACCESS_OPERATOR, api_train, "train a captioner (starts a job)"},
    {"GET", "/v1/jobs", ACCESS_OPERATOR, api_jobs, "the jobs, newest first"},
    {"GET", "/v1/jobs/{id}", ACCESS_OPERATOR, api_job_get, "state and progress of a job"},
    {"DELETE", "/v1/jobs/{id}", ACCESS_OPERATOR, api_job_cancel, "cancel a job"},
    {"GET", "/v1/jobs/{id}/events", ACCESS_OPERATOR, api_job_events, "job events as server-sent events"},
    {"GET", "/v1/jobs/{id}/pictures/{name}", ACCESS_OPERATOR, api_job_picture, "a picture made by a job"},
    {"POST", "/v1/saliency", ACCESS_CAPTION, api_saliency, "saliency map as numbers or PNG"},
    {"POST", "/v1/fool", ACCESS_OPERATOR, api_fool, "fooling image (starts a job)"},
    {"POST", "/v1/visualize", ACCESS_OPERATOR, api_visualize, "class or word visualisation (starts a job)"},
    {"POST", "/v1/invert", ACCESS_OPERATOR, api_invert, "feature inversion (starts a job)"},
    {"POST", "/v1/dream", ACCESS_OPERATOR, api_dream, "DeepDream (starts a job)"},

    /* compatible protocols: compat/ */
    {"POST", "/v1/chat/completions", ACCESS_CAPTION, api_openai_chat, "OpenAI: chat completions"},
    {"POST", "/v1/responses", ACCESS_CAPTION, api_openai_responses, "OpenAI: responses"},
    {"GET", "/api/version", ACCESS_OPEN, api_ollama_version, "Ollama: the version"},
    {"GET", "/api/tags", ACCESS_CAPTION, api_ollama_tags, "Ollama: the loaded captioners"},
    {"GET", "/api/ps", ACCESS_CAPTION, api_ollama_ps, "Ollama: running models (all are in memory)"},
    {"POST", "/api/show", ACCESS_CAPTION, api_ollama_show, "Ollama: one captioner"},
    {"POST", "/api/generate", ACCESS_CAPTION, api_ollama_generate, "Ollama: generate"},
    {"POST", "/api/chat", ACCESS_CAPTION, api_ollama_chat, "Ollama: chat"},
    {"POST", "/models/{name}", ACCESS_CAPTION, api_huggingface, "Hugging Face: image-to-text"},
    {"POST", "/model/predict", ACCESS_CAPTION, api_max_predict, "IBM MAX: predict"},
    {"GET", "/model/metadata", ACCESS_CAPTION, api_max_metadata, "IBM MAX: model metadata"},
    {"GET", "/v2", ACCESS_OPEN, api_oip_server, "Open Inference Protocol: server metadata"},
    {"GET", "/v2/health/live", ACCESS_OPEN, api_oip_live, "Open Inference Protocol: liveness"},
    {"GET", "/v2/health/ready", ACCESS_OPEN, api_oip_ready, "Open Inference Protocol: readiness"},
    {"GET", "/v2/models/{name}", ACCESS_CAPTION, api_oip_model, "Open Inference Protocol: model metadata"},
    {"GET", "/v2/models/{name}/ready", ACCESS_CAPTION, api_oip_model_ready,
     "Open Inference Protocol: readiness of a model"},
    {"POST", "/v2/models/{name}/infer", ACCESS_CAPTION, api_oip_infer, "Open Inference Protocol: inference"},
    {0},
};

/* Those of --admin-port: health and metrics. */
const route api_admin_routes[] = {
    {"GET", "/healthz", ACCESS_OPEN, api_healthz, "200 while the process lives"},
    {"GET", "/readyz", ACCESS_OPEN, api_readyz, "200 while captions are served, 503 while loading or shutting down"},
    {"GET", "/metrics", ACCESS_OPEN, api_metrics, "metrics for Prometheus"},
    {0},
};

const route_dialect api_dialects[] = {
    {"/v1/chat/", PROBLEM_ERROR_OBJECT, 0},
    {"/v1/responses", PROBLEM_ERROR_OBJECT, 0},
    {"/v1/models", PROBLEM_ERROR_OBJECT, 0},
    {"/model", PROBLEM_ERROR_TEXT, 0},
    {"/v2", PROBLEM_ERROR_TEXT, 0},
    {"/api/", PROBLEM_ERROR_TEXT, 0},
    {"/v1/", PROBLEM_ERROR_OBJECT, 404}, /* OpenAI's clients may ask for any of its routes */
    {0},
};
