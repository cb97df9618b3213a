/* image_colour.h: from the colours of a file to sRGB, by its ICC profile (lcms2) or, without one, as browsers do. */
#ifndef CAPTION_IMAGE_COLOUR_H
#define CAPTION_IMAGE_COLOUR_H

#include "model/image/image_format.h"

/* Lets Little CMS do now what it does once: the time zone of a profile's date is read from disk. */
void image_colour_prepare(void);

/* Whether a profile is sound and fits `channels` (alpha does not count). */
int image_colour_fits(const unsigned char *icc, size_t size, image_channels channels);

/* count pixels of `resampled` channels (1 grey, 3 RGB, 4 CMYK) and `bits` -> rgb [count, 3], by the layout's profile
 * if there is one. */
int image_colour_convert(unsigned char *rgb, const void *pixels, size_t count, int resampled,
                         const image_layout *layout, caption_error *err);

/* CMYK as Adobe stores it -> RGB without a profile: each is what remains of its light behind the black. */
void image_colour_naive_cmyk(void *rgb, const void *cmyk, size_t count, int bits);

#endif
