/* visual_reading.h: a visual request (visual_request.h) while it is read, for visual_*.c alone. */
#ifndef SERVER_VISUAL_READING_H
#define SERVER_VISUAL_READING_H

#include "server/jobs/visual_request.h"

enum { VISUAL_NAME_BYTES = 32, VISUAL_OPTION_BYTES = CAPTION_TEXT_BYTES };

typedef struct visual_reading {
    visual_request *request;
    const caption_encoder *encoder; /* names the classes */
    const config *config;
    problem *problem;
} visual_reading;

/* What a value was written as. The text of a form or query may be either. */
typedef enum written { AS_TEXT, AS_STRING, AS_NUMBER } written;

/* All return 0, or 1 with r->problem set, but for the questions. */

/* ---- visual_options.c -------------------------------------------------------------------------------------------- */

/* Sets one option. An unknown name, a second value or a wrong one is refused by name. */
int visual_option_read(visual_reading *r, const char *name, const char *value, written how);

/* 1 if the view has such an option; 1 if it was given. */
int visual_option_is_known(caption_visual visual, const char *name);
int visual_option_is_given(const visual_request *r, const char *name);

/* 1 if one of the view's numbers was given. */
int visual_option_is_number_given(const visual_request *r);

/* The name of a number in requests: "blur-every" -> "blur_every". */
void visual_option_name(const caption_visual_option *o, char out[VISUAL_NAME_BYTES]);

/* ---- visual_body.c ----------------------------------------------------------------------------------------------- */

/* The options in the query and the body, whatever form that has. A raw body is taken. */
int visual_body_read(visual_reading *r, http_request *request);
int visual_body_read_json(visual_reading *r, const char *text, size_t size);

/* 1 if the view starts from a photo. */
int visual_body_has_image(caption_visual visual);

#endif
