/* item_input.c: see item_input.h. */
#include "server/api/item_input.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "model/dataset.h"
#include "server/http/input.h"
#include "server/http/json.h"

void item_input_free(void *context)
{
    item_input *input = context;
    if (!input)
        return;
    for (int i = 0; i < input->n; i++)
        free(input->captions[i]);
    free(input->captions);
    free(input->image);
    free(input);
}

static item_input *new_input(int max_captions)
{
    item_input *input = calloc(1, sizeof *input);
    if (input && !(input->captions = calloc((size_t)max_captions, sizeof *input->captions))) {
        free(input);
        return NULL;
    }
    if (input)
        input->max_captions = max_captions;
    return input;
}

/* ---- parts ----------------------------------------------------------------------------------------------------- */

/* Takes bytes, also on failure. */
static int set_image(item_input *input, unsigned char *bytes, size_t size, problem *p)
{
    if (input->image) {
        free(bytes);
        return problem_set(p, PROBLEM_TOO_MANY_IMAGES, "an item has one image");
    }
    input->image = bytes;
    input->size = size;
    return 0;
}

/* A file's last newline, or a blank before the words, is not meant. */
static void trim(const char **text, size_t *size)
{
    while (*size > 0 && isspace((unsigned char)(*text)[*size - 1]))
        --*size;
    while (*size > 0 && isspace((unsigned char)**text)) {
        ++*text;
        --*size;
    }
}

static int add_caption(item_input *input, const char *text, size_t size, problem *p)
{
    caption_error err;
    if (input->n == input->max_captions)
        return problem_set(p, PROBLEM_LIMIT_REACHED, "more than %d captions", input->max_captions);
    trim(&text, &size);
    if (caption_dataset_check(text, size, &err))
        return problem_set(p, PROBLEM_BAD_CAPTION, "caption %d: %s", input->n + 1, err.message);
    char *copy = strndup(text, size);
    if (!copy)
        return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    input->captions[input->n++] = copy;
    return 0;
}

static int add_part(void *context, input_part *part, problem *p)
{
    item_input *input = context;
    if (strcmp(part->name, "caption") == 0)
        return add_caption(input, (const char *)part->bytes, part->size, p);
    if (strcmp(part->name, "image") != 0)
        return input_refuse_part(part, p);
    unsigned char *bytes = part->bytes;
    part->bytes = NULL;
    return set_image(input, bytes, part->size, p);
}

/* ---- members --------------------------------------------------------------------------------------------------- */

static int add_captions(item_input *input, const cJSON *member, problem *p)
{
    const cJSON *element;
    if (!cJSON_IsArray(member))
        return problem_set(p, PROBLEM_BAD_JSON, "captions must be an array of strings");
    cJSON_ArrayForEach(element, member)
    {
        if (!cJSON_IsString(element))
            return problem_set(p, PROBLEM_BAD_JSON, "captions: every element must be a string");
        if (add_caption(input, element->valuestring, strlen(element->valuestring), p))
            return 1;
    }
    return 0;
}

static int add_base64(item_input *input, const cJSON *member, problem *p)
{
    unsigned char *bytes;
    size_t size;
    if (!cJSON_IsString(member))
        return problem_set(p, PROBLEM_BAD_JSON, "image must be a string");
    return input_base64(member->valuestring, "image", &bytes, &size, p) || set_image(input, bytes, size, p);
}

static int read_member(item_input *input, const cJSON *member, problem *p)
{
    if (strcmp(member->string, "image") == 0)
        return add_base64(input, member, p);
    if (strcmp(member->string, "captions") == 0)
        return add_captions(input, member, p);
    return input_refuse_member(member, p);
}

static int read_json(item_input *input, const http_request *r, problem *p)
{
    cJSON *object = json_parse_object((const char *)r->body, r->size, p);
    int failed = object == NULL;
    for (const cJSON *member = object ? object->child : NULL; member && !failed; member = member->next)
        failed = json_check_once(object, member, p) || read_member(input, member, p);
    cJSON_Delete(object);
    return failed;
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

static int read_body(item_input *input, const http_request *r, problem *p)
{
    if (r->size == 0)
        return problem_set(p, PROBLEM_EMPTY_BODY, "send form data or JSON");
    input_kind kind = input_body_kind(r);
    if (kind == INPUT_FORM)
        return input_form(r, add_part, input, p);
    if (kind == INPUT_JSON)
        return read_json(input, r, p);
    return input_refuse_type(r, "multipart/form-data, application/json", p);
}

static int check(item_input *input, const config *c, problem *p)
{
    if (!input->image)
        return problem_set(p, PROBLEM_MISSING_IMAGE, "no part or member called image");
    if (input->n == 0)
        return problem_set(p, PROBLEM_MISSING_CAPTION, "no part called caption, or no member called captions");
    return input_check_image(input->image, input->size, c, "", &input->width, &input->height, p);
}

item_input *item_input_read(http_request *r, problem *p)
{
    item_input *input = new_input(r->http->config->max_captions);
    if (!input)
        problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    else if (!input_refuse_query(r, p) && !read_body(input, r, p) && !check(input, r->http->config, p))
        return input;
    item_input_free(input);
    return NULL;
}
