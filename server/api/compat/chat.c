/* chat.c: see chat.h. */
#include "server/api/compat/chat.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/json.h"

static const cJSON *member_of(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

int chat_read(caption_call *c, size_t own, int texts, const char *example,
              int (*read_object)(caption_call *c, const cJSON *object, problem *p), problem *p)
{
    const http_request *r = c->request;
    if (r->size == 0)
        return problem_set(p, PROBLEM_EMPTY_BODY, "send JSON: %s", example);
    c->own = calloc(1, own);
    if (!c->own)
        return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    if (caption_input_query(&c->input, r, p) || (texts && caption_input_texts_alone(&c->input, texts, p)))
        return 1;
    cJSON *object = json_parse_object((const char *)r->body, r->size, p);
    int failed = object ? read_object(c, object, p) : 1;
    cJSON_Delete(object);
    return failed;
}

/* ---- images ------------------------------------------------------------------------------------------------------ */

static int is_any_of(const char *word, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(word, *words) == 0)
            return 1;
    return 0;
}

static int is_image(const cJSON *part)
{
    static const char *const types[] = {"image_url", "input_image", NULL};
    const char *type = cJSON_GetStringValue(member_of(part, "type"));
    return type && is_any_of(type, types);
}

static int add_image(caption_input *input, const cJSON *part, problem *p)
{
    const cJSON *image = member_of(part, "image_url");
    const char *url = cJSON_GetStringValue(cJSON_IsObject(image) ? member_of(image, "url") : image);
    if (url)
        return caption_input_base64(input, url, p);
    if (cJSON_IsString(member_of(part, "file_id")))
        return problem_set(p, PROBLEM_REMOTE_IMAGE, "file_id: there are no files here: send the image itself");
    return problem_set(
        p, PROBLEM_BAD_JSON,
        "an image part has the form {\"type\": \"image_url\", \"image_url\": {\"url\": \"data:...\"}} or "
        "{\"type\": \"input_image\", \"image_url\": \"data:...\"}");
}

static int read_content(caption_input *input, const cJSON *content, problem *p)
{
    static const char *const texts[] = {"text", "input_text", "output_text", "refusal", NULL};
    const cJSON *part;
    cJSON_ArrayForEach(part, content)
    {
        const char *type = cJSON_GetStringValue(member_of(part, "type"));
        if (!type)
            return problem_set(p, PROBLEM_BAD_JSON, "every part of a content has a type");
        if (is_any_of(type, texts))
            continue;
        if (!is_image(part))
            return problem_set(p, PROBLEM_BAD_OPTION, "a part of type %.40s: there is only text and images", type);
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
        if (is_image(part))
            return 1;
    }
    return 0;
}

int chat_read_messages(caption_input *input, const cJSON *messages, const char *called, problem *p)
{
    const cJSON *message, *last = NULL;
    if (!cJSON_IsArray(messages) || cJSON_GetArraySize(messages) == 0)
        return problem_set(p, PROBLEM_BAD_JSON, "%s must be an array of messages", called);
    cJSON_ArrayForEach(message, messages)
    {
        const cJSON *content = member_of(message, "content");
        if (!cJSON_IsObject(message))
            return problem_set(p, PROBLEM_BAD_JSON, "every message must be an object");
        if (cJSON_IsArray(content) && has_image(content))
            last = content;
    }
    if (!last)
        return problem_set(p, PROBLEM_MISSING_IMAGE, "no message has an image: a part of type %s",
                           strcmp(called, "input") == 0 ? "input_image" : "image_url");
    return read_content(input, last, p);
}

int chat_read_images(caption_input *input, const cJSON *images, problem *p)
{
    const cJSON *each;
    if (!cJSON_IsArray(images))
        return problem_set(p, PROBLEM_BAD_JSON, "images must be an array of strings: images as base64");
    cJSON_ArrayForEach(each, images)
    {
        if (!cJSON_IsString(each))
            return problem_set(p, PROBLEM_BAD_JSON, "images: every element must be a string: an image as base64");
        if (caption_input_base64(input, each->valuestring, p))
            return 1;
    }
    return 0;
}

/* ---- options ----------------------------------------------------------------------------------------------------- */

int chat_read_model(caption_input *input, const cJSON *object, problem *p)
{
    const cJSON *model;
    if (json_optional(object, "model", cJSON_IsString, "a string", &model, p))
        return 1;
    return model ? caption_input_option(input, "model", model->valuestring, p) : 0;
}

static int set_number(caption_input *input, const char *name, int value, problem *p)
{
    char text[24];
    snprintf(text, sizeof text, "%d", value);
    return caption_input_option(input, name, text, p);
}

static int check_whole(const cJSON *number, problem *p)
{
    if (number->valuedouble >= 1 && number->valuedouble == floor(number->valuedouble))
        return 0;
    return problem_set(p, PROBLEM_BAD_OPTION, "%s must be a whole number from 1 on", number->string);
}

int chat_read_length(caption_input *input, const cJSON *limit, problem *p)
{
    if (!limit)
        return 0;
    return check_whole(limit, p) ||
           set_number(input, "max_words", limit->valuedouble > CAPTION_MAX_WORDS ? CAPTION_MAX_WORDS : limit->valueint,
                      p);
}

int chat_read_count(caption_input *input, const cJSON *n, problem *p)
{
    if (!n)
        return 0;
    if (check_whole(n, p))
        return 1;
    if (n->valuedouble > CAPTION_MAX_BEAM)
        return problem_set(p, PROBLEM_BAD_OPTION, "n must be at most %d", CAPTION_MAX_BEAM);
    if (n->valueint == 1)
        return 0;
    if (!caption_input_is_given(input, "decode") && caption_input_option(input, "decode", "beam", p))
        return 1;
    if (input->options.decode == CAPTION_BEAM && !caption_input_is_given(input, "beam") &&
        n->valueint > input->options.beam && set_number(input, "beam", n->valueint, p))
        return 1;
    return set_number(input, "n", n->valueint, p);
}

int chat_check_tools(const cJSON *object, problem *p)
{
    static const char *const free[] = {"auto", "none", NULL};
    const cJSON *choice = member_of(object, "tool_choice"), *older = member_of(object, "function_call");
    for (int i = 0; i < 2; i++) {
        const cJSON *each = i ? older : choice;
        const char *word = cJSON_GetStringValue(each), *mode = cJSON_GetStringValue(member_of(each, "mode"));
        if (!each || cJSON_IsNull(each) || (word && is_any_of(word, free)) || (mode && strcmp(mode, "auto") == 0))
            continue;
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: no tool can be called, so none can be required", each->string);
    }
    return 0;
}

int chat_read_logprobs(caption_input *input, int wanted, const format *f, const char *called, const cJSON *object,
                       problem *p)
{
    const cJSON *most;
    if (json_optional(object, "top_logprobs", cJSON_IsNumber, "a number", &most, p))
        return 1;
    if (most && most->valuedouble != 0)
        return problem_set(p, PROBLEM_BAD_OPTION, "top_logprobs: only the words that were chosen are reported");
    if (caption_input_is_given(input, "concepts"))
        return problem_set(p, PROBLEM_BAD_OPTION, "this answer has no place for concepts, but as tags of a schema");
    input->options.concepts = format_tags(f);
    input->logprobs |= wanted;
    if (input->logprobs && f->kind != FORMAT_TEXT)
        return problem_set(p, PROBLEM_BAD_OPTION, "logprobs: only of text, not together with %s", called);
    return 0;
}

/* ---- texts ------------------------------------------------------------------------------------------------------- */

int chat_choices(const caption_call *c)
{
    int most = 0;
    for (int i = 0; i < c->ticket.n; i++)
        if (c->ticket.images[i].n_others > most)
            most = c->ticket.images[i].n_others;
    return 1 + most;
}

const caption_result *chat_result(const caption_call *c, int i, int k)
{
    const ticket_image *image = &c->ticket.images[i];
    return k == 0 || k > image->n_others ? &image->result : &image->others[k - 1];
}

/* What probably applies to the images, the most probable of each first: words [most]; returns how many. */
static int find_tags(const caption_call *c, const char **words, int most)
{
    const float probable = 0.4f;
    int n = 0;
    for (int k = 0; k < CAPTION_MAX_CONCEPTS; k++)
        for (int i = 0; i < c->ticket.n && n < most; i++) {
            const caption_result *result = &c->ticket.images[i].result;
            if (k < result->n_concepts && result->concepts[k].probability >= probable)
                words[n++] = result->concepts[k].word;
        }
    return n;
}

char *chat_text(const caption_call *c, int k, const format *f)
{
    char *text = malloc((size_t)c->ticket.n * CAPTION_TEXT_BYTES), *end = text;
    for (int i = 0; text && i < c->ticket.n; i++)
        end += sprintf(end, "%s%s", i ? "\n" : "", chat_result(c, i, k)->text);
    const char *tags[CAPTION_MAX_CONCEPTS];
    char *formed = text ? format_write(f, text, tags, find_tags(c, tags, CAPTION_MAX_CONCEPTS)) : NULL;
    free(text);
    return formed;
}

int chat_is_finished(const caption_call *c, int k)
{
    for (int i = 0; i < c->ticket.n; i++)
        if (!chat_result(c, i, k)->finished)
            return 0;
    return 1;
}

int chat_words(const caption_call *c)
{
    int words = 0;
    for (int k = 0; k < chat_choices(c); k++)
        for (int i = 0; i < c->ticket.n; i++)
            words += chat_result(c, i, k)->words;
    return words;
}

size_t chat_piece(const char *text)
{
    return *text ? 1 + strcspn(text + 1, " \n") : 0;
}

/* `before` is the blank or line's end that stands before the word. */
static cJSON *token_of(const caption_token *token, const char *before)
{
    char text[CAPTION_TEXT_BYTES];
    cJSON *object = cJSON_CreateObject();
    snprintf(text, sizeof text, "%s%s", before, token->word);
    int good = cJSON_AddStringToObject(object, "token", text) &&
               json_add_rounded(object, "logprob", (double)token->logprob, 4);
    cJSON *bytes = cJSON_AddArrayToObject(object, "bytes");
    for (const char *b = text; good && bytes && *b; b++)
        good = cJSON_AddItemToArray(bytes, cJSON_CreateNumber((unsigned char)*b));
    return json_checked(object, good && bytes && cJSON_AddArrayToObject(object, "top_logprobs"));
}

cJSON *chat_logprobs(const caption_call *c, int k, int which)
{
    cJSON *list = cJSON_CreateArray();
    int good = list != NULL, at = 0;
    for (int i = 0; i < c->ticket.n; i++) {
        const caption_result *result = chat_result(c, i, k);
        for (int t = 0; good && t < result->words; t++, at++)
            if (which < 0 || which == at)
                good = cJSON_AddItemToArray(list, token_of(&result->tokens[t], t ? " " : i ? "\n" : ""));
    }
    return json_checked(list, good);
}

/* ---- streams ----------------------------------------------------------------------------------------------------- */

int chat_write(FILE *out, const char *before, cJSON *object, int good, const char *after)
{
    char *json = json_finish(object, good);
    if (json)
        fprintf(out, "%s%s%s", before, json, after);
    free(json);
    return json != NULL;
}

void chat_answer_stream(caption_call *c, const char *type, int (*write)(FILE *out, const caption_call *c))
{
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    int good = out && write(out, c);
    if (out && fclose(out) != 0)
        good = 0;
    if (!good) {
        free(text);
        text = NULL;
    }
    http_answer_bytes(c->request, type, text, size);
}
