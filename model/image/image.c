/* image.c: a photo's bytes become 224 x 224 RGB.
 *
 *     type -> size from the header, limits -> is the file whole? -> stb_image -> alpha over white -> resize -> orient
 *
 * The order is by cost: nothing is allocated before the claimed size is known to be within the limits. Bytes of memory
 * for each pixel while decoding, the file itself included: JPEG 5 to 7, progressive 8 to 12, CMYK 16; PNG 8, with
 * 16-bit RGBA up to 24; GIF 9; BMP 8. Turning the photo upright comes last, on the small square: squashing to a square
 * and turning it commute. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "model/caption.h"
#include "model/image/image_format.h"
#include "model/image/image_resize.h"
#include "model/image/stb.h"

enum { SIDE = CAPTION_IMAGE_SIDE, DEFAULT_MAX_PIXELS = 64000000 };

static const image_format *find_format(const void *bytes, size_t size)
{
    static const image_format *const formats[] = {&image_jpeg, &image_png, &image_bmp, &image_gif};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++)
        if (size >= formats[i]->magic_size && memcmp(bytes, formats[i]->magic, formats[i]->magic_size) == 0)
            return formats[i];
    return NULL;
}

const char *caption_image_type(const void *bytes, size_t size)
{
    const image_format *format = find_format(bytes, size);
    return format ? format->type : NULL;
}

/* ---- the header -------------------------------------------------------------------------------------------------- */

static int read_header(const image_format **format, const unsigned char *bytes, size_t size,
                       const caption_image_limits *limits, int *width, int *height, caption_error *err)
{
    *format = find_format(bytes, size);
    if (!*format)
        return caption_fail(err, CAPTION_EUNSUPPORTED, "not a JPEG, PNG, BMP or GIF image");
    int status = (*format)->header(bytes, size, width, height, err);
    if (status != CAPTION_OK)
        return status;
    size_t max_pixels = limits && limits->max_pixels ? limits->max_pixels : DEFAULT_MAX_PIXELS;
    if ((size_t)*width > max_pixels / (size_t)*height)
        return caption_fail(err, CAPTION_ELIMIT, "image of %d x %d pixels: more than the limit of %zu pixels", *width,
                            *height, max_pixels);
    return CAPTION_OK;
}

int caption_image_check(const void *bytes, size_t size, const caption_image_limits *limits, int *width, int *height,
                        caption_error *err)
{
    const image_format *format;
    return read_header(&format, bytes, size, limits, width, height, err);
}

/* ---- the pixels -------------------------------------------------------------------------------------------------- */

/* stb_image, where it agrees with us on the size: its own reading of the header is what it will allocate for. */
static int decode(unsigned char **pixels, int *channels, const unsigned char *bytes, size_t size, int width, int height,
                  caption_error *err)
{
    int stb_width, stb_height;
    const char *reason;
    if (!stb_size(bytes, size, &stb_width, &stb_height) || stb_width != width || stb_height != height)
        return caption_fail(err, CAPTION_EFORMAT, "corrupt image header");
    *pixels = stb_decode(bytes, size, channels, &reason);
    if (*pixels)
        return CAPTION_OK;
    if (!reason)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for an image of %d x %d pixels", width, height);
    return caption_fail(err, CAPTION_EFORMAT, "corrupt image: %s", reason);
}

/* Lays pixels of `channels` (the last is alpha) over white, in place: c a + 255 (1 - a), rounded. */
static void lay_over_white(unsigned char *pixels, size_t count, int channels)
{
    unsigned char *out = pixels;
    for (size_t i = 0; i < count; i++, pixels += channels) {
        unsigned alpha = pixels[channels - 1];
        for (int c = 0; c < channels - 1; c++)
            *out++ = (unsigned char)((pixels[c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
}

/* Replaces *pixels by a SIDE x SIDE version; a picture of that size is left as it is. */
static int resize(unsigned char **pixels, int width, int height, int channels, caption_error *err)
{
    if (width == SIDE && height == SIDE)
        return CAPTION_OK;
    unsigned char *square = malloc((size_t)SIDE * SIDE * (size_t)channels);
    if (!square || !image_resize(square, SIDE, *pixels, width, height, channels)) {
        free(square);
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for an image of %d x %d pixels", width, height);
    }
    free(*pixels);
    *pixels = square;
    return CAPTION_OK;
}

/* EXIF: 1 upright, 2 mirrored, 3 turned by 180 degrees, 4 both; 5 to 8 the same with rows and columns swapped first. */
static int swaps_sides(int orientation)
{
    return orientation >= 5;
}

/* Writes [SIDE, SIDE, channels] (1 or 3) upright into [SIDE, SIDE, 3]. */
static void orient(unsigned char *out, const unsigned char *square, int channels, int orientation)
{
    int mirrored = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    int upside_down = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++, out += 3) {
            int from_x = swaps_sides(orientation) ? y : x, from_y = swaps_sides(orientation) ? x : y;
            from_x = mirrored ? SIDE - 1 - from_x : from_x;
            from_y = upside_down ? SIDE - 1 - from_y : from_y;
            const unsigned char *from = square + (from_y * SIDE + from_x) * channels;
            out[0] = from[0];
            out[1] = from[channels == 3 ? 1 : 0];
            out[2] = from[channels == 3 ? 2 : 0];
        }
}

int caption_image_decode(caption_image *out, const void *bytes, size_t size, const caption_image_limits *limits,
                         caption_error *err)
{
    const image_format *format;
    int width, height, channels;
    unsigned char *pixels = NULL;
    int status = read_header(&format, bytes, size, limits, &width, &height, err);
    if (status == CAPTION_OK)
        status = format->whole(bytes, size, err);
    if (status == CAPTION_OK)
        status = decode(&pixels, &channels, bytes, size, width, height, err);
    if (status == CAPTION_OK && channels % 2 == 0)
        lay_over_white(pixels, (size_t)width * (size_t)height, channels--);
    if (status == CAPTION_OK)
        status = resize(&pixels, width, height, channels, err);
    if (status == CAPTION_OK) {
        int orientation = format == &image_jpeg ? image_jpeg_orientation(bytes, size) : 1;
        orient(out->rgb, pixels, channels, orientation);
        out->width = swaps_sides(orientation) ? height : width;
        out->height = swaps_sides(orientation) ? width : height;
    }
    free(pixels);
    return status;
}
