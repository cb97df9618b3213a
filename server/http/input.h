/* input.h: reading request bodies: what the routes that take images have in common. */
#ifndef SERVER_INPUT_H
#define SERVER_INPUT_H

#include <stddef.h>

#include "server/http/http.h"

/* 1 if a Content-Type, its parameters apart, is `type`; a type ending in '/' matches all of its kind. */
int input_is_type(const char *content_type, const char *type);

/* 1 if the body is an image as it is: the Content-Type says so, or says nothing and the bytes do. */
int input_is_raw_image(const http_request *request);

/* 1 if the body is JSON where no raw image is taken: the Content-Type says so, or says nothing and it is no image. */
int input_is_json(const http_request *request);

enum { INPUT_NAME_BYTES = 256 };

typedef struct input_part {
    char name[INPUT_NAME_BYTES];
    unsigned char *bytes; /* malloc'd, with a NUL after them; `each` may take them by setting this to NULL */
    size_t size;
} input_part;

/* The rest return 0, or 1 with *p set. */

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

/* Base64 or a data URI of an image; *bytes is malloc'd. `called` names it in the refusal. */
int input_base64(const char *text, const char *called, unsigned char **bytes, size_t *size, problem *p);

/* Checks an image by its header, which costs microseconds; size may be 0. Width and height are those stored in it.
 * `called` stands before the reason: "image 2 of 3: " or "". */
int input_check_image(const unsigned char *bytes, size_t size, const config *c, const char *called, int *width,
                      int *height, problem *p);

/* An image's fault (a caption_status) as a problem. */
int input_refuse_image(int status, const char *called, const char *reason, problem *p);

#endif
