/* item_input.h: what a client adds to a dataset: one image and its captions, as multipart/form-data (parts `image` and
 * `caption`, the latter as often as needed) or as JSON:
 *
 *     {"image": "base64 or data URI", "captions": ["a dog runs", "a brown dog on grass"]} */
#ifndef SERVER_ITEM_INPUT_H
#define SERVER_ITEM_INPUT_H

#include "server/http/http.h"

typedef struct item_input {
    unsigned char *image; /* malloc'd; NULL: none yet */
    size_t size;
    int width, height; /* as its header says */
    char **captions;   /* [max_captions], those given malloc'd */
    int n, max_captions;
} item_input;

/* Reads and checks all but the picture itself: its header, and that each caption is one that training can use. The
 * caller frees *out; NULL with *p set. */
item_input *item_input_read(http_request *request, problem *p);
void item_input_free(void *input); /* NULL is allowed */

#endif
