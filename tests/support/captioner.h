/* captioner.h: captioners of made-up weights, and sessions that hold made-up features. */
#ifndef TESTS_SUPPORT_CAPTIONER_H
#define TESTS_SUPPORT_CAPTIONER_H

#include "model/caption.h"
#include "model/decoder/decoder.h"

/* A captioner of these weights; words joined by newlines, specials included. Needs the scratch directory (scratch.h).
 */
caption_model *captioner_of(const decoder_shape *shape, const char *words, const float *parameters);

/* One of random weights over `words` (without specials, joined by newlines), whose <END> is likely enough for captions
 * of different lengths. The same seed gives the same. */
caption_model *captioner_random(const char *kind, const char *words, unsigned seed);

/* What an encoder might say of n pictures. */
typedef struct captioner_pictures {
    int n;
    float *features; /* [n, CAPTION_FEATURES] malloc'd */
    float *maps;     /* [n, CAPTION_MAP] malloc'd */
} captioner_pictures;

captioner_pictures captioner_pictures_make(int n, unsigned seed);
void captioner_pictures_free(captioner_pictures *p);

/* Puts pictures first .. first + n - 1 into a session. */
void captioner_show(caption_session *session, const captioner_pictures *p, int first, int n);

/* A session that holds them all. */
caption_session *captioner_session(const captioner_pictures *p);

#endif
