/* image_sink.h: from a decoder's rows to the versions of an image that a caller wants. See image_format.h for the
 * decoder's side. */
#ifndef CAPTION_IMAGE_SINK_H
#define CAPTION_IMAGE_SINK_H

#include "model/image/image_format.h"
#include "model/image/resample.h"
#include "model/visualize.h"

enum { IMAGE_VERSIONS = 2 };

/* One version: its own size, made from the same rows. */
typedef struct image_version {
    int width, height; /* as stored: before turning upright; 0: not wanted */
    resampler *resampler;
} image_version;

struct image_sink {
    int width, height;                     /* of the image as stored */
    int max_side;                          /* of the picture; 0: any */
    int orientation;                       /* EXIF: 1..8 */
    image_version version[IMAGE_VERSIONS]; /* the square, the picture */
    image_layout layout;                   /* its profile is `icc`, or NULL if that does not fit */
    unsigned char *icc;
    int resampled;      /* channels that are resampled: 1, 3, or 4 for CMYK with a profile */
    unsigned char *row; /* one row over white, or CMYK as RGB; NULL if rows need no such step */
};

/* For an image of that size as stored. `square`: the encoder's version is wanted; `picture`: one of its own shape, of
 * at most max_side (0: any). */
void image_sink_init(image_sink *sink, int width, int height, int square, int picture, int max_side);
void image_sink_free(image_sink *sink);

/* Memory that the sink will hold at most, whatever the decoder sends. */
uint64_t image_sink_memory(const image_sink *sink);

/* After the last row: versions in sRGB, upright. */
int image_sink_square(image_sink *sink, caption_image *out, caption_error *err);
int image_sink_picture(image_sink *sink, caption_picture *out, caption_error *err);

#endif
