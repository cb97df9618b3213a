/* ollama.c: POST /api/generate and POST /api/chat, as Ollama has them.
 *
 *     {"model": "lstm", "prompt": "What is this?", "images": ["base64"]}
 *     {"model": "lstm", "messages": [{"role": "user", "content": "What is this?", "images": ["base64"]}]}
 *
 * The answer is lines of JSON, a word each, or with "stream": false one object. What is read and what it becomes is as
 * for OpenAI's chats (chat.h, format.h). A request without prompt, messages and images asks to load the model, which
 * always is.
 *
 *     {"model":"lstm","created_at":"...","response":"a dog","done":false}   (chat: "message":{"role","content"}) */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/api/api.h"
#include "server/api/caption_call.h"
#include "server/api/compat/chat.h"
#include "server/api/compat/ollama.h"
#include "server/base/clock.h"
#include "server/http/json.h"

typedef struct generation {
    char model[WEIGHTS_NAME_BYTES + sizeof OLLAMA_TAG]; /* as it was called */
    int is_chat, stream;
    format format;
} generation;

static const cJSON *member_of(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* ---- the request: each function returns 0, or 1 with *p set ------------------------------------------------------ */

/* "lstm" is called "lstm:latest", too. */
void ollama_model_name(const char *given, char out[WEIGHTS_NAME_BYTES])
{
    size_t length = strlen(given), tag = strlen(OLLAMA_TAG);
    if (length > tag && strcmp(given + length - tag, OLLAMA_TAG) == 0)
        length -= tag;
    snprintf(out, WEIGHTS_NAME_BYTES, "%.*s", (int)length, given);
}

static int read_model(caption_input *input, generation *own, const cJSON *object, problem *p)
{
    char name[WEIGHTS_NAME_BYTES];
    const cJSON *model;
    if (json_optional(object, "model", cJSON_IsString, "a string", &model, p))
        return 1;
    if (!model)
        return problem_set(p, PROBLEM_BAD_OPTION, "model is required");
    snprintf(own->model, sizeof own->model, "%s", model->valuestring);
    ollama_model_name(model->valuestring, name);
    return caption_input_option(input, "model", name, p);
}

/* Of the options only the length has a meaning; -1 and -2 are no limit. */
static int read_options(caption_input *input, const cJSON *object, problem *p)
{
    const cJSON *options, *limit;
    if (json_optional(object, "options", cJSON_IsObject, "an object", &options, p) ||
        json_optional(options, "num_predict", cJSON_IsNumber, "a number", &limit, p))
        return 1;
    return limit && limit->valuedouble >= 0 ? chat_read_length(input, limit, p) : 0;
}

/* "format": "json" or a schema; "" is text, as their own clients send it. */
static int read_format(format *f, const cJSON *object, problem *p)
{
    const cJSON *wanted = member_of(object, "format");
    const char *word = cJSON_GetStringValue(wanted);
    *f = (format){.kind = FORMAT_TEXT};
    if (!wanted || cJSON_IsNull(wanted) || (word && !*word))
        return 0;
    if (word && strcmp(word, "json") == 0) {
        format_any_object(f);
        return 0;
    }
    if (word)
        return problem_set(p, PROBLEM_BAD_OPTION, "format: \"%.40s\" is neither json nor a schema", word);
    return format_read_schema(f, wanted, "format", p);
}

static int check_think(const cJSON *object, problem *p)
{
    const cJSON *think = member_of(object, "think");
    if (!think || cJSON_IsNull(think) || cJSON_IsFalse(think))
        return 0;
    return problem_set(p, PROBLEM_BAD_OPTION, "think: a captioner does not think");
}

static int read_logprobs(caption_input *input, const generation *own, const cJSON *object, problem *p)
{
    const cJSON *wanted;
    return json_optional(object, "logprobs", cJSON_IsBool, "true or false", &wanted, p) ||
           chat_read_logprobs(input, cJSON_IsTrue(wanted), &own->format, "format", object, p);
}

static int read_messages(caption_input *input, const cJSON *messages, problem *p)
{
    const cJSON *message, *last = NULL;
    if (!cJSON_IsArray(messages))
        return problem_set(p, PROBLEM_BAD_JSON, "messages must be an array of messages");
    cJSON_ArrayForEach(message, messages)
    {
        const cJSON *images = member_of(message, "images");
        if (!cJSON_IsObject(message))
            return problem_set(p, PROBLEM_BAD_JSON, "every message must be an object");
        if (images && !cJSON_IsNull(images) && !(cJSON_IsArray(images) && !images->child))
            last = images;
    }
    if (!last)
        return problem_set(p, PROBLEM_MISSING_IMAGE, "no message has images: an array of base64");
    return chat_read_images(input, last, p);
}

static int read_images(caption_input *input, const cJSON *object, problem *p)
{
    const cJSON *images = member_of(object, "images");
    if (!images || cJSON_IsNull(images) || (cJSON_IsArray(images) && !images->child))
        return problem_set(p, PROBLEM_MISSING_IMAGE, "images is missing: an array of base64");
    return chat_read_images(input, images, p);
}

static int read_object(caption_call *c, const cJSON *object, problem *p)
{
    const cJSON *stream;
    generation *own = c->own;
    caption_input *input = &c->input;
    if (json_optional(object, "stream", cJSON_IsBool, "true or false", &stream, p))
        return 1;
    own->stream = !cJSON_IsFalse(stream);
    return read_model(input, own, object, p) || read_options(input, object, p) ||
           read_format(&own->format, object, p) || check_think(object, p) || read_logprobs(input, own, object, p) ||
           (own->is_chat ? read_messages(input, member_of(object, "messages"), p) : read_images(input, object, p));
}

static int read_generate(caption_call *c, problem *p)
{
    static const char example[] = "{\"model\": ..., \"images\": [...]}";
    return chat_read(c, sizeof(generation), 1, example, read_object, p);
}

static int read_chat_object(caption_call *c, const cJSON *object, problem *p)
{
    ((generation *)c->own)->is_chat = 1;
    return read_object(c, object, p);
}

static int read_chat(caption_call *c, problem *p)
{
    static const char example[] = "{\"model\": ..., \"messages\": [...]}";
    return chat_read(c, sizeof(generation), 1, example, read_chat_object, p);
}

/* ---- the answer: each function returns 0 when out of memory ------------------------------------------------------ */

static cJSON *begin(const char *model, int is_chat, const char *text)
{
    cJSON *object = cJSON_CreateObject();
    int good = cJSON_AddStringToObject(object, "model", model) && json_add_time(object, "created_at", time(NULL));
    if (is_chat) {
        cJSON *message = cJSON_AddObjectToObject(object, "message");
        good = good && cJSON_AddStringToObject(message, "role", "assistant") &&
               cJSON_AddStringToObject(message, "content", text);
    } else {
        good = good && cJSON_AddStringToObject(object, "response", text);
    }
    return json_checked(object, good);
}

static int add_logprobs(cJSON *object, const caption_call *c, int which)
{
    return !c->input.logprobs || cJSON_AddItemToObject(object, "logprobs", chat_logprobs(c, 0, which));
}

/* Nanoseconds, as the protocol has it. */
static int add_duration(cJSON *object, const char *name, double ms)
{
    return json_add_integer(object, name, (uint64_t)llround(ms * 1e6));
}

static int add_end(cJSON *object, const caption_call *c)
{
    const ticket *t = &c->ticket;
    return cJSON_AddTrueToObject(object, "done") &&
           cJSON_AddStringToObject(object, "done_reason", chat_is_finished(c, 0) ? "stop" : "length") &&
           add_duration(object, "total_duration", clock_ms() - c->request->started) &&
           add_duration(object, "load_duration", 0) && cJSON_AddNumberToObject(object, "prompt_eval_count", t->n) &&
           add_duration(object, "prompt_eval_duration", t->decode_ms + t->encode_ms) &&
           cJSON_AddNumberToObject(object, "eval_count", chat_words(c)) &&
           add_duration(object, "eval_duration", t->caption_ms);
}

static char *whole(const caption_call *c, const char *text)
{
    const generation *own = c->own;
    cJSON *object = begin(own->model, own->is_chat, text);
    return json_finish(object, object && add_end(object, c) && add_logprobs(object, c, -1));
}

static int write_lines(FILE *out, const caption_call *c)
{
    const generation *own = c->own;
    char piece[CAPTION_TEXT_BYTES], *text = chat_text(c, 0, &own->format);
    size_t length;
    int good = text != NULL, which = 0;
    for (const char *at = text; good && (length = chat_piece(at)) > 0; at += length, which++) {
        snprintf(piece, sizeof piece, "%.*s", (int)length, at);
        cJSON *object = begin(own->model, own->is_chat, piece);
        good = chat_write(out, "", object,
                          object && cJSON_AddFalseToObject(object, "done") && add_logprobs(object, c, which), "\n");
    }
    free(text);
    cJSON *end = begin(own->model, own->is_chat, "");
    return chat_write(out, "", end, good && end && add_end(end, c), "\n");
}

static void answer(caption_call *c)
{
    const generation *own = c->own;
    if (own->stream) {
        chat_answer_stream(c, "application/x-ndjson", write_lines);
        return;
    }
    char *text = chat_text(c, 0, &own->format);
    http_answer_json(c->request, 200, text ? whole(c, text) : NULL);
    free(text);
}

/* ---- loading: what is asked without anything to caption ---------------------------------------------------------- */

static int is_empty(const cJSON *member)
{
    const char *text = cJSON_GetStringValue(member);
    return !member || cJSON_IsNull(member) || (text && !*text) || (cJSON_IsArray(member) && !member->child);
}

static int asks_to_load(const cJSON *object, int is_chat)
{
    return is_chat ? is_empty(member_of(object, "messages"))
                   : is_empty(member_of(object, "prompt")) && is_empty(member_of(object, "images"));
}

/* keep_alive 0 asks to forget the model; it stays, as others use it. */
static void answer_loaded(http_request *r, const cJSON *object, int is_chat)
{
    char name[WEIGHTS_NAME_BYTES], full[WEIGHTS_NAME_BYTES];
    problem p = {.kind = PROBLEM_NONE};
    const cJSON *alive = member_of(object, "keep_alive");
    const char *given = cJSON_GetStringValue(member_of(object, "model"));
    int unload = (cJSON_IsNumber(alive) && alive->valuedouble == 0) ||
                 (cJSON_IsString(alive) && strspn(alive->valuestring, "0smh") == strlen(alive->valuestring));
    ollama_model_name(given ? given : "", name);
    caption_model *model = http_not_ready(r, &p) ? NULL : registry_take(r->server->registry, name, full);
    if (!model || !given) {
        if (!p.kind)
            problem_set(&p, given ? PROBLEM_UNKNOWN_MODEL : PROBLEM_BAD_OPTION, "there is no model \"%.64s\"", name);
        caption_model_release(model);
        http_answer_problem(r, &p);
        return;
    }
    caption_model_release(model);
    cJSON *answer = begin(given, is_chat, "");
    int good = answer && cJSON_AddTrueToObject(answer, "done") &&
               cJSON_AddStringToObject(answer, "done_reason", unload ? "unload" : "load");
    http_answer_json(r, 200, json_finish(answer, good));
}

/* Only a small body can be without an image: others need not be parsed twice. */
static void start(http_request *r, const caption_form *form, int is_chat)
{
    enum { SMALL_BYTES = 4096 };
    problem p;
    cJSON *object = r->size > 0 && r->size < SMALL_BYTES ? json_parse_object((const char *)r->body, r->size, &p) : NULL;
    if (object && asks_to_load(object, is_chat))
        answer_loaded(r, object, is_chat);
    else
        caption_call_start(r, form);
    cJSON_Delete(object);
}

void api_ollama_generate(http_request *r)
{
    static const caption_form form = {.read = read_generate, .answer = answer, .release = free};
    start(r, &form, 0);
}

void api_ollama_chat(http_request *r)
{
    static const caption_form form = {.read = read_chat, .answer = answer, .release = free};
    start(r, &form, 1);
}
