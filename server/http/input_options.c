/* input_options.c: options of requests, read into the variables of an option table (base/options.h).
 *
 * All forms become text first, so that a value has one check and one refusal wherever it comes from; what JSON adds is
 * that a number, a string and a truth value are different things. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/http/input.h"
#include "server/http/json.h"

enum { NUMBER_BYTES = 40, NAME_BYTES = 64 };

int input_option(input_options *o, const char *name, const char *value, problem *p)
{
    char reason[OPTION_REASON_BYTES];
    int i = option_find(o->table, name);
    if (i < 0)
        return input_refuse_name(name, 0, p);
    if (o->given >> i & 1)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: given twice", name);
    o->given |= 1ULL << i;
    return option_set(&o->table[i], value, reason)
               ? problem_echo(p, PROBLEM_BAD_OPTION, "%s: \"%.40s\" %s", name, value, reason)
               : 0;
}

int input_option_part(input_options *o, const input_part *part, problem *p)
{
    if (option_find(o->table, part->name) < 0)
        return input_refuse_part(part, p);
    if (memchr(part->bytes, '\0', part->size))
        return problem_set(p, PROBLEM_BAD_OPTION, "%.64s: the value has a zero byte", part->name);
    return input_option(o, part->name, (const char *)part->bytes, p);
}

/* What JSON has to write the option as. */
static const char *type_of(const option *o)
{
    switch (o->type) {
    case OPTION_INTEGER:
    case OPTION_REAL:
    case OPTION_SEED:
        return "a number";
    case OPTION_FLAG:
        return "true or false";
    case OPTION_LABEL:
        return "a string or a number";
    case OPTION_ENUM:
        return caption_option_choice(o->argument, "true") < 0 ? "a string" : "true, false or a string";
    default:
        return "a string";
    }
}

/* The value as text; NULL if it is of the wrong type. */
static const char *text_of(const option *o, const cJSON *member, char number[NUMBER_BYTES])
{
    const char *type = type_of(o);
    snprintf(number, NUMBER_BYTES, "%.15g",
             member->valuedouble); /* as people write it, where that is the same number */
    if (strtod(number, NULL) != member->valuedouble)
        snprintf(number, NUMBER_BYTES, "%.17g", member->valuedouble);
    if (cJSON_IsNumber(member))
        return strstr(type, "number") ? number : NULL;
    if (cJSON_IsBool(member))
        return strstr(type, "true") ? (cJSON_IsTrue(member) ? "true" : "false") : NULL;
    return strstr(type, "string") ? cJSON_GetStringValue(member) : NULL;
}

int input_option_member(input_options *o, const cJSON *member, problem *p)
{
    char number[NUMBER_BYTES];
    int i = option_find(o->table, member->string);
    if (i < 0)
        return input_refuse_member(member, p);
    const char *text = text_of(&o->table[i], member, number);
    if (!text)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s must be %s", member->string, type_of(&o->table[i]));
    if (o->table[i].type == OPTION_SEED && member->valuedouble > json_most_integer)
        return problem_set(p, PROBLEM_BAD_OPTION, "%s: %s is more than a JSON number holds exactly, %.0f",
                           member->string, number, json_most_integer);
    return input_option(o, member->string, text, p);
}

int input_option_is_given(const input_options *o, const char *name)
{
    int i = option_find(o->table, name);
    return i >= 0 && o->given >> i & 1;
}

int input_option_add(cJSON *object, const option *o)
{
    char name[NAME_BYTES];
    snprintf(name, sizeof name, "%s", o->name);
    for (char *c = name; *c; c++)
        *c = *c == '-' ? '_' : *c;
    switch (o->type) {
    case OPTION_INTEGER:
        return cJSON_AddNumberToObject(object, name, *(const int *)o->value) != NULL;
    case OPTION_REAL:
        return cJSON_AddNumberToObject(object, name, *(const double *)o->value) != NULL;
    case OPTION_SEED:
        return json_add_integer(object, name, *(const uint64_t *)o->value);
    case OPTION_FLAG:
        return cJSON_AddBoolToObject(object, name, *(const int *)o->value) != NULL;
    default: /* a buffer; an empty one was not given */
        return !*(const char *)o->value || cJSON_AddStringToObject(object, name, o->value);
    }
}
