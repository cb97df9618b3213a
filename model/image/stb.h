/* stb.h: the only door to stb_image_write (public domain, Sean Barrett). */
#ifndef CAPTION_STB_H
#define CAPTION_STB_H

#include <stddef.h>

/* A PNG file of rgb [height, width, 3], *size bytes, freed with free(). NULL when out of memory. */
unsigned char *stb_encode_png(const unsigned char *rgb, int width, int height, size_t *size);

#endif
