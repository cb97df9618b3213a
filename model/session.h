/* session.h: what a caption_session is inside: one thread's scratch memory. */
#ifndef CAPTION_SESSION_H
#define CAPTION_SESSION_H

#include "model/arena.h"
#include "model/encoder/encoder.h"
#include "model/encoder/encoder_gradient.h"

struct caption_session {
    caption_encoder *encoder; /* NULL if features only come from outside */
    encoder_scratch *scratch;
    int max_batch, n;             /* n: images of the last encoding, 0 before the first */
    unsigned char *pixels;        /* [max_batch, 224, 224, 3] */
    float *features;              /* [max_batch, 1280] */
    float *map;                   /* [max_batch, 7, 7, 320] */
    int has_map;                  /* of the last encoding */
    encoder_gradient_f *gradient; /* of saliency, made by its first call */
    arena words;                  /* of the word loop, sized by caption_generate */
};

#endif
