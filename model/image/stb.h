/* stb.h: the only door to stb_image and stb_image_write (public domain, Sean Barrett).
 *
 * What comes here to be decoded has passed image_format.h: size within the limits, file whole. */
#ifndef CAPTION_STB_H
#define CAPTION_STB_H

#include <stddef.h>

/* What stb_image itself reads as the size; 0 if it cannot. */
int stb_size(const unsigned char *bytes, size_t size, int *width, int *height);

/* Decodes to [height, width, channels]; channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA. The caller frees it with
 * free(). NULL on failure: *reason is a static string, or NULL when out of memory. */
unsigned char *stb_decode(const unsigned char *bytes, size_t size, int *channels, const char **reason);

/* A PNG file of rgb [height, width, 3], *size bytes, freed with free(). NULL when out of memory. */
unsigned char *stb_encode_png(const unsigned char *rgb, int width, int height, size_t *size);

#endif
