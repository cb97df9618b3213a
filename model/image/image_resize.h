/* image_resize.h: any picture becomes a square, antialiased, without keeping its shape. */
#ifndef CAPTION_IMAGE_RESIZE_H
#define CAPTION_IMAGE_RESIZE_H

/* Resizes pixels [height, width, channels] to out [side, side, channels], channels 1 to 4; 0 when out of memory. */
int image_resize(unsigned char *out, int side, const unsigned char *pixels, int width, int height, int channels);

#endif
