/* caption_input.h: what a client asks of the captioner, whichever of the three forms it came in: a raw image body,
 * multipart/form-data, or JSON. Options have one table and one check for query parameters, form fields and JSON
 * members. */
#ifndef SERVER_CAPTION_INPUT_H
#define SERVER_CAPTION_INPUT_H

#include <cjson/cJSON.h>
#include <stddef.h>

#include "model/caption.h"
#include "server/engine/weights.h"
#include "server/http/http.h"
#include "server/http/input.h"

typedef struct input_image {
    unsigned char *bytes; /* malloc'd */
    size_t size;
} input_image;

typedef enum caption_attention { ATTENTION_NONE, ATTENTION_WEIGHTS, ATTENTION_OVERLAY } caption_attention;

enum { CAPTION_INPUT_OPTIONS = 20 };

/* Stays where it was made: its table points into it. */
typedef struct caption_input {
    input_image *images; /* [max_images] */
    int n, max_images;
    caption_options options;
    int logprobs;                        /* the words' log-probabilities are wanted */
    int attention;                       /* caption_attention: the attention weights of each word, too */
    char model[WEIGHTS_NAME_BYTES];      /* "": the default */
    char **texts;                        /* [max_texts] captions to be scored, malloc'd */
    int n_texts, max_texts;              /* max_texts 0: none are, captions are to be written */
    option table[CAPTION_INPUT_OPTIONS]; /* of the variables above */
    input_options given;
} caption_input;

/* All return 0, or 1 with *p set. */

int caption_input_new(caption_input *input, int max_images, problem *p);
void caption_input_free(caption_input *input);

/* Adds an image; `bytes` (malloc'd) is taken, also on failure. */
int caption_input_add(caption_input *input, unsigned char *bytes, size_t size, problem *p);

/* From now on captions are taken, and of the options only those that scoring them reads. */
int caption_input_take_texts(caption_input *input, int most, problem *p);

/* A caption, copied. One that cannot be scored is refused. */
int caption_input_text(caption_input *input, const char *text, size_t length, problem *p);

/* 1 if `name` is that of a caption, where captions are taken. */
int caption_input_is_text(const caption_input *input, const char *name);

/* After all options: do they fit each other? A sample without a seed gets one. */
int caption_input_finish(caption_input *input, problem *p);

/* After all options, where the answer has room for `most` captions of an image and nothing more about them: refuses
 * what would be worked out and dropped. */
int caption_input_texts_alone(const caption_input *input, int most, problem *p);

/* An option as text. An unknown name, a second value or a wrong one is refused by name. */
int caption_input_option(caption_input *input, const char *name, const char *value, problem *p);

/* 1 if `name` is that of an option which this request may have. */
int caption_input_is_option(const caption_input *input, const char *name);

/* 1 if the request has given it. */
int caption_input_is_given(const caption_input *input, const char *name);

/* The options in the query, and the body in whichever of the three forms its Content-Type tells. A raw body is
 * taken. */
int caption_input_query(caption_input *input, const http_request *request, problem *p);
int caption_input_body(caption_input *input, http_request *request, problem *p);

/* An image as base64 or a data URI, and an option as a JSON member . */
int caption_input_base64(caption_input *input, const char *text, problem *p);
int caption_input_member(caption_input *input, const cJSON *member, problem *p);

#endif
