/* visual_request.h: what a client asks of POST /v1/saliency, /v1/fool, /v1/visualize, /v1/invert and /v1/dream,
 * checked; and the form in which a job keeps it.
 *
 *     {"image": "base64 or data URI", "layer": "deep", "octaves": 3, "steps": 10}
 *
 * It comes as JSON, as multipart/form-data, or in the query, with the image as the raw body. The numbers, their ranges
 * and defaults are those of visualize.h, under the names of the command line with _ for -. What the job keeps names
 * every number, so that a run that a later version resumes is the same run. */
#ifndef SERVER_VISUAL_REQUEST_H
#define SERVER_VISUAL_REQUEST_H

#include "model/visualize.h"
#include "server/engine/weights.h"
#include "server/http/http.h"

enum { VISUAL_CLASS_BYTES = 256, VISUAL_WORD_BYTES = 128, VISUAL_LAYER_BYTES = 16 };

typedef struct visual_request {
    caption_visual visual;
    char class_name[VISUAL_CLASS_BYTES]; /* as the client wrote it; "": none was given */
    int class_index;                     /* CAPTION_TOP_CLASS: none was given */
    char word[VISUAL_WORD_BYTES];        /* "": none was given */
    int word_index;                      /* saliency: its place in the caption instead; -1: none was given */
    char caption[CAPTION_TEXT_BYTES];    /* saliency: whose word it is; "": the model's own */
    char before[CAPTION_TEXT_BYTES];     /* visualize: the words before it; "": the default */
    char model[WEIGHTS_NAME_BYTES];      /* whose word it is; "": the default */
    char layer_name[VISUAL_LAYER_BYTES]; /* as the client wrote it; options.layer is its number */
    caption_visual_options options;

    int method; /* saliency: caption_saliency_method, */
    int view;   /* VISUAL_HEAT or VISUAL_OVERLAY, what the PNG shows, */
    int size;   /* and the side of the grid in JSON */

    unsigned char *image; /* malloc'd; NULL: none */
    size_t image_size;
} visual_request;

enum { VISUAL_HEAT, VISUAL_OVERLAY };

/* All return 0, or 1 with *p set. */

/* Reads query and body; refuses what is unknown, wrong, missing or over the limits by name, and an image by its header.
 * A raw body is taken. The caller frees *out in any case. */
int visual_request_read(visual_request *out, caption_visual visual, http_request *request,
                        const caption_encoder *encoder, problem *p);
void visual_request_free(visual_request *r);

/* The form that the job keeps, without the image: malloc'd, NULL when out of memory; and back, with the limits and the
 * encoder's classes of `s`. */
char *visual_request_json(const visual_request *r);
int visual_request_parse(visual_request *out, caption_visual visual, const char *json, const caption_encoder *encoder,
                         const config *c, problem *p);

/* 1 if a word is meant, not a class. */
int visual_request_is_of_word(const visual_request *r);

/* What a view of visualize.h is to be of: the class, or if a model is given the word. Refers to the request. */
caption_target visual_request_target(const visual_request *r, const caption_model *model);

/* All steps of all stages, at most. */
long visual_request_steps(const visual_request *r);

#endif
