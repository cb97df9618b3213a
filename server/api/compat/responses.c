/* responses.c: POST /v1/responses, OpenAI's newer protocol, which its SDKs use unless told otherwise.
 *
 *     {"model": "lstm", "input": [{"role": "user", "content": [
 *         {"type": "input_text", "text": "What is this?"},
 *         {"type": "input_image", "image_url": "data:image/jpeg;base64,..."}]}]}
 *
 * What is read and what it becomes is as for chats (chat.h, format.h). Nothing is kept, so there is no response to go
 * on from or to fetch later. With "stream": true the same comes as events, a word each. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/api/api.h"
#include "server/api/caption_call.h"
#include "server/api/compat/chat.h"
#include "server/http/json.h"

typedef struct response {
    int stream;
    int limit; /* max_output_tokens; 0: none */
    format format;
    cJSON *asked; /* what the answer repeats of the request */
} response;

static void release(void *own)
{
    response *o = own;
    cJSON_Delete(o->asked);
    free(o);
}

/* ---- the request: each function returns 0, or 1 with *p set ------------------------------------------------------ */

/* What would need something that was kept, or somebody who goes on alone. */
static int check_stateless(const cJSON *object, problem *p)
{
    static const char *const kept[] = {"previous_response_id", "conversation", "prompt"};
    const cJSON *background;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, kept[i]);
        if (member && !cJSON_IsNull(member))
            return problem_set(p, PROBLEM_BAD_OPTION, "%s: nothing is kept here: send the whole conversation", kept[i]);
    }
    if (json_optional(object, "background", cJSON_IsBool, "true or false", &background, p))
        return 1;
    return cJSON_IsTrue(background) ? problem_set(p, PROBLEM_BAD_OPTION, "background: the answer comes at once") : 0;
}

static int read_logprobs(caption_input *input, const response *own, const cJSON *object, problem *p)
{
    const cJSON *include, *each;
    int wanted = 0;
    if (json_optional(object, "include", cJSON_IsArray, "an array", &include, p))
        return 1;
    cJSON_ArrayForEach(each, include)
    {
        wanted |= cJSON_IsString(each) && strcmp(each->valuestring, "message.output_text.logprobs") == 0;
    }
    return chat_read_logprobs(input, wanted, &own->format, "text.format", object, p);
}

static int read_form(response *own, caption_input *input, const cJSON *object, problem *p)
{
    const cJSON *stream, *limit, *text, *form;
    if (json_optional(object, "stream", cJSON_IsBool, "true or false", &stream, p) ||
        json_optional(object, "max_output_tokens", cJSON_IsNumber, "a number", &limit, p) ||
        json_optional(object, "text", cJSON_IsObject, "an object", &text, p) ||
        json_optional(text, "format", cJSON_IsObject, "an object", &form, p) || chat_read_length(input, limit, p))
        return 1;
    own->stream = cJSON_IsTrue(stream);
    own->limit = limit ? limit->valueint : 0;
    return format_read_openai(&own->format, form, "text.format", p);
}

/* Members that the answer repeats, with what they are where the request has none. */
static int keep_asked(response *own, const cJSON *object, problem *p)
{
    static const char *const nullable[] = {"instructions", "temperature", "top_p", "user", "reasoning"};
    cJSON *asked = own->asked = cJSON_CreateObject();
    const cJSON *text = cJSON_GetObjectItemCaseSensitive(object, "text");
    const cJSON *metadata = cJSON_GetObjectItemCaseSensitive(object, "metadata");
    const cJSON *tools = cJSON_GetObjectItemCaseSensitive(object, "tools");
    int good = asked != NULL;
    for (size_t i = 0; good && i < sizeof nullable / sizeof *nullable; i++) {
        const cJSON *member = cJSON_GetObjectItemCaseSensitive(object, nullable[i]);
        good = member ? cJSON_AddItemToObject(asked, nullable[i], cJSON_Duplicate(member, 1))
                      : cJSON_AddNullToObject(asked, nullable[i]) != NULL;
    }
    good = good && cJSON_AddItemToObject(asked, "tools",
                                         cJSON_IsArray(tools) ? cJSON_Duplicate(tools, 1) : cJSON_CreateArray());
    good =
        good && cJSON_AddItemToObject(asked, "metadata",
                                      cJSON_IsObject(metadata) ? cJSON_Duplicate(metadata, 1) : cJSON_CreateObject());
    good = good && cJSON_AddItemToObject(asked, "text",
                                         cJSON_GetObjectItemCaseSensitive(text, "format")
                                             ? cJSON_Duplicate(text, 1)
                                             : cJSON_Parse("{\"format\":{\"type\":\"text\"}}"));
    return good ? 0 : problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
}

static int read_input(caption_input *input, const cJSON *object, problem *p)
{
    const cJSON *items = cJSON_GetObjectItemCaseSensitive(object, "input");
    if (cJSON_IsString(items))
        return problem_set(p, PROBLEM_MISSING_IMAGE, "input has no image: a part of type input_image");
    return chat_read_messages(input, items, "input", p);
}

static int read_object(caption_call *c, const cJSON *object, problem *p)
{
    caption_input *input = &c->input;
    return read_form(c->own, input, object, p) || chat_read_model(input, object, p) || check_stateless(object, p) ||
           read_logprobs(input, c->own, object, p) || chat_check_tools(object, p) || keep_asked(c->own, object, p) ||
           read_input(input, object, p);
}

static int read(caption_call *c, problem *p)
{
    return chat_read(c, sizeof(response), 1, "{\"model\": ..., \"input\": [...]}", read_object, p);
}

/* ---- the answer: each function returns 0 or NULL when out of memory ---------------------------------------------- */

static int add_id(cJSON *object, const char *name, const char *kind, const caption_call *c)
{
    char id[HTTP_ID_BYTES + 16];
    snprintf(id, sizeof id, "%s_%s", kind, c->request->id);
    return cJSON_AddStringToObject(object, name, id) != NULL;
}

/* {"type": "output_text", ...} */
static cJSON *part(const caption_call *c, const char *text, int whole)
{
    cJSON *object = cJSON_CreateObject();
    cJSON *logprobs = whole && c->input.logprobs ? chat_logprobs(c, 0, -1) : cJSON_CreateArray();
    int good = cJSON_AddStringToObject(object, "type", "output_text") &&
               cJSON_AddStringToObject(object, "text", text) && cJSON_AddArrayToObject(object, "annotations");
    if (!cJSON_AddItemToObject(object, "logprobs", logprobs))
        good = 0;
    return json_checked(object, good);
}

static const char *status_of(const caption_call *c)
{
    return chat_is_finished(c, 0) ? "completed" : "incomplete";
}

/* The message; text NULL: it has only begun. */
static cJSON *item(const caption_call *c, const char *text)
{
    cJSON *object = cJSON_CreateObject();
    int good = add_id(object, "id", "msg", c) && cJSON_AddStringToObject(object, "type", "message") &&
               cJSON_AddStringToObject(object, "status", text ? status_of(c) : "in_progress") &&
               cJSON_AddStringToObject(object, "role", "assistant");
    cJSON *content = cJSON_AddArrayToObject(object, "content");
    good = good && content && (!text || cJSON_AddItemToArray(content, part(c, text, 1)));
    return json_checked(object, good);
}

static int add_details(cJSON *usage, const char *name, const char *member)
{
    return cJSON_AddNumberToObject(cJSON_AddObjectToObject(usage, name), member, 0) != NULL;
}

static int add_usage(cJSON *object, const caption_call *c)
{
    int words = chat_words(c);
    cJSON *usage = cJSON_AddObjectToObject(object, "usage");
    return cJSON_AddNumberToObject(usage, "input_tokens", c->ticket.n) &&
           add_details(usage, "input_tokens_details", "cached_tokens") &&
           cJSON_AddNumberToObject(usage, "output_tokens", words) &&
           add_details(usage, "output_tokens_details", "reasoning_tokens") &&
           cJSON_AddNumberToObject(usage, "total_tokens", c->ticket.n + words);
}

static int add_incomplete(cJSON *object, const caption_call *c)
{
    if (chat_is_finished(c, 0))
        return cJSON_AddNullToObject(object, "incomplete_details") != NULL;
    cJSON *details = cJSON_AddObjectToObject(object, "incomplete_details");
    return cJSON_AddStringToObject(details, "reason", "max_output_tokens") != NULL;
}

/* What does not depend on how far it is. */
static int add_facts(cJSON *object, const caption_call *c)
{
    const response *own = c->own;
    const cJSON *each;
    int good = cJSON_AddNullToObject(object, "error") && cJSON_AddStringToObject(object, "model", c->model_name) &&
               (own->limit ? cJSON_AddNumberToObject(object, "max_output_tokens", own->limit)
                           : cJSON_AddNullToObject(object, "max_output_tokens")) &&
               cJSON_AddFalseToObject(object, "store") && cJSON_AddFalseToObject(object, "parallel_tool_calls") &&
               cJSON_AddNullToObject(object, "previous_response_id") &&
               cJSON_AddStringToObject(object, "tool_choice", "auto") &&
               cJSON_AddStringToObject(object, "truncation", "disabled");
    cJSON_ArrayForEach(each, own->asked)
    {
        good = good && cJSON_AddItemToObject(object, each->string, cJSON_Duplicate(each, 1));
    }
    return good;
}

/* The whole; text NULL: it has only begun. */
static cJSON *whole(const caption_call *c, const char *text)
{
    cJSON *object = cJSON_CreateObject();
    int good = add_id(object, "id", "resp", c) && cJSON_AddStringToObject(object, "object", "response") &&
               cJSON_AddNumberToObject(object, "created_at", (double)time(NULL)) &&
               cJSON_AddStringToObject(object, "status", text ? status_of(c) : "in_progress") && add_facts(object, c);
    cJSON *output = cJSON_AddArrayToObject(object, "output");
    good = good && output && (!text || cJSON_AddItemToArray(output, item(c, text))) &&
           (text ? add_incomplete(object, c) && add_usage(object, c)
                 : cJSON_AddNullToObject(object, "incomplete_details") && cJSON_AddNullToObject(object, "usage"));
    return json_checked(object, good);
}

/* ---- the answer as events ---------------------------------------------------------------------------------------- */

typedef struct stream {
    FILE *out;
    const caption_call *call;
    int number, good;
    int token; /* the one that an event about text tells; -1: all */
} stream;

/* An event with what `name` holds; takes `value`. `within`: it is about the message, its part, or the part's
 * text. */
enum { WITHIN_RESPONSE, WITHIN_ITEM, WITHIN_PART, WITHIN_TEXT };
static void tell(stream *s, const char *type, const char *name, cJSON *value, int within)
{
    cJSON *object = cJSON_CreateObject();
    int good = cJSON_AddStringToObject(object, "type", type) &&
               cJSON_AddNumberToObject(object, "sequence_number", s->number++) &&
               (within < WITHIN_ITEM || cJSON_AddNumberToObject(object, "output_index", 0)) &&
               (within < WITHIN_PART ||
                (add_id(object, "item_id", "msg", s->call) && cJSON_AddNumberToObject(object, "content_index", 0)));
    good = cJSON_AddItemToObject(object, name, value) && good;
    if (within == WITHIN_TEXT)
        good = cJSON_AddItemToObject(object, "logprobs",
                                     s->call->input.logprobs ? chat_logprobs(s->call, 0, s->token)
                                                             : cJSON_CreateArray()) &&
               good;
    char before[80];
    snprintf(before, sizeof before, "event: %s\ndata: ", type);
    s->good &= chat_write(s->out, before, object, good, "\n\n");
}

static void tell_text(stream *s, const char *text)
{
    char piece[CAPTION_TEXT_BYTES];
    size_t length;
    for (const char *at = text; (length = chat_piece(at)) > 0; at += length) {
        snprintf(piece, sizeof piece, "%.*s", (int)length, at);
        tell(s, "response.output_text.delta", "delta", cJSON_CreateString(piece), WITHIN_TEXT);
        s->token++;
    }
    s->token = -1;
    tell(s, "response.output_text.done", "text", cJSON_CreateString(text), WITHIN_TEXT);
}

static int write_events(FILE *out, const caption_call *c)
{
    const response *own = c->own;
    stream s = {out, c, 0, 1, 0};
    char *text = chat_text(c, 0, &own->format);
    if (!text)
        return 0;
    tell(&s, "response.created", "response", whole(c, NULL), WITHIN_RESPONSE);
    tell(&s, "response.in_progress", "response", whole(c, NULL), WITHIN_RESPONSE);
    tell(&s, "response.output_item.added", "item", item(c, NULL), WITHIN_ITEM);
    tell(&s, "response.content_part.added", "part", part(c, "", 0), WITHIN_PART);
    tell_text(&s, text);
    tell(&s, "response.content_part.done", "part", part(c, text, 1), WITHIN_PART);
    tell(&s, "response.output_item.done", "item", item(c, text), WITHIN_ITEM);
    tell(&s, chat_is_finished(c, 0) ? "response.completed" : "response.incomplete", "response", whole(c, text),
         WITHIN_RESPONSE);
    free(text);
    return s.good;
}

static void answer(caption_call *c)
{
    const response *own = c->own;
    if (own->stream) {
        chat_answer_stream(c, "text/event-stream", write_events);
        return;
    }
    char *text = chat_text(c, 0, &own->format);
    cJSON *object = text ? whole(c, text) : NULL;
    http_answer_json(c->request, 200, json_finish(object, object != NULL));
    free(text);
}

void api_openai_responses(http_request *r)
{
    static const caption_form form = {.read = read, .answer = answer, .release = release};
    caption_call_start(r, &form);
}
