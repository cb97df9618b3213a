/* image_resize.h: any picture in any other size, antialiased. */
#ifndef CAPTION_IMAGE_RESIZE_H
#define CAPTION_IMAGE_RESIZE_H

/* Resizes pixels [height, width, channels] to out [out_height, out_width, channels], channels 1 to 4; the two shapes
 * need not be alike. 0 when out of memory. */
int image_resize(unsigned char *out, int out_width, int out_height, const unsigned char *pixels, int width, int height,
                 int channels);

#endif
