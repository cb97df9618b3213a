/* image_format.h: what must be known of a picture file before stb_image may see it.
 *
 * stb_image trusts headers (a 64-byte GIF can make it allocate gigabytes) and forgives damage (half a JPEG decodes to
 * half a photo and grey). So each format has a file of its own that answers two questions with its own bounds-checked
 * reader: what size does the header claim, and is the file whole? What passes both is decoded by stb_image. */
#ifndef CAPTION_IMAGE_FORMAT_H
#define CAPTION_IMAGE_FORMAT_H

#include <stddef.h>

#include "model/error.h"

typedef struct image_format {
    const char *type;  /* MIME */
    const char *magic; /* the bytes a file begins with */
    size_t magic_size;

    /* The size as stored, at least 1 x 1, and that we know how to read such a file. Reads only the header. */
    int (*header)(const unsigned char *bytes, size_t size, int *width, int *height, caption_error *err);

    /* Reads the whole file: nothing is missing, checksums hold. Called after `header` succeeded. */
    int (*whole)(const unsigned char *bytes, size_t size, caption_error *err);
} image_format;

extern const image_format image_jpeg, image_png, image_bmp, image_gif;

/* The EXIF orientation of a JPEG, 1..8; 1 if it says nothing (or nonsense, which must not spoil a good photo). */
int image_jpeg_orientation(const unsigned char *bytes, size_t size);

/* The orientation in the TIFF structure of an EXIF block, 1..8, or 0 if there is none. */
int image_exif_orientation(const unsigned char *tiff, size_t size);

#endif
