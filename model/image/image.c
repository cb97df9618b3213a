/* image.c: a photo's bytes become RGB, 224 x 224 or of the photo's own shape.
 *
 *     type -> size from the header, limits -> is the file whole? -> stb_image -> alpha over white -> resize -> orient
 *
 * The order is by cost: nothing is allocated before the claimed size is known to be within the limits. Bytes of memory
 * for each pixel while decoding, the file itself included: JPEG 5 to 7, progressive 8 to 12, CMYK 16; PNG 8, with
 * 16-bit RGBA up to 24; GIF 9; BMP 8. Turning the photo upright comes last, on the small picture: squashing and
 * turning commute. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "model/caption.h"
#include "model/image/image_format.h"
#include "model/image/image_resize.h"
#include "model/image/picture.h"
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

/* Replaces *pixels by a version of out_width x out_height; a picture of that size is left as it is. */
static int resize(unsigned char **pixels, int width, int height, int channels, int out_width, int out_height,
                  caption_error *err)
{
    if (width == out_width && height == out_height)
        return CAPTION_OK;
    unsigned char *resized = malloc((size_t)out_width * (size_t)out_height * (size_t)channels);
    if (!resized || !image_resize(resized, out_width, out_height, *pixels, width, height, channels)) {
        free(resized);
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for an image of %d x %d pixels", width, height);
    }
    free(*pixels);
    *pixels = resized;
    return CAPTION_OK;
}

/* EXIF: 1 upright, 2 mirrored, 3 turned by 180 degrees, 4 both; 5 to 8 the same with rows and columns swapped first. */
static int swaps_sides(int orientation)
{
    return orientation >= 5;
}

/* Writes pixels of channels 1 or 3, as stored, upright into out [height, width, 3]. */
static void orient(unsigned char *out, int width, int height, const unsigned char *pixels, int channels,
                   int orientation)
{
    int mirrored = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    int upside_down = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    int swapped = swaps_sides(orientation), stored_width = swapped ? height : width;
    int stored_height = swapped ? width : height;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, out += 3) {
            int from_x = swapped ? y : x, from_y = swapped ? x : y;
            from_x = mirrored ? stored_width - 1 - from_x : from_x;
            from_y = upside_down ? stored_height - 1 - from_y : from_y;
            const unsigned char *from = pixels + ((size_t)from_y * (size_t)stored_width + (size_t)from_x) * channels;
            out[0] = from[0];
            out[1] = from[channels == 3 ? 1 : 0];
            out[2] = from[channels == 3 ? 2 : 0];
        }
}

/* A decoded photo, as stored: 1 or 3 channels, not yet upright. */
typedef struct stored {
    unsigned char *pixels;
    int width, height, channels, orientation;
} stored;

static int load(stored *s, const void *bytes, size_t size, const caption_image_limits *limits, caption_error *err)
{
    const image_format *format;
    int status = read_header(&format, bytes, size, limits, &s->width, &s->height, err);
    if (status == CAPTION_OK)
        status = format->whole(bytes, size, err);
    if (status == CAPTION_OK)
        status = decode(&s->pixels, &s->channels, bytes, size, s->width, s->height, err);
    if (status == CAPTION_OK && s->channels % 2 == 0)
        lay_over_white(s->pixels, (size_t)s->width * (size_t)s->height, s->channels--);
    if (status == CAPTION_OK)
        s->orientation = format == &image_jpeg ? image_jpeg_orientation(bytes, size) : 1;
    return status;
}

int caption_image_decode(caption_image *out, const void *bytes, size_t size, const caption_image_limits *limits,
                         caption_error *err)
{
    stored s = {0};
    int status = load(&s, bytes, size, limits, err);
    if (status == CAPTION_OK)
        status = resize(&s.pixels, s.width, s.height, s.channels, SIDE, SIDE, err);
    if (status == CAPTION_OK) {
        orient(out->rgb, SIDE, SIDE, s.pixels, s.channels, s.orientation);
        out->width = swaps_sides(s.orientation) ? s.height : s.width;
        out->height = swaps_sides(s.orientation) ? s.width : s.height;
    }
    free(s.pixels);
    return status;
}

/* ---- pictures of any shape --------------------------------------------------------------------------------------- */

/* `side` shrunk by max_side / longest, rounded, but never to nothing. */
static int shrunk(int side, int longest, int max_side)
{
    if (!max_side || longest <= max_side)
        return side;
    const long long rounded = ((long long)side * max_side + longest / 2) / longest;
    return rounded > 0 ? (int)rounded : 1;
}

int caption_picture_decode(caption_picture *out, const void *bytes, size_t size, const caption_image_limits *limits,
                           int max_side, caption_error *err)
{
    stored s = {0};
    *out = (caption_picture){0};
    int status = load(&s, bytes, size, limits, err);
    if (status == CAPTION_OK) {
        const int longest = s.width > s.height ? s.width : s.height;
        const int width = shrunk(s.width, longest, max_side), height = shrunk(s.height, longest, max_side);
        status = resize(&s.pixels, s.width, s.height, s.channels, width, height, err);
        if (status == CAPTION_OK)
            status = picture_new(out, swaps_sides(s.orientation) ? height : width,
                                 swaps_sides(s.orientation) ? width : height, err);
    }
    if (status == CAPTION_OK)
        orient(out->rgb, out->width, out->height, s.pixels, s.channels, s.orientation);
    free(s.pixels);
    return status;
}
