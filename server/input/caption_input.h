/* caption_input.h: what a client asks of the captioner, whichever of the three forms it came in: a raw image body,
 * multipart/form-data, or JSON. Options have one table and one check for query parameters, form fields and JSON
 * members. */
#ifndef SERVER_CAPTION_INPUT_H
#define SERVER_CAPTION_INPUT_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "server/captions/weights.h"
#include "server/http/http.h"

typedef struct input_image {
    unsigned char *bytes; /* malloc'd */
    size_t size;
} input_image;

typedef struct caption_input {
    input_image *images; /* [max_images] */
    int n, max_images;
    int max_words;                  /* 0: the default */
    char model[WEIGHTS_NAME_BYTES]; /* "": the default */
    unsigned given;                 /* options seen so far, one bit each */
} caption_input;

/* All return 0, or 1 with *p set. */

int caption_input_new(caption_input *input, int max_images, problem *p);
void caption_input_free(caption_input *input);

/* Adds an image; `bytes` (malloc'd) is taken, also on failure. */
int caption_input_add(caption_input *input, unsigned char *bytes, size_t size, problem *p);

/* An option as text. An unknown name, a second value or a wrong one is refused by name. */
int caption_input_option(caption_input *input, const char *name, const char *value, problem *p);

/* 1 if `name` is an option whose value is a number. */
int caption_input_is_number(const char *name);

/* The options in the query, and the body in whichever of the three forms its Content-Type tells (input_body.c). A raw
 * body is taken. */
int caption_input_query(caption_input *input, const http_request *request, problem *p);
int caption_input_body(caption_input *input, http_request *request, problem *p);

/* An image as base64 or a data URI, and an option as a JSON member (input_json.c). */
int caption_input_base64(caption_input *input, const char *text, problem *p);
int caption_input_member(caption_input *input, const cJSON *member, problem *p);

/* The body as form data (input_multipart.c) and as JSON (input_json.c). */
int caption_input_multipart(caption_input *input, const http_request *request, problem *p);
int caption_input_json(caption_input *input, const char *text, size_t size, problem *p);

#endif
