/* image_jpeg.h: what the marker segments of a JPEG file say up to its first scan (ITU-T T.81). */
#ifndef CAPTION_IMAGE_JPEG_H
#define CAPTION_IMAGE_JPEG_H

#include "model/image/image_format.h"

int jpeg_header(const unsigned char *bytes, size_t size, image_header *header, caption_error *err);

/* The EXIF orientation, 1..8; 0 if there is none, or nonsense, which must not spoil a good image. */
int jpeg_orientation(const unsigned char *bytes, size_t size);

#endif
