/* visual.h: what the commands that show pictures share: options, the photo, PNG files, progress on stderr. */
#ifndef SERVER_VISUAL_H
#define SERVER_VISUAL_H

#include "model/visualize.h"
#include "server/decode/cage.h"
#include "server/engine/weights.h"

typedef struct visual_command {
    const char *name; /* "dream" */
    caption_visual view;
    caption_visual_options options;
    weights_place place;
    const char *out, *previews;                    /* PNG file; directory, or NULL */
    const char *class_name, *word, *model, *layer; /* as given, or NULL */
    cage_limits decoding;
    int max_pixels;
    cage *cage;
    caption_encoder *encoder;
    caption_model *captioner; /* if --word was given */
} visual_command;

/* Parses the command line: the options that every view has, those of `more` (ends in {0}; at most 8), and the view's
 * numbers. The operand, if `has_photo`, is then *photo. Returns 1 to go on, else 0 and the exit status, as
 * options_parse. */
int visual_parse(visual_command *c, const option *more, const char *summary, int has_photo, int argc, char **argv,
                 const char **photo, int *status);

/* Opens the encoder, and the captioner for a word; finds out what --class, --word and --layer mean. visual_close frees.
 */
int visual_open(visual_command *c, caption_target *target, caption_error *err);
void visual_close(visual_command *c);

/* The photo as the encoder sees it, and as a picture with no side longer than max_side; one of them may be NULL. */
int visual_photo(const visual_command *c, const char *path, caption_image *image, caption_picture *picture,
                 int max_side, caption_error *err);

int visual_write(const char *path, const caption_picture *picture, caption_error *err);

/* Says what went wrong, if anything did, and returns the exit status. */
int visual_end(visual_command *c, int status, const caption_error *err);

#endif
