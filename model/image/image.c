/* image.c: an image file's bytes become RGB, 224 x 224 or of the image's own shape.
 *
 * The first bytes decide on the format (image_kinds.c). Then by cost: the header's claims are held against the limits,
 * pixels and memory, before anything is allocated; the format's decoder sends rows to an image_sink, which makes all
 * versions that are wanted in one pass. */
#include <stdlib.h>
#include <string.h>

#include "model/caption.h"
#include "model/image/image_kinds.h"
#include "model/image/image_sink.h"

const char *caption_image_type(const void *bytes, size_t size)
{
    const image_format *format = image_format_of(bytes, size);
    return format ? format->type : NULL;
}

/* ---- the header -------------------------------------------------------------------------------------------------- */

static int check_memory(uint64_t memory, const caption_image_limits *limits, caption_error *err)
{
    const uint64_t most = limits && limits->max_memory ? limits->max_memory : CAPTION_IMAGE_MEMORY;
    if (memory <= most)
        return CAPTION_OK;
    return caption_fail(err, CAPTION_ELIMIT, "decoding the image takes %llu MB: more than the limit of %llu MB",
                        (unsigned long long)(memory + 999999) / 1000000, (unsigned long long)most / 1000000);
}

static int read_header(const image_format **format, const unsigned char *bytes, size_t size,
                       const caption_image_limits *limits, image_header *h, caption_error *err)
{
    *format = image_format_of(bytes, size);
    if (!*format)
        return image_refuse_kind(bytes, size, err);
    *h = (image_header){0};
    const int status = (*format)->header(bytes, size, h, err);
    if (status != CAPTION_OK)
        return status;
    const size_t max_pixels = limits && limits->max_pixels ? limits->max_pixels : CAPTION_IMAGE_PIXELS;
    if ((size_t)h->width > max_pixels / (size_t)h->height)
        return caption_fail(err, CAPTION_ELIMIT, "image of %d x %d pixels: more than the limit of %zu pixels", h->width,
                            h->height, max_pixels);
    return check_memory(h->memory, limits, err);
}

int caption_image_check(const void *bytes, size_t size, const caption_image_limits *limits, int *width, int *height,
                        caption_error *err)
{
    const image_format *format;
    image_header h;
    const int status = read_header(&format, bytes, size, limits, &h, err);
    if (status != CAPTION_OK)
        return status;
    *width = h.width;
    *height = h.height;
    return CAPTION_OK;
}

/* ---- the pixels -------------------------------------------------------------------------------------------------- */

int caption_image_and_picture_decode(caption_image *image, caption_picture *picture, int max_side, const void *bytes,
                                     size_t size, const caption_image_limits *limits, caption_error *err)
{
    const image_format *format;
    image_header h;
    if (picture)
        *picture = (caption_picture){0};
    int status = read_header(&format, bytes, size, limits, &h, err);
    if (status != CAPTION_OK)
        return status;
    image_sink sink;
    image_sink_init(&sink, h.width, h.height, image != NULL, picture != NULL, max_side);
    status = check_memory(h.memory + image_sink_memory(&sink), limits, err);
    if (status == CAPTION_OK)
        status = format->decode(bytes, size, &h, &sink, err);
    if (status == CAPTION_OK && image)
        status = image_sink_square(&sink, image, err);
    if (status == CAPTION_OK && picture)
        status = image_sink_picture(&sink, picture, err);
    image_sink_free(&sink);
    return status;
}

int caption_image_decode(caption_image *out, const void *bytes, size_t size, const caption_image_limits *limits,
                         caption_error *err)
{
    return caption_image_and_picture_decode(out, NULL, 0, bytes, size, limits, err);
}

int caption_picture_decode(caption_picture *out, const void *bytes, size_t size, const caption_image_limits *limits,
                           int max_side, caption_error *err)
{
    return caption_image_and_picture_decode(NULL, out, max_side, bytes, size, limits, err);
}
