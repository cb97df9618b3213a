/* openai.c: POST /v1/chat/completions, for clients that speak OpenAI's protocol.
 *
 *     {"model": "lstm", "messages": [{"role": "user", "content": [
 *         {"type": "text", "text": "What is this?"},
 *         {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,..."}}]}]}
 *
 * The answer's message is the caption of the image, or a line for each image (chat.h), as it is or as JSON (format.h);
 * with n there are as many choices. With "stream": true the answer is the same in chunks, a word each. Captions are
 * written a batch at a time, in milliseconds, so the chunks come at once. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/api/api.h"
#include "server/api/caption_call.h"
#include "server/api/compat/chat.h"
#include "server/http/json.h"

typedef struct chat {
    int stream, stream_usage;
    format format;
} chat;

/* ---- the request: each function returns 0, or 1 with *p set ------------------------------------------------------ */

static int read_length(caption_input *input, const cJSON *object, problem *p)
{
    const cJSON *limit, *older;
    return json_optional(object, "max_completion_tokens", cJSON_IsNumber, "a number", &limit, p) ||
           json_optional(object, "max_tokens", cJSON_IsNumber, "a number", &older, p) ||
           chat_read_length(input, limit ? limit : older, p);
}

/* How the answer is to come: whole or in chunks, as text or as JSON. */
static int read_form(chat *own, const cJSON *object, problem *p)
{
    const cJSON *stream, *options, *usage, *form;
    if (json_optional(object, "stream", cJSON_IsBool, "true or false", &stream, p) ||
        json_optional(object, "stream_options", cJSON_IsObject, "an object", &options, p) ||
        json_optional(options, "include_usage", cJSON_IsBool, "true or false", &usage, p) ||
        json_optional(object, "response_format", cJSON_IsObject, "an object", &form, p))
        return 1;
    own->stream = cJSON_IsTrue(stream);
    own->stream_usage = cJSON_IsTrue(usage);
    return format_read_openai(&own->format, form, "response_format", p);
}

static int read_logprobs(caption_input *input, const chat *own, const cJSON *object, problem *p)
{
    const cJSON *wanted;
    return json_optional(object, "logprobs", cJSON_IsBool, "true or false", &wanted, p) ||
           chat_read_logprobs(input, cJSON_IsTrue(wanted), &own->format, "response_format", object, p);
}

static int check_modalities(const cJSON *object, problem *p)
{
    const cJSON *each;
    cJSON_ArrayForEach(each, cJSON_GetObjectItemCaseSensitive(object, "modalities"))
    {
        if (!cJSON_IsString(each) || strcmp(each->valuestring, "text") != 0)
            return problem_set(p, PROBLEM_BAD_OPTION, "modalities: there is only text");
    }
    return 0;
}

static int read_object(caption_call *c, const cJSON *object, problem *p)
{
    const cJSON *n;
    caption_input *input = &c->input;
    if (input->attention)
        return problem_set(p, PROBLEM_BAD_OPTION, "this answer has no place for attention");
    return read_form(c->own, object, p) || chat_read_model(input, object, p) || read_length(input, object, p) ||
           json_optional(object, "n", cJSON_IsNumber, "a number", &n, p) || chat_read_count(input, n, p) ||
           read_logprobs(input, c->own, object, p) || check_modalities(object, p) || chat_check_tools(object, p) ||
           chat_read_messages(input, cJSON_GetObjectItemCaseSensitive(object, "messages"), "messages", p);
}

static int read(caption_call *c, problem *p)
{
    return chat_read(c, sizeof(chat), 0, "{\"model\": ..., \"messages\": [...]}", read_object, p);
}

/* ---- the answer: each function returns 0 when out of memory ------------------------------------------------------ */

static const char *finish_reason(const caption_call *c, int k)
{
    return chat_is_finished(c, k) ? "stop" : "length";
}

/* {"id","object","created","model"}: how every object of the protocol begins. */
static cJSON *begin(const caption_call *c, const char *kind)
{
    char id[HTTP_ID_BYTES + 16];
    cJSON *object = cJSON_CreateObject();
    snprintf(id, sizeof id, "chatcmpl-%s", c->request->id);
    return json_checked(object, cJSON_AddStringToObject(object, "id", id) &&
                                    cJSON_AddStringToObject(object, "object", kind) &&
                                    cJSON_AddNumberToObject(object, "created", (double)time(NULL)) &&
                                    cJSON_AddStringToObject(object, "model", c->model_name));
}

static int add_usage(cJSON *object, const caption_call *c)
{
    int words = chat_words(c);
    cJSON *usage = cJSON_AddObjectToObject(object, "usage");
    return cJSON_AddNumberToObject(usage, "prompt_tokens", c->ticket.n) &&
           cJSON_AddNumberToObject(usage, "completion_tokens", words) &&
           cJSON_AddNumberToObject(usage, "total_tokens", c->ticket.n + words);
}

/* Of all tokens, or of the one at `which`; null if they are not wanted. */
static int add_logprobs(cJSON *choice, const caption_call *c, int k, int which)
{
    if (!c->input.logprobs)
        return cJSON_AddNullToObject(choice, "logprobs") != NULL;
    cJSON *logprobs = cJSON_AddObjectToObject(choice, "logprobs"), *list = chat_logprobs(c, k, which);
    return list && cJSON_AddItemToObject(logprobs, "content", list) && cJSON_AddNullToObject(logprobs, "refusal");
}

static int fill_choice(cJSON *choice, const caption_call *c, int k)
{
    const chat *own = c->own;
    char *text = chat_text(c, k, &own->format);
    cJSON *message = cJSON_AddObjectToObject(choice, "message");
    int good = text && cJSON_AddNumberToObject(choice, "index", k) &&
               cJSON_AddStringToObject(message, "role", "assistant") &&
               cJSON_AddStringToObject(message, "content", text) && cJSON_AddNullToObject(message, "refusal") &&
               add_logprobs(choice, c, k, -1) && cJSON_AddStringToObject(choice, "finish_reason", finish_reason(c, k));
    free(text);
    return good;
}

static char *completion(const caption_call *c)
{
    cJSON *object = begin(c, "chat.completion");
    cJSON *choices = cJSON_AddArrayToObject(object, "choices");
    int good = choices != NULL;
    for (int k = 0; good && k < chat_choices(c); k++) {
        cJSON *choice = cJSON_CreateObject();
        good = cJSON_AddItemToArray(choices, choice) && fill_choice(choice, c, k);
    }
    return json_finish(object, good && add_usage(object, c));
}

/* ---- the answer in chunks ---------------------------------------------------------------------------------------- */

/* What is new of a choice. name NULL: nothing. reason NULL: there is more. which: the token that it is, if it is one.
 */
typedef struct chunk {
    int k, which;
    const char *name, *value, *reason;
} chunk;

static int fill_chunk(cJSON *choice, const caption_call *c, const chunk *new)
{
    cJSON *delta = cJSON_AddObjectToObject(choice, "delta");
    return delta && cJSON_AddNumberToObject(choice, "index", new->k) &&
           (!new->name || cJSON_AddStringToObject(delta, new->name, new->value)) &&
           (new->which < 0 ? cJSON_AddNullToObject(choice, "logprobs") != NULL
                           : add_logprobs(choice, c, new->k, new->which)) &&
           (new->reason ? cJSON_AddStringToObject(choice, "finish_reason", new->reason)
                        : cJSON_AddNullToObject(choice, "finish_reason"));
}

static int write_chunk(FILE *out, const caption_call *c, const chunk *new)
{
    cJSON *object = begin(c, "chat.completion.chunk");
    cJSON *choices = cJSON_AddArrayToObject(object, "choices"), *choice = cJSON_CreateObject();
    int good = cJSON_AddItemToArray(choices, choice);
    if (!good)
        cJSON_Delete(choice);
    return chat_write(out, "data: ", object, good && fill_chunk(choice, c, new), "\n\n");
}

static int write_choice(FILE *out, const caption_call *c, int k)
{
    const chat *own = c->own;
    char piece[CAPTION_TEXT_BYTES], *text = chat_text(c, k, &own->format);
    int good = text && write_chunk(out, c, &(chunk){k, -1, "role", "assistant", NULL});
    size_t length;
    int which = 0;
    for (const char *at = text; good && (length = chat_piece(at)) > 0; at += length, which++) {
        snprintf(piece, sizeof piece, "%.*s", (int)length, at);
        good = write_chunk(out, c, &(chunk){k, which, "content", piece, NULL});
    }
    free(text);
    return good && write_chunk(out, c, &(chunk){k, -1, NULL, NULL, finish_reason(c, k)});
}

static int write_usage(FILE *out, const caption_call *c)
{
    cJSON *object = begin(c, "chat.completion.chunk");
    return chat_write(out, "data: ", object, cJSON_AddArrayToObject(object, "choices") && add_usage(object, c), "\n\n");
}

static int write_chunks(FILE *out, const caption_call *c)
{
    const chat *own = c->own;
    int good = 1;
    for (int k = 0; good && k < chat_choices(c); k++)
        good = write_choice(out, c, k);
    good = good && (!own->stream_usage || write_usage(out, c));
    return fputs("data: [DONE]\n\n", out) >= 0 && good;
}

static void answer(caption_call *c)
{
    const chat *own = c->own;
    if (own->stream)
        chat_answer_stream(c, "text/event-stream", write_chunks);
    else
        http_answer_json(c->request, 200, completion(c));
}

void api_openai_chat(http_request *r)
{
    static const caption_form form = {.read = read, .answer = answer, .release = free};
    caption_call_start(r, &form);
}
