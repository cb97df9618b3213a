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

/* n random feature vectors [n, CAPTION_FEATURES], malloc'd. */
float *captioner_features(int n, unsigned seed);

/* A session that holds them. */
caption_session *captioner_session(int n, const float *features);

#endif
