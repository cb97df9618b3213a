/* api_routes.c: every route of the daemon. Each row says who may ask, so that no handler can forget to check; http.c
 * refuses before the body comes. */
#include "server/api/api.h"

const route api_routes[] = {
    {"GET", "/", ACCESS_OPEN, api_index, "this list; to browsers, a web page"},
    {"GET", "/ui/{name}", ACCESS_OPEN, api_page_file, "a file of the page"},
    {"GET", "/healthz", ACCESS_OPEN, api_healthz, "200 while the process lives"},
    {"GET", "/readyz", ACCESS_OPEN, api_readyz, "200 while captions are served, 503 while loading or shutting down"},
    {"GET", "/metrics", ACCESS_CAPTION, api_metrics, "what the daemon counts, for Prometheus"},
    {"GET", "/openapi.json", ACCESS_OPEN, api_openapi, "all of it, as OpenAPI 3.1"},
    {"GET", "/v1/models", ACCESS_CAPTION, api_models, "the loaded captioners"},
    {"POST", "/v1/models/{name}/activate", ACCESS_OPERATOR, api_model_activate, "make it the default"},
    {"DELETE", "/v1/models/{name}", ACCESS_OPERATOR, api_model_delete, "remove a trained model"},
    {"POST", "/v1/caption", ACCESS_CAPTION, api_caption, "photos in, captions out"},
    {"POST", "/v1/score", ACCESS_CAPTION, api_score, "how probable are these captions for that photo?"},
    {"GET", "/v1/models/{name}", ACCESS_CAPTION, api_model_get, "one of them"},
    {"GET", "/v1/models/{name}/file", ACCESS_OPERATOR, api_model_file, "its weights, to be served elsewhere"},
    {"GET", "/v1/selftest/gradients", ACCESS_CAPTION, api_selftest, "is every gradient right?"},
    {"GET", "/v1/datasets", ACCESS_OPERATOR, api_datasets, "the datasets"},
    {"PUT", "/v1/datasets/{name}", ACCESS_OPERATOR, api_dataset_put, "make a dataset"},
    {"GET", "/v1/datasets/{name}", ACCESS_OPERATOR, api_dataset_get, "its size"},
    {"DELETE", "/v1/datasets/{name}", ACCESS_OPERATOR, api_dataset_delete, "delete it with its items"},
    {"POST", "/v1/datasets/{name}/items", ACCESS_OPERATOR, api_item_add, "add a photo and captions"},
    {"GET", "/v1/datasets/{name}/items", ACCESS_OPERATOR, api_items, "its photos and captions"},
    {"GET", "/v1/datasets/{name}/items/{id}", ACCESS_OPERATOR, api_item_get, "one photo's captions"},
    {"DELETE", "/v1/datasets/{name}/items/{id}", ACCESS_OPERATOR, api_item_delete, "delete it"},
    {"GET", "/v1/datasets/{name}/items/{id}/image", ACCESS_OPERATOR, api_item_image, "the photo itself"},
    {"POST", "/v1/train", ACCESS_OPERATOR, api_train, "teach a new captioner: a job"},
    {"GET", "/v1/jobs", ACCESS_OPERATOR, api_jobs, "the jobs, newest first"},
    {"GET", "/v1/jobs/{id}", ACCESS_OPERATOR, api_job_get, "how far a job is"},
    {"DELETE", "/v1/jobs/{id}", ACCESS_OPERATOR, api_job_cancel, "cancel it"},
    {"GET", "/v1/jobs/{id}/events", ACCESS_OPERATOR, api_job_events, "what it tells, as it tells it"},
    {"GET", "/v1/jobs/{id}/pictures/{name}", ACCESS_OPERATOR, api_job_picture, "a picture that it made"},
    {"POST", "/v1/saliency", ACCESS_CAPTION, api_saliency, "which pixels decide? numbers or a heat map"},
    {"POST", "/v1/fool", ACCESS_OPERATOR, api_fool, "the same photo, taken for something else: a job"},
    {"POST", "/v1/visualize", ACCESS_OPERATOR, api_visualize, "what is a class or word to the network? a job"},
    {"POST", "/v1/invert", ACCESS_OPERATOR, api_invert, "what does a layer know of the photo? a job"},
    {"POST", "/v1/dream", ACCESS_OPERATOR, api_dream, "more of what a layer sees in it: a job"},

    /* the protocols of others: api_compat_*.c */
    {"POST", "/v1/chat/completions", ACCESS_CAPTION, api_openai_chat, "OpenAI: a photo in a message, a caption back"},
    {"POST", "/v1/responses", ACCESS_CAPTION, api_openai_responses, "OpenAI: the same, as a response"},
    {"GET", "/api/version", ACCESS_OPEN, api_ollama_version, "Ollama: the version"},
    {"GET", "/api/tags", ACCESS_CAPTION, api_ollama_tags, "Ollama: the loaded captioners"},
    {"GET", "/api/ps", ACCESS_CAPTION, api_ollama_ps, "Ollama: the same, as all are in memory"},
    {"POST", "/api/show", ACCESS_CAPTION, api_ollama_show, "Ollama: one of them"},
    {"POST", "/api/generate", ACCESS_CAPTION, api_ollama_generate, "Ollama: photos in, a caption out"},
    {"POST", "/api/chat", ACCESS_CAPTION, api_ollama_chat, "Ollama: a photo in a message, a caption back"},
    {"POST", "/models/{name}", ACCESS_CAPTION, api_huggingface, "Hugging Face: image-to-text"},
    {"POST", "/model/predict", ACCESS_CAPTION, api_max_predict, "IBM MAX caption generator: predictions"},
    {"GET", "/model/metadata", ACCESS_CAPTION, api_max_metadata, "IBM MAX: what the model is"},
    {"GET", "/v2", ACCESS_OPEN, api_oip_server, "Open Inference Protocol: the server"},
    {"GET", "/v2/health/live", ACCESS_OPEN, api_oip_live, "Open Inference Protocol: alive"},
    {"GET", "/v2/health/ready", ACCESS_OPEN, api_oip_ready, "Open Inference Protocol: serving"},
    {"GET", "/v2/models/{name}", ACCESS_CAPTION, api_oip_model,
     "Open Inference Protocol: a model's inputs and outputs"},
    {"GET", "/v2/models/{name}/ready", ACCESS_CAPTION, api_oip_model_ready,
     "Open Inference Protocol: may it be asked?"},
    {"POST", "/v2/models/{name}/infer", ACCESS_CAPTION, api_oip_infer,
     "Open Inference Protocol: photos in, captions out"},
    {0},
};

/* Those of --admin-port: what says how the daemon is. */
const route api_admin_routes[] = {
    {"GET", "/healthz", ACCESS_OPEN, api_healthz, "200 while the process lives"},
    {"GET", "/readyz", ACCESS_OPEN, api_readyz, "200 while captions are served, 503 while loading or shutting down"},
    {"GET", "/metrics", ACCESS_OPEN, api_metrics, "what the daemon counts, for Prometheus"},
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
