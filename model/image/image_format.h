/* image_format.h: what a file format is to the rest, and where its decoder sends pixels.
 *
 * Each format has a file of its own over the library that the field trusts with it. It answers three questions: are
 * these its first bytes? what does the header claim? what are the pixels? The header is read by bounds-checked code of
 * our own in microseconds, so that size and memory are known to be within the limits before a library sees the file.
 *
 * A decoder sends rows to an image_sink, which resamples them as they arrive: no format needs the whole image in RGB.
 */
#ifndef CAPTION_IMAGE_FORMAT_H
#define CAPTION_IMAGE_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "model/error.h"

/* ---- where pixels go: image_sink.c ------------------------------------------------------------------------------- */

typedef enum image_channels {
    IMAGE_GREY,
    IMAGE_GREY_ALPHA,
    IMAGE_RGB,
    IMAGE_RGB_ALPHA,
    IMAGE_CMYK, /* as Adobe writes it: 0 is full ink */
} image_channels;

/* What a decoder is about to send. */
typedef struct image_layout {
    int width, height; /* as stored, or scaled down by the decoder */
    image_channels channels;
    int bits;                 /* of a value: 8 (unsigned char) or 16 (uint16_t) */
    int any_order;            /* image_sink_span will be called, not image_sink_row */
    int premultiplied;        /* colours are already multiplied by alpha */
    const unsigned char *icc; /* the profile of the colours, or NULL; image_sink_begin copies it */
    size_t icc_size;
} image_layout;

typedef struct image_sink image_sink;

/* Is a version of width x height enough, or would a larger one look better? For decoders that can scale. */
int image_sink_suffices(const image_sink *sink, int width, int height);

/* Before the first pixel. */
int image_sink_begin(image_sink *sink, const image_layout *layout, caption_error *err);

/* Before image_sink_begin, where only decoding tells the size that counts. */
void image_sink_true_size(image_sink *sink, int width, int height);

/* The next row from the top, all of it. */
void image_sink_row(image_sink *sink, const void *row);

/* `count` pixels of row y at columns x, x + step, x + 2 step ...; in the end every pixel must have come once. */
void image_sink_span(image_sink *sink, int y, int x, int step, int count, const void *pixels);

/* How the camera was held, as EXIF tells it: 1..8; others are ignored. Any time before the decoder returns. */
void image_sink_orient(image_sink *sink, int orientation);

/* ---- formats ----------------------------------------------------------------------------------------------------- */

typedef struct image_header {
    int width, height; /* as stored, at least 1 x 1 */
    uint64_t memory;   /* bytes that decoding takes beside the file and what the sink holds */
} image_header;

typedef struct image_format {
    const char *type; /* MIME */
    int (*recognises)(const unsigned char *bytes, size_t size);

    /* Reads only the header: CAPTION_EFORMAT if it is damaged, CAPTION_EUNSUPPORTED for kinds we do not read. */
    int (*header)(const unsigned char *bytes, size_t size, image_header *header, caption_error *err);

    /* Sends the pixels of the (first) image. Called after `header` succeeded. */
    int (*decode)(const unsigned char *bytes, size_t size, const image_header *header, image_sink *sink,
                  caption_error *err);
} image_format;

extern const image_format image_jpeg, image_png, image_webp, image_bmp, image_gif;
extern const image_format image_tiff;             /* built with TIFF=1 */
extern const image_format image_heic, image_avif; /* built with HEIF=1 */

/* The orientation in the TIFF structure of an EXIF block, 1..8, or 0 if there is none. */
int image_exif_orientation(const unsigned char *tiff, size_t size);

/* The (first) number of a tag in the first directory of a TIFF structure; 0 if there is none. */
int image_tiff_value(const unsigned char *tiff, size_t size, unsigned tag, uint32_t *value);

#endif
