/* caption_input.c: the images and options of one request; see caption_input.h. */
#include "server/api/caption_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "model/dataset.h"
#include "server/http/json.h"

/* ---- options --------------------------------------------------------------------------------------------------- */

/* Ours, then those of the library that decide the words; where captions are given, only those that scoring them reads.
 */
static void list_options(caption_input *input)
{
    const option own[] = {
        {"model", OPTION_BUFFER, input->model, 0, sizeof input->model, NULL, NULL},
        {"attention", OPTION_ENUM, &input->attention, 0, 0, "false|true|overlay", NULL},
        {"logprobs", OPTION_FLAG, &input->logprobs, 0, 1, NULL, NULL},
    };
    size_t n = input->max_texts ? 2 : 3;
    memcpy(input->table, own, n * sizeof *own);
    input->table[n] = (option){0};
    if (!input->max_texts)
        options_of(caption_option_at, &input->options, input->table + n);
    input->given.table = input->table;
}

/* ---- images ---------------------------------------------------------------------------------------------------- */

int caption_input_new(caption_input *input, int max_images, problem *p)
{
    *input = (caption_input){.max_images = max_images, .options = caption_defaults()};
    list_options(input);
    input->images = calloc((size_t)max_images, sizeof *input->images);
    return input->images ? 0 : problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
}

void caption_input_free(caption_input *input)
{
    for (int i = 0; i < input->n; i++)
        free(input->images[i].bytes);
    free(input->images);
    for (int i = 0; i < input->n_texts; i++)
        free(input->texts[i]);
    free(input->texts);
    *input = (caption_input){0};
}

int caption_input_add(caption_input *input, unsigned char *bytes, size_t size, problem *p)
{
    if (input->n == input->max_images) {
        free(bytes);
        return problem_set(p, PROBLEM_TOO_MANY_IMAGES, "more than %d image%s", input->max_images,
                           input->max_images == 1 ? "" : "s");
    }
    input->images[input->n++] = (input_image){bytes, size};
    return 0;
}

/* ---- captions -------------------------------------------------------------------------------------------------- */

int caption_input_take_texts(caption_input *input, int most, problem *p)
{
    input->texts = calloc((size_t)most, sizeof *input->texts);
    input->max_texts = most;
    list_options(input);
    return input->texts ? 0 : problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
}

int caption_input_is_text(const caption_input *input, const char *name)
{
    return input->max_texts > 0 && strcmp(name, "caption") == 0;
}

int caption_input_text(caption_input *input, const char *text, size_t length, problem *p)
{
    caption_error err;
    if (input->n_texts == input->max_texts)
        return problem_set(p, PROBLEM_BAD_OPTION, "caption: more than %d", input->max_texts);
    if (caption_dataset_check(text, length, &err) != CAPTION_OK)
        return problem_set(p, PROBLEM_BAD_CAPTION, "caption %d %s", input->n_texts + 1, err.message);
    char *copy = strndup(text, length);
    if (!copy)
        return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    input->texts[input->n_texts++] = copy;
    return 0;
}

/* ---- reading options ---------------------------------------------------------------------------------------- */

int caption_input_is_option(const caption_input *input, const char *name)
{
    return option_find(input->table, name) >= 0;
}

int caption_input_is_given(const caption_input *input, const char *name)
{
    return input_option_is_given(&input->given, name);
}

int caption_input_option(caption_input *input, const char *name, const char *value, problem *p)
{
    const char *text = value ? value : "";
    if (caption_input_is_text(input, name))
        return caption_input_text(input, text, strlen(text), p);
    if (strcmp(name, "model") == 0 && strlen(text) >= sizeof input->model)
        return problem_set(p, PROBLEM_UNKNOWN_MODEL, "there is no model \"%.64s...\"", text);
    return input_option(&input->given, name, text, p);
}

int caption_input_texts_alone(const caption_input *input, int most, problem *p)
{
    if (input->logprobs || input->attention || input->options.concepts)
        return problem_set(p, PROBLEM_BAD_OPTION, "this answer has no place for %s",
                           input->logprobs    ? "logprobs"
                           : input->attention ? "attention"
                                              : "concepts");
    if (input->options.n > most)
        return problem_set(p, PROBLEM_BAD_OPTION, "n: this answer has place for %d", most);
    return 0;
}

int caption_input_finish(caption_input *input, problem *p)
{
    caption_error err;
    if (caption_options_check(&input->options, &err) != CAPTION_OK)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s", err.message);
    if (input->options.decode == CAPTION_SAMPLE && !caption_input_is_given(input, "seed")) {
        uint64_t bits = 0;
        if (getrandom(&bits, sizeof bits, 0) != sizeof bits)
            return problem_set(p, PROBLEM_INTERNAL, "no random numbers");
        input->options.seed = bits >> 11; /* what a JSON number can hold exactly */
    }
    return 0;
}

/* ---- JSON: {"image": "base64 or data URI", ...} or {"images": [...], ...}
 * ---------------------------------------------------------------------------------------------------- */

int caption_input_base64(caption_input *input, const char *text, problem *p)
{
    char called[48];
    unsigned char *bytes;
    size_t size;
    snprintf(called, sizeof called, "image %d of the request", input->n + 1);
    return input_base64(text, called, &bytes, &size, p) || caption_input_add(input, bytes, size, p);
}

static int add_images(caption_input *input, const cJSON *member, problem *p)
{
    if (cJSON_IsString(member))
        return caption_input_base64(input, member->valuestring, p);
    const cJSON *element;
    cJSON_ArrayForEach(element, member)
    {
        if (!cJSON_IsString(element))
            return problem_set(p, PROBLEM_BAD_JSON, "images: every element must be a string");
        if (caption_input_base64(input, element->valuestring, p))
            return 1;
    }
    return 0;
}

int caption_input_member(caption_input *input, const cJSON *member, problem *p)
{
    const char *text = cJSON_GetStringValue(member);
    return text && strcmp(member->string, "model") == 0 ? caption_input_option(input, member->string, text, p)
                                                        : input_option_member(&input->given, member, p);
}

/* "caption": "..." or "captions": ["...", ...] */
static int read_texts(caption_input *input, const cJSON *member, problem *p)
{
    const cJSON *element;
    if (cJSON_IsString(member))
        return caption_input_text(input, member->valuestring, strlen(member->valuestring), p);
    if (!cJSON_IsArray(member))
        return problem_set(p, PROBLEM_BAD_JSON, "%s must be a string or an array of strings", member->string);
    cJSON_ArrayForEach(element, member)
    {
        if (!cJSON_IsString(element))
            return problem_set(p, PROBLEM_BAD_JSON, "captions: every element must be a string");
        if (caption_input_text(input, element->valuestring, strlen(element->valuestring), p))
            return 1;
    }
    return 0;
}

static int read_member(caption_input *input, const cJSON *member, problem *p)
{
    if (caption_input_is_text(input, member->string) || (input->max_texts && strcmp(member->string, "captions") == 0))
        return read_texts(input, member, p);
    return caption_input_member(input, member, p);
}

static int read_members(caption_input *input, const cJSON *object, problem *p)
{
    int sources = 0;
    const cJSON *member;
    cJSON_ArrayForEach(member, object)
    {
        int one = strcmp(member->string, "image") == 0, many = strcmp(member->string, "images") == 0;
        if (json_check_once(object, member, p))
            return 1;
        if ((one && !cJSON_IsString(member)) || (many && !cJSON_IsArray(member)))
            return problem_set(p, PROBLEM_BAD_JSON, "%s must be %s", member->string,
                               one ? "a string" : "an array of strings");
        if ((one || many) && sources++ > 0)
            return problem_set(p, PROBLEM_BAD_JSON, "give image or images, not both");
        if (one || many ? add_images(input, member, p) : read_member(input, member, p))
            return 1;
    }
    return 0;
}

static int read_json(caption_input *input, const char *text, size_t size, problem *p)
{
    cJSON *object = json_parse_object(text, size, p);
    int status = object ? read_members(input, object, p) : 1;
    cJSON_Delete(object);
    return status;
}

/* ---- form data: each part called `image` is one, where captions are taken `caption` one of them ---- */

static int add_part(void *context, input_part *part, problem *p)
{
    caption_input *input = context;
    if (strcmp(part->name, "image") == 0) {
        unsigned char *bytes = part->bytes;
        part->bytes = NULL;
        return caption_input_add(input, bytes, part->size, p);
    }
    if (caption_input_is_text(input, part->name))
        return caption_input_text(input, (const char *)part->bytes, part->size, p);
    return strcmp(part->name, "model") == 0 ? caption_input_option(input, part->name, (const char *)part->bytes, p)
                                            : input_option_part(&input->given, part, p);
}

/* ---- the query, and the body in whichever form it came ---- */

typedef struct parameter_reader {
    caption_input *input;
    problem *problem;
} parameter_reader;

static int read_parameter(void *context, const char *name, const char *value)
{
    parameter_reader *reader = context;
    return caption_input_option(reader->input, name, value, reader->problem);
}

int caption_input_query(caption_input *input, const http_request *r, problem *p)
{
    parameter_reader reader = {input, p};
    return http_each_parameter(r, read_parameter, &reader);
}

int caption_input_body(caption_input *input, http_request *r, problem *p)
{
    if (r->size == 0)
        return problem_set(p, PROBLEM_EMPTY_BODY, "send an image, form data or JSON");
    switch (input_body_kind(r)) {
    case INPUT_FORM:
        return input_form(r, add_part, input, p);
    case INPUT_JSON:
        return read_json(input, (const char *)r->body, r->size, p);
    case INPUT_OTHER:
        return input_refuse_type(r, "image/*, application/octet-stream, multipart/form-data, application/json", p);
    case INPUT_IMAGE:
        break;
    }
    unsigned char *bytes = r->body;
    r->body = NULL;
    return caption_input_add(input, bytes, r->size, p);
}
