/* format.h: the form in which a client wants its text: as it is, or as JSON of a schema (OpenAI's response_format and
 * text.format, Ollama's format).
 *
 * A captioner has a sentence to give. So a schema is honoured if that is enough to fill it: one string of any name; or
 * an object of strings `alt_text` and `caption` and an array of strings `tags`, the words of the caption that are not
 * grammar. What else it requires is refused by name; what it does not require is left out. */
#ifndef SERVER_FORMAT_H
#define SERVER_FORMAT_H

#include <cjson/cJSON.h>

#include "server/http/problem.h"

enum { FORMAT_MEMBERS = 8, FORMAT_NAME_BYTES = 65 };

typedef struct format_member {
    char name[FORMAT_NAME_BYTES];
    int is_tags;
    int most; /* tags, at most */
} format_member;

typedef struct format {
    enum { FORMAT_TEXT, FORMAT_STRING, FORMAT_OBJECT } kind;
    format_member members[FORMAT_MEMBERS]; /* FORMAT_OBJECT */
    int n;
} format;

/* All return 0, or 1 with *p set. `called` is the member of the request that the refusal names. */

/* {"caption": "..."}, where JSON is wanted and no schema given. */
void format_any_object(format *f);
int format_read_schema(format *f, const cJSON *schema, const char *called, problem *p);

/* {"type": "text" | "json_object" | "json_schema", ...}: the schema is in `schema`, or in `json_schema.schema`. NULL is
 * text. */
int format_read_openai(format *f, const cJSON *wanted, const char *called, problem *p);

/* How many tags it has room for; 0: none are wanted. */
int format_tags(const format *f);

/* The text in that form, malloc'd; NULL when out of memory. tags [n]: words for tags, those of the text if there are
 * none. */
char *format_write(const format *f, const char *text, const char *const *tags, int n);

#endif
