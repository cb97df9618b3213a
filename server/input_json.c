/* input_json.c: {"image": "base64 or data URI", ...} or {"images": [...], ...}.
 *
 * The text is hostile. cJSON makes a node of some 70 bytes of every value, so a body of "[[[[" or "1,1,1,1" would cost
 * many times its size: the shape is bounded by a scan before cJSON sees it. */
#include <cjson/cJSON.h>
#include <ctype.h>
#include <nettle/base64.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/caption_input.h"

enum { MAX_DEPTH = 4, MAX_VALUES = 4096 };

/* ---- the scan -------------------------------------------------------------------------------------------------- */

/* The length of the string that begins with the quote at text[0], quotes included; 0 if it does not end or holds a
 * \u0000, which would end it early as a C string. */
static size_t scan_string(const char *text, size_t size)
{
    for (size_t i = 1; i < size; i++) {
        if (text[i] == '"')
            return i + 1;
        if (text[i] == '\\' && size - i >= 6 && memcmp(text + i, "\\u0000", 6) == 0)
            return 0;
        i += text[i] == '\\';
    }
    return 0;
}

static int check_shape(const char *text, size_t size, problem *p)
{
    int depth = 0, values = 0;
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '"') {
            size_t length = scan_string(text + i, size - i);
            if (length == 0)
                return problem_set(p, PROBLEM_BAD_JSON, "a string does not end, or holds a zero character");
            i += length - 1;
        } else if (text[i] == '[' || text[i] == '{') {
            depth++;
            values++;
        } else if (text[i] == ']' || text[i] == '}') {
            depth--;
        } else if (text[i] == ',') {
            values++;
        }
        if (depth > MAX_DEPTH || values > MAX_VALUES)
            return problem_set(p, PROBLEM_BAD_JSON, "deeper than %d levels or more than %d values", MAX_DEPTH,
                               MAX_VALUES);
    }
    return 0;
}

/* Parses a JSON object that stands alone; NULL with *p set otherwise. */
static cJSON *parse_object(const char *text, size_t size, problem *p)
{
    const char *end = NULL;
    cJSON *object = cJSON_ParseWithLengthOpts(text, size, &end, 0);
    if (!object) {
        problem_set(p, PROBLEM_BAD_JSON, "not JSON, from byte %zu on", end ? (size_t)(end - text) : 0);
        return NULL;
    }
    while (end < text + size && isspace((unsigned char)*end))
        end++;
    if (end == text + size && cJSON_IsObject(object))
        return object;
    problem_set(p, PROBLEM_BAD_JSON, cJSON_IsObject(object) ? "something follows the object" : "not an object");
    cJSON_Delete(object);
    return NULL;
}

/* ---- images ---------------------------------------------------------------------------------------------------- */

/* Skips "data:image/jpeg;base64,"; returns NULL with *p set if the URI is of another kind. */
static const char *skip_data_uri(const char *text, problem *p)
{
    static const char scheme[] = "data:", marker[] = ";base64";
    if (strncasecmp(text, scheme, sizeof scheme - 1) != 0)
        return text;
    const char *media = text + sizeof scheme - 1, *comma = strchr(media, ',');
    if (!comma || comma - media < (int)sizeof marker - 1 ||
        strncasecmp(comma - (sizeof marker - 1), marker, sizeof marker - 1) != 0) {
        problem_set(p, PROBLEM_BAD_BASE64, "a data URI has the form data:image/jpeg;base64,...");
        return NULL;
    }
    if (strncasecmp(media, "image/", 6) != 0 && *media != ';') {
        problem_set(p, PROBLEM_UNSUPPORTED_MEDIA, "the data URI is not of an image");
        return NULL;
    }
    return comma + 1;
}

static int add_base64(caption_input *input, const char *text, problem *p)
{
    text = skip_data_uri(text, p);
    if (!text)
        return 1;
    size_t length = strlen(text), size = BASE64_DECODE_LENGTH(length);
    unsigned char *bytes = malloc(size ? size : 1);
    if (!bytes)
        return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    struct base64_decode_ctx decoder;
    base64_decode_init(&decoder);
    if (!base64_decode_update(&decoder, &size, bytes, length, text) || !base64_decode_final(&decoder)) {
        free(bytes);
        return problem_set(p, PROBLEM_BAD_BASE64, "image %d of the request", input->n + 1);
    }
    return caption_input_add(input, bytes, size, p);
}

static int add_images(caption_input *input, const cJSON *member, problem *p)
{
    if (cJSON_IsString(member))
        return add_base64(input, member->valuestring, p);
    const cJSON *element;
    cJSON_ArrayForEach(element, member)
    {
        if (!cJSON_IsString(element))
            return problem_set(p, PROBLEM_BAD_JSON, "images: every element must be a string");
        if (add_base64(input, element->valuestring, p))
            return 1;
    }
    return 0;
}

/* ---- members --------------------------------------------------------------------------------------------------- */

static int read_option(caption_input *input, const cJSON *member, problem *p)
{
    char number[40];
    if (caption_input_is_number(member->string)) {
        if (!cJSON_IsNumber(member))
            return problem_set(p, PROBLEM_BAD_OPTION, "%s must be a number", member->string);
        snprintf(number, sizeof number, "%.17g", member->valuedouble);
        return caption_input_option(input, member->string, number, p);
    }
    const char *value = cJSON_GetStringValue(member);
    int status = caption_input_option(input, member->string, value, p);
    if (!value && p->kind != PROBLEM_UNKNOWN_OPTION)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s must be a string", member->string);
    return status;
}

static int read_members(caption_input *input, const cJSON *object, problem *p)
{
    int sources = 0;
    const cJSON *member;
    cJSON_ArrayForEach(member, object)
    {
        int one = strcmp(member->string, "image") == 0, many = strcmp(member->string, "images") == 0;
        if ((one && !cJSON_IsString(member)) || (many && !cJSON_IsArray(member)))
            return problem_set(p, PROBLEM_BAD_JSON, "%s must be %s", member->string,
                               one ? "a string" : "an array of strings");
        if ((one || many) && sources++ > 0)
            return problem_set(p, PROBLEM_BAD_JSON, "give image or images, once");
        if (one || many ? add_images(input, member, p) : read_option(input, member, p))
            return 1;
    }
    return 0;
}

int caption_input_json(caption_input *input, const char *text, size_t size, problem *p)
{
    if (check_shape(text, size, p))
        return 1;
    cJSON *object = parse_object(text, size, p);
    int status = object ? read_members(input, object, p) : 1;
    cJSON_Delete(object);
    return status;
}
