/* api_compat_openai.c: POST /v1/chat/completions, for clients that speak OpenAI's protocol.
 *
 *     {"model": "lstm", "messages": [{"role": "user", "content": [
 *         {"type": "text", "text": "What is this?"},
 *         {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,..."}}]}]}
 *
 * The answer's message is the caption of the image, or a line for each image, of the last message that has any: a
 * conversation sends its old images again. A captioner understands no words, so texts are not looked at. Members that
 * have no meaning here are ignored, as clients send many; what would change the answer is refused if it cannot be done.
 *
 * With "stream": true the answer is the same in chunks, a word each. Captions are written a batch at a time, in
 * milliseconds, so the chunks come at once. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/api/api.h"
#include "server/api/caption_call.h"
#include "server/http/json.h"

typedef struct chat {
    int stream, stream_usage;
} chat;

/* ---- the request: each function returns 0, or 1 with *p set ------------------------------------------------------ */

static int add_image(caption_input *input, const cJSON *part, problem *p)
{
    const char *url = cJSON_GetStringValue(
        cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(part, "image_url"), "url"));
    if (!url)
        return problem_set(p, PROBLEM_BAD_JSON,
                           "an image_url part has the form {\"image_url\": {\"url\": \"data:...\"}}");
    return caption_input_base64(input, url, p);
}

/* A message's content is a string or an array of parts. */
static int read_content(caption_input *input, const cJSON *content, problem *p)
{
    const cJSON *part;
    cJSON_ArrayForEach(part, content)
    {
        const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(part, "type"));
        if (!type)
            return problem_set(p, PROBLEM_BAD_JSON, "every part of a content has a type");
        if (strcmp(type, "text") == 0)
            continue;
        if (strcmp(type, "image_url") != 0)
            return problem_set(p, PROBLEM_BAD_OPTION, "a part of type %.40s: there is only text and image_url", type);
        if (add_image(input, part, p))
            return 1;
    }
    return 0;
}

static int has_image(const cJSON *content)
{
    const cJSON *part;
    cJSON_ArrayForEach(part, content)
    {
        const char *type = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(part, "type"));
        if (type && strcmp(type, "image_url") == 0)
            return 1;
    }
    return 0;
}

static int read_messages(caption_input *input, const cJSON *messages, problem *p)
{
    const cJSON *message, *last = NULL;
    if (!cJSON_IsArray(messages) || cJSON_GetArraySize(messages) == 0)
        return problem_set(p, PROBLEM_BAD_JSON, "messages must be an array of messages");
    cJSON_ArrayForEach(message, messages)
    {
        const cJSON *content = cJSON_GetObjectItemCaseSensitive(message, "content");
        if (!cJSON_IsObject(message))
            return problem_set(p, PROBLEM_BAD_JSON, "every message must be an object");
        if (cJSON_IsArray(content) && has_image(content))
            last = content;
    }
    if (!last)
        return problem_set(p, PROBLEM_MISSING_IMAGE, "no message has a part of type image_url");
    return read_content(input, last, p);
}

/* An answer cannot be longer than a captioner writes, so a larger limit is no limit. */
static int read_length(caption_input *input, const cJSON *object, problem *p)
{
    char text[24];
    const cJSON *limit, *older;
    if (json_optional(object, "max_completion_tokens", cJSON_IsNumber, "a number", &limit, p) ||
        json_optional(object, "max_tokens", cJSON_IsNumber, "a number", &older, p))
        return 1;
    limit = limit ? limit : older;
    if (!limit)
        return 0;
    if (limit->valuedouble < 1 || limit->valuedouble != floor(limit->valuedouble))
        return problem_set(p, PROBLEM_BAD_OPTION, "%s must be a whole number from 1 on", limit->string);
    snprintf(text, sizeof text, "%d",
             limit->valuedouble > CAPTION_MAX_WORDS ? CAPTION_MAX_WORDS : (int)limit->valuedouble);
    return caption_input_option(input, "max_words", text, p);
}

static int read_model(caption_input *input, const cJSON *object, problem *p)
{
    const cJSON *model;
    if (json_optional(object, "model", cJSON_IsString, "a string", &model, p))
        return 1;
    return !model ? 0 : caption_input_option(input, "model", model->valuestring, p);
}

/* How the answer is to come: one, whole or in chunks. */
static int read_form(chat *own, const cJSON *object, problem *p)
{
    const cJSON *n, *stream, *options, *usage;
    if (json_optional(object, "n", cJSON_IsNumber, "a number", &n, p) ||
        json_optional(object, "stream", cJSON_IsBool, "true or false", &stream, p) ||
        json_optional(object, "stream_options", cJSON_IsObject, "an object", &options, p) ||
        json_optional(options, "include_usage", cJSON_IsBool, "true or false", &usage, p))
        return 1;
    if (n && n->valuedouble != 1)
        return problem_set(p, PROBLEM_BAD_OPTION, "n: there is one answer");
    own->stream = cJSON_IsTrue(stream);
    own->stream_usage = cJSON_IsTrue(usage);
    return 0;
}

static int read_object(caption_call *c, const cJSON *object, problem *p)
{
    return read_form(c->own, object, p) || read_model(&c->input, object, p) || read_length(&c->input, object, p) ||
           read_messages(&c->input, cJSON_GetObjectItemCaseSensitive(object, "messages"), p);
}

static int read(caption_call *c, problem *p)
{
    const http_request *r = c->request;
    if (r->size == 0)
        return problem_set(p, PROBLEM_EMPTY_BODY, "send JSON: {\"model\": ..., \"messages\": [...]}");
    c->own = calloc(1, sizeof(chat));
    if (!c->own)
        return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    if (caption_input_query(&c->input, r, p) || caption_input_texts_alone(&c->input, 1, p))
        return 1;
    cJSON *object = json_parse_object((const char *)r->body, r->size, p);
    int failed = object ? read_object(c, object, p) : 1;
    cJSON_Delete(object);
    return failed;
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static const char *finish_reason(const caption_call *c)
{
    for (int i = 0; i < c->ticket.n; i++)
        if (!c->ticket.images[i].result.finished)
            return "length";
    return "stop";
}

/* {"id","object","created","model"}: how every object of the protocol begins. */
static cJSON *begin(const caption_call *c, const char *kind)
{
    char id[HTTP_ID_BYTES + 16];
    cJSON *object = cJSON_CreateObject();
    snprintf(id, sizeof id, "chatcmpl-%s", c->request->id);
    if (cJSON_AddStringToObject(object, "id", id) && cJSON_AddStringToObject(object, "object", kind) &&
        cJSON_AddNumberToObject(object, "created", (double)time(NULL)) &&
        cJSON_AddStringToObject(object, "model", c->model_name))
        return object;
    cJSON_Delete(object);
    return NULL;
}

/* What is counted is what a captioner reads and writes: one vector of features an image, and words. */
static int add_usage(cJSON *object, const caption_call *c)
{
    int words = 0;
    for (int i = 0; i < c->ticket.n; i++)
        words += c->ticket.images[i].result.words;
    cJSON *usage = cJSON_AddObjectToObject(object, "usage");
    return cJSON_AddNumberToObject(usage, "prompt_tokens", c->ticket.n) &&
           cJSON_AddNumberToObject(usage, "completion_tokens", words) &&
           cJSON_AddNumberToObject(usage, "total_tokens", c->ticket.n + words);
}

/* A line for each image; malloc'd. */
static char *join_captions(const caption_call *c)
{
    char *text = malloc((size_t)c->ticket.n * CAPTION_TEXT_BYTES), *end = text;
    for (int i = 0; text && i < c->ticket.n; i++)
        end += sprintf(end, "%s%s", i ? "\n" : "", c->ticket.images[i].result.text);
    return text;
}

static char *completion(const caption_call *c, const char *text)
{
    cJSON *object = begin(c, "chat.completion");
    cJSON *choices = cJSON_AddArrayToObject(object, "choices"), *choice = cJSON_CreateObject();
    if (!cJSON_AddItemToArray(choices, choice)) {
        cJSON_Delete(choice);
        return json_finish(object, 0);
    }
    int good = cJSON_AddNumberToObject(choice, "index", 0) != NULL;
    cJSON *message = cJSON_AddObjectToObject(choice, "message");
    good = good && cJSON_AddStringToObject(message, "role", "assistant") &&
           cJSON_AddStringToObject(message, "content", text) && cJSON_AddNullToObject(message, "refusal") &&
           cJSON_AddNullToObject(choice, "logprobs") &&
           cJSON_AddStringToObject(choice, "finish_reason", finish_reason(c)) && add_usage(object, c);
    return json_finish(object, good);
}

/* ---- the answer in chunks: each function returns 0 when out of memory ---------------------------------------------
 */

/* One event: what is new of the message. name NULL: nothing. reason NULL: there is more. */
static int write_chunk(FILE *out, const caption_call *c, const char *name, const char *value, const char *reason)
{
    cJSON *object = begin(c, "chat.completion.chunk");
    cJSON *choices = cJSON_AddArrayToObject(object, "choices"), *choice = cJSON_CreateObject();
    int good = cJSON_AddItemToArray(choices, choice);
    if (!good)
        cJSON_Delete(choice);
    good = good && cJSON_AddNumberToObject(choice, "index", 0);
    cJSON *delta = good ? cJSON_AddObjectToObject(choice, "delta") : NULL;
    good = delta && (!name || cJSON_AddStringToObject(delta, name, value)) &&
           cJSON_AddNullToObject(choice, "logprobs") &&
           (reason ? cJSON_AddStringToObject(choice, "finish_reason", reason)
                   : cJSON_AddNullToObject(choice, "finish_reason"));
    char *json = json_finish(object, good);
    if (json)
        fprintf(out, "data: %s\n\n", json);
    free(json);
    return json != NULL;
}

static int write_words(FILE *out, const caption_call *c, const char *text)
{
    char word[CAPTION_TEXT_BYTES];
    while (*text) {
        size_t length = 1 + strcspn(text + 1, " \n"); /* the blank before a word goes with it */
        snprintf(word, sizeof word, "%.*s", (int)length, text);
        if (!write_chunk(out, c, "content", word, NULL))
            return 0;
        text += length;
    }
    return 1;
}

static int write_usage(FILE *out, const caption_call *c)
{
    cJSON *object = begin(c, "chat.completion.chunk");
    char *json = json_finish(object, cJSON_AddArrayToObject(object, "choices") && add_usage(object, c));
    if (json)
        fprintf(out, "data: %s\n\n", json);
    free(json);
    return json != NULL;
}

static char *chunks(const caption_call *c, const char *text, size_t *size)
{
    char *events = NULL;
    const chat *own = c->own;
    FILE *out = open_memstream(&events, size);
    if (!out)
        return NULL;
    int good = write_chunk(out, c, "role", "assistant", NULL) && write_words(out, c, text) &&
               write_chunk(out, c, NULL, NULL, finish_reason(c)) && (!own->stream_usage || write_usage(out, c));
    fputs("data: [DONE]\n\n", out);
    if (fclose(out) == 0 && good)
        return events;
    free(events);
    return NULL;
}

static void answer(caption_call *c)
{
    const chat *own = c->own;
    size_t size = 0;
    char *text = join_captions(c), *told = NULL;
    if (text)
        told = own->stream ? chunks(c, text, &size) : completion(c, text);
    if (own->stream)
        http_answer_bytes(c->request, "text/event-stream", told, size);
    else
        http_answer_json(c->request, 200, told);
    free(text);
}

void api_openai_chat(http_request *r)
{
    static const caption_form form = {.read = read, .answer = answer, .release = free};
    caption_call_start(r, &form);
}
