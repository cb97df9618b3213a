/* format.c: see format.h. */
#include "server/api/compat/format.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/caption.h"
#include "server/http/json.h"

/* ---- schemas ----------------------------------------------------------------------------------------------------- */

static const cJSON *member_of(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* "#/$defs/alt" within the whole schema, as zod and pydantic write it; anything else is what it is. */
static const cJSON *resolve(const cJSON *schema, const cJSON *whole)
{
    const char *path = cJSON_GetStringValue(member_of(schema, "$ref"));
    if (!path || strncmp(path, "#", 1) != 0)
        return schema;
    const cJSON *at = whole;
    for (path++; *path == '/' && at;) {
        char name[128];
        size_t length = strcspn(++path, "/");
        if (length >= sizeof name)
            return NULL;
        snprintf(name, sizeof name, "%.*s", (int)length, path);
        at = member_of(at, name);
        path += length;
    }
    return at;
}

/* 1 if the schema allows that type: "type" is it, or a list with it; or one of "anyOf" does. */
static int allows(const cJSON *schema, const char *type)
{
    const cJSON *types = member_of(schema, "type"), *each;
    const char *one = cJSON_GetStringValue(types);
    if (one)
        return strcmp(one, type) == 0;
    cJSON_ArrayForEach(each, types)
    {
        one = cJSON_GetStringValue(each);
        if (one && strcmp(one, type) == 0)
            return 1;
    }
    cJSON_ArrayForEach(each, member_of(schema, "anyOf"))
    {
        if (allows(each, type))
            return 1;
    }
    return 0;
}

/* The first keyword of a schema that a caption may not satisfy, or NULL. */
static const char *constraint(const cJSON *schema)
{
    static const char *const keywords[] = {"enum",     "const", "pattern", "format", "minLength", "maxLength",
                                           "minItems", "not",   "allOf",   "if",     "contains"};
    for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
        if (member_of(schema, keywords[i]))
            return keywords[i];
    return NULL;
}

static int is_required(const cJSON *object, const char *name)
{
    const cJSON *each;
    cJSON_ArrayForEach(each, member_of(object, "required"))
    {
        if (cJSON_IsString(each) && strcmp(each->valuestring, name) == 0)
            return 1;
    }
    return 0;
}

static int is_text_name(const char *name)
{
    return strcmp(name, "alt_text") == 0 || strcmp(name, "caption") == 0;
}

static int count_strings(const cJSON *properties, const cJSON *whole)
{
    const cJSON *each;
    int n = 0;
    cJSON_ArrayForEach(each, properties) n += allows(resolve(each, whole), "string");
    return n;
}

/* What cannot be filled about a property, or NULL; whether it is one of tags. */
static const char *property_fault(const cJSON *property, const char *name, int strings, int *is_tags)
{
    const char *keyword = constraint(property);
    *is_tags = 0;
    if (keyword)
        return keyword;
    if (allows(property, "string"))
        return strings == 1 || is_text_name(name) ? NULL : "a string besides others";
    *is_tags = strcmp(name, "tags") == 0 && allows(property, "array") &&
               allows(member_of(property, "items"), "string") && !constraint(member_of(property, "items"));
    return *is_tags ? NULL : "type";
}

static int add_property(format *f, const cJSON *property, const char *name, int is_tags, const char *called, problem *p)
{
    const cJSON *most = member_of(property, "maxItems");
    if (f->n == FORMAT_MEMBERS || strlen(name) >= FORMAT_NAME_BYTES)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: too many properties, or too long a name", called);
    format_member *m = &f->members[f->n++];
    strcpy(m->name, name);
    m->is_tags = is_tags;
    m->most = cJSON_IsNumber(most) && most->valuedouble >= 0 && most->valuedouble < INT_MAX ? most->valueint : INT_MAX;
    return 0;
}

static int read_properties(format *f, const cJSON *object, const cJSON *whole, const char *called, problem *p)
{
    const cJSON *properties = member_of(object, "properties"), *each;
    int strings = count_strings(properties, whole);
    cJSON_ArrayForEach(each, properties)
    {
        int is_tags;
        const cJSON *property = resolve(each, whole);
        const char *fault = property_fault(property, each->string, strings, &is_tags);
        if (fault && is_required(object, each->string))
            return problem_set(
                p, PROBLEM_BAD_OPTION,
                "%s: property \"%.64s\" (%s) cannot be filled: there is one string, or alt_text, caption "
                "and tags",
                called, each->string, fault);
        if (!fault && add_property(f, property, each->string, is_tags, called, p))
            return 1;
    }
    cJSON_ArrayForEach(each, member_of(object, "required"))
    {
        if (cJSON_IsString(each) && !member_of(properties, each->valuestring))
            return problem_set(p, PROBLEM_BAD_OPTION, "%s: \"%.64s\" is required and no property", called,
                               each->valuestring);
    }
    if (f->n == 0 && properties && properties->child)
        return problem_set(p, PROBLEM_BAD_OPTION,
                           "%s: no property can be filled: there is one string, or alt_text, caption "
                           "and tags",
                           called);
    return 0;
}

void format_any_object(format *f)
{
    *f = (format){.kind = FORMAT_OBJECT, .members = {{.name = "caption"}}, .n = 1};
}

int format_read_schema(format *f, const cJSON *schema, const char *called, problem *p)
{
    *f = (format){.kind = FORMAT_OBJECT};
    const cJSON *root = resolve(schema, schema);
    if (!cJSON_IsObject(root))
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: the schema must be an object", called);
    const char *keyword = constraint(root);
    if (keyword)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: %s in the schema cannot be promised", called, keyword);
    if (allows(root, "string")) {
        f->kind = FORMAT_STRING;
        return 0;
    }
    if (member_of(root, "type") && !allows(root, "object"))
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: the schema's type must be object or string", called);
    if (read_properties(f, root, schema, called, p))
        return 1;
    if (f->n == 0)
        format_any_object(f);
    return 0;
}

int format_read_openai(format *f, const cJSON *wanted, const char *called, problem *p)
{
    *f = (format){.kind = FORMAT_TEXT};
    if (!wanted)
        return 0;
    const char *type = cJSON_GetStringValue(member_of(wanted, "type"));
    if (!type)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s must have a type", called);
    if (strcmp(type, "text") == 0)
        return 0;
    if (strcmp(type, "json_object") == 0) {
        format_any_object(f);
        return 0;
    }
    if (strcmp(type, "json_schema") != 0)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: type %.40s: there is text, json_object and json_schema", called,
                           type);
    const cJSON *within = member_of(wanted, "json_schema");
    return format_read_schema(f, member_of(within ? within : wanted, "schema"), called, p);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* Words that tell how things are put together, not what is there. */
static int is_grammar(const char *word)
{
    static const char words[] =
        " a an the and or but while as with without of in on at by for from to into onto over under near next beside "
        "behind "
        "above below between through across along around against up down off out inside outside front back top side "
        "together his her its their he she it they them him who which that this these those there is are was were be "
        "being been has have having one two three four some several many other another each very while all ";
    char padded[40];
    return snprintf(padded, sizeof padded, " %s ", word) < (int)sizeof padded && strstr(words, padded);
}

static int has_string(const cJSON *array, const char *text)
{
    const cJSON *each;
    cJSON_ArrayForEach(each, array)
    {
        if (strcmp(each->valuestring, text) == 0)
            return 1;
    }
    return 0;
}

int format_tags(const format *f)
{
    int most = 0;
    for (int i = 0; i < f->n; i++)
        if (f->members[i].is_tags && f->members[i].most > most)
            most = f->members[i].most;
    return most < CAPTION_MAX_CONCEPTS ? most : CAPTION_MAX_CONCEPTS;
}

/* What is known to apply, each once. */
static cJSON *tags_from(const char *const *tags, int n, int most)
{
    cJSON *array = cJSON_CreateArray();
    int good = array != NULL;
    for (int i = 0; good && i < n && cJSON_GetArraySize(array) < most; i++)
        if (!has_string(array, tags[i]))
            good = cJSON_AddItemToArray(array, cJSON_CreateString(tags[i]));
    return json_checked(array, good);
}

/* The words of the text, each once. */
static cJSON *tags_of(const char *text, int most)
{
    cJSON *array = cJSON_CreateArray();
    int good = array != NULL;
    while (good && *text && cJSON_GetArraySize(array) < most) {
        char word[64];
        text += strspn(text, " \n.,");
        size_t length = strcspn(text, " \n.,");
        snprintf(word, sizeof word, "%.*s", (int)length, text);
        text += length;
        if (*word && !is_grammar(word) && !has_string(array, word))
            good = cJSON_AddItemToArray(array, cJSON_CreateString(word));
    }
    return json_checked(array, good);
}

static char *write_object(const format *f, const char *text, const char *const *tags, int n)
{
    cJSON *object = cJSON_CreateObject();
    int good = object != NULL;
    for (int i = 0; good && i < f->n; i++) {
        const format_member *m = &f->members[i];
        cJSON *value = !m->is_tags ? cJSON_CreateString(text)
                       : n > 0     ? tags_from(tags, n, m->most)
                                   : tags_of(text, m->most);
        good = value && cJSON_AddItemToObject(object, m->name, value);
    }
    return json_finish(object, good);
}

char *format_write(const format *f, const char *text, const char *const *tags, int n)
{
    if (f->kind == FORMAT_TEXT)
        return strdup(text);
    if (f->kind == FORMAT_OBJECT)
        return write_object(f, text, tags, n);
    cJSON *string = cJSON_CreateString(text);
    return json_finish(string, string != NULL);
}
