/* input.h: reading request bodies: what the routes that take images have in common. */
#ifndef SERVER_INPUT_H
#define SERVER_INPUT_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "model/caption.h"
#include "server/http/http.h"

/* 1 if a Content-Type, its parameters apart, is `type`; a type ending in '/' matches all of its kind. */
int input_is_type(const char *content_type, const char *type);

typedef enum input_kind { INPUT_FORM, INPUT_JSON, INPUT_IMAGE, INPUT_OTHER } input_kind;

/* What the body is: as the Content-Type says; where that is absent or what clients send when nobody told them, as the
 * bytes say. Bytes that are an image are one under any type but those of forms and JSON. */
input_kind input_body_kind(const http_request *request);

/* 1 if the body is JSON where no raw image is taken: the Content-Type says so, or says nothing and it is no image. */
int input_is_json(const http_request *request);

enum { INPUT_NAME_BYTES = 256 };

typedef struct input_part {
    char name[INPUT_NAME_BYTES];
    unsigned char *bytes; /* malloc'd, with a NUL after them; `each` may take them by setting this to NULL */
    size_t size;
    int is_file; /* it came with a file name */
} input_part;

/* The rest return 0, or 1 with *p set. */

/* Refuses the Content-Type; `taken` lists those that the route takes. */
int input_refuse_type(const http_request *request, const char *taken, problem *p);

/* Calls `each` for the query's parameters until it returns non-zero (with *p set). A value is "" where none is given. A
 * name that comes again is refused. */
int input_read_query(const http_request *request, int (*each)(void *context, const char *name, const char *value),
                     void *context, problem *p);

/* Refuses any parameter by name. */
int input_refuse_query(const http_request *request, problem *p);

typedef struct input_page {
    int limit;
    char after[HTTP_PARAMETER_BYTES]; /* "": from the first */
} input_page;

/* The query of a list: ?limit=1..500&after=CURSOR, both optional. */
int input_read_page(const http_request *request, input_page *page, problem *p);

int input_refuse_body(const http_request *request, problem *p);

/* Refuses a query and a body. */
int input_read_nothing(const http_request *request, problem *p);

/* Takes multipart/form-data apart and calls `each` for every part until it returns non-zero (with *p set). */
int input_form(const http_request *request, int (*each)(void *context, input_part *part, problem *p), void *context,
               problem *p);

/* ---- options (base/options.h): one reader for query, form and JSON -------------------------------------------------
 */

typedef struct input_options {
    const option *table;
    unsigned long long given; /* a bit a row: given already */
} input_options;

/* Sets an option. An unknown name, a second value, a wrong one, and in JSON one of the wrong type is refused by name.
 * As text; as a part of a form; as a member of JSON. */
int input_option(input_options *o, const char *name, const char *value, problem *p);
int input_option_part(input_options *o, const input_part *part, problem *p);
int input_option_member(input_options *o, const cJSON *member, problem *p);

/* 1 if it was given. */
int input_option_is_given(const input_options *o, const char *name);

/* Adds an option's value as a member, so that input_option_member reads it again. 0 when out of memory. */
int input_option_add(cJSON *object, const option *o);

/* ---- refusals -----------------------------------------------------------------------------------------------------
 */

/* Refuses a name that the route does not know: always 1. If what it names looks like the image, or if people often call
 * the image so, the refusal says how it must be called. */
int input_refuse_name(const char *name, int is_image, problem *p);
int input_refuse_part(const input_part *part, problem *p);
int input_refuse_member(const cJSON *member, problem *p);

/* Base64 or a data URI of an image; *bytes is malloc'd. `called` names it in the refusal. */
int input_base64(const char *text, const char *called, unsigned char **bytes, size_t *size, problem *p);

/* Checks an image by its header, which costs microseconds; size may be 0. Width and height are those stored in it.
 * `called` stands before the reason: "image 2 of 3: " or "". */
int input_check_image(const unsigned char *bytes, size_t size, const config *c, const char *called, int *width,
                      int *height, problem *p);

/* An image's fault (a caption_status) as a problem. */
int input_refuse_image(int status, const char *called, const char *reason, problem *p);

#endif
