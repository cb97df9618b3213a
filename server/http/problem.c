/* problem.c: the table of problems; docs/REFERENCE.md lists it for users. */
#include "server/http/problem.h"

#include <cjson/cJSON.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

#include "server/base/paths.h"

static const struct {
    int status;
    const char *name, *title;
} table[] = {
    [PROBLEM_NONE] = {200, "none", "No problem"},
    [PROBLEM_BAD_REQUEST] = {400, "bad-request", "The request is not valid HTTP"},
    [PROBLEM_EMPTY_BODY] = {400, "empty-body", "The request has no body"},
    [PROBLEM_BAD_JSON] = {400, "bad-json", "The JSON body cannot be used"},
    [PROBLEM_BAD_MULTIPART] = {400, "bad-multipart", "The multipart body cannot be parsed"},
    [PROBLEM_BAD_BASE64] = {400, "bad-base64", "The image is not valid base64"},
    [PROBLEM_REMOTE_IMAGE] = {400, "remote-image", "Images are not fetched from URLs"},
    [PROBLEM_MISSING_IMAGE] = {400, "missing-image", "The request has no image"},
    [PROBLEM_MISSING_CAPTION] = {400, "missing-caption", "The request has no caption"},
    [PROBLEM_UNKNOWN_OPTION] = {400, "unknown-option", "There is no such option"},
    [PROBLEM_BAD_OPTION] = {400, "bad-option", "An option has an invalid value"},
    [PROBLEM_OVER_BUDGET] = {400, "over-budget", "The request asks for more work than allowed"},
    [PROBLEM_BAD_NAME] = {400, "bad-name", "The name cannot be used"},
    [PROBLEM_UNAUTHORIZED] = {401, "unauthorized", "A key is needed"},
    [PROBLEM_FORBIDDEN] = {403, "forbidden", "This is not allowed from here"},
    [PROBLEM_NOT_FOUND] = {404, "not-found", "Not found"},
    [PROBLEM_UNKNOWN_MODEL] = {404, "unknown-model", "There is no such model"},
    [PROBLEM_UNKNOWN_DATASET] = {404, "unknown-dataset", "There is no such dataset"},
    [PROBLEM_UNKNOWN_ITEM] = {404, "unknown-item", "There is no such item"},
    [PROBLEM_UNKNOWN_JOB] = {404, "unknown-job", "There is no such job"},
    [PROBLEM_UNKNOWN_PICTURE] = {404, "unknown-picture", "There is no such picture"},
    [PROBLEM_METHOD_NOT_ALLOWED] = {405, "method-not-allowed", "The method is not allowed here"},
    [PROBLEM_TOO_SLOW] = {408, "too-slow", "The request was received too slowly"},
    [PROBLEM_SELFTEST_BUSY] = {409, "selftest-busy", "Another self-test is running"},
    [PROBLEM_LIMIT_REACHED] = {409, "limit-reached", "A limit has been reached"},
    [PROBLEM_DATASET_TOO_SMALL] = {409, "dataset-too-small", "The dataset has too few items"},
    [PROBLEM_NAME_TAKEN] = {409, "name-taken", "The name is taken"},
    [PROBLEM_JOB_ENDED] = {409, "job-ended", "The job has ended"},
    [PROBLEM_MODEL_IN_USE] = {409, "model-in-use", "The model cannot be removed"},
    [PROBLEM_DATASET_IN_USE] = {409, "dataset-in-use", "The dataset cannot be removed"},
    [PROBLEM_BODY_TOO_LARGE] = {413, "body-too-large", "The body is larger than the limit"},
    [PROBLEM_IMAGE_TOO_LARGE] = {413, "image-too-large", "The image has more pixels than the limit"},
    [PROBLEM_TOO_MANY_IMAGES] = {413, "too-many-images", "The request has more images than the limit"},
    [PROBLEM_URI_TOO_LONG] = {414, "uri-too-long", "The request line is longer than the limit"},
    [PROBLEM_UNSUPPORTED_MEDIA] = {415, "unsupported-media-type", "The body's type is not supported"},
    [PROBLEM_UNSUPPORTED_IMAGE] = {415, "unsupported-image", "The image's format is not supported"},
    [PROBLEM_DAMAGED_IMAGE] = {422, "damaged-image", "The image is truncated or corrupt"},
    [PROBLEM_DECODING_STOPPED] = {422, "decoding-stopped", "Decoding exceeded its limits or crashed"},
    [PROBLEM_BAD_CAPTION] = {422, "bad-caption", "A caption cannot be used"},
    [PROBLEM_DAMAGED_MODEL] = {422, "damaged-model", "The model's file cannot be used"},
    [PROBLEM_TOO_MANY_REQUESTS] = {429, "too-many-requests", "Too many requests"},
    [PROBLEM_HEADERS_TOO_LARGE] = {431, "headers-too-large", "The header fields are larger than the limit"},
    [PROBLEM_CLIENT_GONE] = {499, "client-gone", "The client closed the connection"},
    [PROBLEM_INTERNAL] = {500, "internal", "The server failed"},
    [PROBLEM_NOT_IMPLEMENTED] = {501, "not-implemented", "Not implemented"},
    [PROBLEM_QUEUE_FULL] = {503, "queue-full", "The queue is full"},
    [PROBLEM_MEMORY_FULL] = {503, "memory-full", "Out of memory for requests"},
    [PROBLEM_CONNECTIONS_FULL] = {503, "connections-full", "There are too many connections"},
    [PROBLEM_LOADING] = {503, "loading", "The weights are still loading"},
    [PROBLEM_DRAINING] = {503, "draining", "The server is shutting down"},
    [PROBLEM_BROKEN_MODEL] = {503, "broken-model", "The model's file is broken"},
    [PROBLEM_NO_DATA_DIRECTORY] = {503, "no-data-directory", "Nothing can be stored"},
    [PROBLEM_STORE_BUSY] = {503, "store-busy", "Another daemon is writing to the data directory"},
    [PROBLEM_DEADLINE] = {504, "deadline-exceeded", "The answer was not ready in time"},
    [PROBLEM_HTTP_VERSION] = {505, "http-version", "The HTTP version is not supported"},
    [PROBLEM_DISK_FULL] = {507, "disk-full", "The disk is full"},
};

static void make_printable(char *text)
{
    for (; *text; text++)
        if (!isprint((unsigned char)*text))
            *text = '?';
}

static int fill(problem *p, problem_kind kind, const char *format, va_list args)
{
    const int status = table[kind].status;
    vsnprintf(p->detail, sizeof p->detail, format, args);
    make_printable(p->detail);
    p->kind = kind;
    p->retry_after = status == 503 || status == 429;
    return 1;
}

int problem_set(problem *p, problem_kind kind, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(p, kind, format, args);
    va_end(args);
    paths_hide(p->detail);
    return 1;
}

int problem_echo(problem *p, problem_kind kind, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fill(p, kind, format, args);
    va_end(args);
    return 1;
}

int problem_status(const problem *p)
{
    return table[p->kind].status;
}

const char *problem_name(const problem *p)
{
    return table[p->kind].name;
}

/* OpenAI's word for the kind of a status. */
static const char *error_type(int status)
{
    switch (status) {
    case 401:
        return "authentication_error";
    case 403:
        return "permission_error";
    case 404:
        return "not_found_error";
    case 429:
        return "rate_limit_error";
    default:
        return status < 500 ? "invalid_request_error" : "server_error";
    }
}

static int add_error(cJSON *object, const problem *p, problem_dialect dialect)
{
    if (dialect == PROBLEM_PLAIN)
        return 1;
    if (dialect == PROBLEM_ERROR_TEXT)
        return cJSON_AddStringToObject(object, "error", p->detail) != NULL;
    cJSON *error = cJSON_AddObjectToObject(object, "error");
    return cJSON_AddStringToObject(error, "message", p->detail) &&
           cJSON_AddStringToObject(error, "type", error_type(table[p->kind].status)) &&
           cJSON_AddNullToObject(error, "param") && cJSON_AddStringToObject(error, "code", table[p->kind].name);
}

char *problem_json(const problem *p, problem_dialect dialect, const char *instance, const char *request_id)
{
    char type[96], path[256];
    char *text = NULL;
    snprintf(type, sizeof type, "urn:captiond:problem:%s", table[p->kind].name);
    snprintf(path, sizeof path, "%s", instance);
    make_printable(path);
    cJSON *object = cJSON_CreateObject();
    if (cJSON_AddStringToObject(object, "type", type) &&
        cJSON_AddStringToObject(object, "title", table[p->kind].title) &&
        cJSON_AddNumberToObject(object, "status", table[p->kind].status) &&
        cJSON_AddStringToObject(object, "detail", p->detail) && cJSON_AddStringToObject(object, "instance", path) &&
        cJSON_AddStringToObject(object, "request_id", request_id) && add_error(object, p, dialect))
        text = cJSON_PrintUnformatted(object);
    cJSON_Delete(object);
    return text;
}
