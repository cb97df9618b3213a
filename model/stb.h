/* stb.h: the only door to stb_image and stb_image_resize (public domain, Sean Barrett and Jorge L Rodriguez).
 *
 * What comes here has passed image_format.h: size within the limits, file whole. */
#ifndef CAPTION_STB_H
#define CAPTION_STB_H

#include <stddef.h>

/* What stb_image itself reads as the size; 0 if it cannot. */
int stb_size(const unsigned char *bytes, size_t size, int *width, int *height);

/* Decodes to [height, width, channels]; channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA. The caller frees it with
 * free(). NULL on failure: *reason is a static string, or NULL when out of memory. */
unsigned char *stb_decode(const unsigned char *bytes, size_t size, int *channels, const char **reason);

/* Resizes [height, width, channels] to [side, side, channels]; 0 when out of memory. Each output value is the mean of
 * the input under a triangle as wide as the step between outputs (never narrower than one input pixel), on the stored
 * values, without gamma: bilinear enlarging, antialiased shrinking, what PIL calls BILINEAR and most training
 * pipelines use. The two differ by at most 2 of 255. */
int stb_resize(const unsigned char *pixels, int width, int height, int channels, unsigned char *out, int side);

#endif
