/* image_sink.c: rows -> over white -> resampled -> sRGB -> upright.
 *
 * What is cheap on a small image is done last: colours and orientation. Squashing and turning commute; alpha does not
 * commute with averaging, so rows are laid over white as they come. */
#include "model/image/image_sink.h"

#include <stdlib.h>
#include <string.h>

#include "model/image/image_colour.h"
#include "model/image/picture.h"

enum { SQUARE, PICTURE, SIDE = CAPTION_IMAGE_SIDE };

/* ---- what is wanted ---------------------------------------------------------------------------------------------- */

/* `side` shrunk by max_side / longest, rounded, but never to nothing. */
static int shrunk(int side, int longest, int max_side)
{
    if (!max_side || longest <= max_side)
        return side;
    const long long rounded = ((long long)side * max_side + longest / 2) / longest;
    return rounded > 0 ? (int)rounded : 1;
}

void image_sink_init(image_sink *sink, int width, int height, int square, int picture, int max_side)
{
    const int longest = width > height ? width : height;
    *sink = (image_sink){.width = width, .height = height, .max_side = max_side, .orientation = 1};
    if (square)
        sink->version[SQUARE] = (image_version){SIDE, SIDE, NULL};
    if (picture)
        sink->version[PICTURE] =
            (image_version){shrunk(width, longest, max_side), shrunk(height, longest, max_side), NULL};
}

void image_sink_true_size(image_sink *sink, int width, int height)
{
    image_sink_init(sink, width, height, sink->version[SQUARE].width, sink->version[PICTURE].width, sink->max_side);
}

void image_sink_free(image_sink *sink)
{
    for (int i = 0; i < IMAGE_VERSIONS; i++)
        resampler_free(sink->version[i].resampler);
    free(sink->row);
    free(sink->icc);
}

/* The most: CMYK of 16 bits in any order. */
uint64_t image_sink_memory(const image_sink *sink)
{
    uint64_t memory = (uint64_t)sink->width * 8;
    for (int i = 0; i < IMAGE_VERSIONS; i++) {
        const image_version *v = &sink->version[i];
        resample_shape shape = {sink->width, sink->height, v->width, v->height, 4, 2, 1};
        if (!v->width)
            continue;
        const uint64_t any_order = resampler_memory(&shape);
        shape.any_order = 0;
        const uint64_t in_order = resampler_memory(&shape);
        memory += (any_order > in_order ? any_order : in_order) + 6 * (uint64_t)v->width * (uint64_t)v->height;
    }
    return memory;
}

/* Scaled decoding averages over boxes: at twice the side, what resampling does after it no longer shows. A picture is
 * looked at by people, and needs no more pixels than it has. */
int image_sink_suffices(const image_sink *sink, int width, int height)
{
    const image_version *picture = &sink->version[PICTURE];
    if (sink->version[SQUARE].width && (width < 2 * SIDE || height < 2 * SIDE))
        return 0;
    return !picture->width || (width >= picture->width && height >= picture->height);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static int channels_of(image_channels channels)
{
    static const int numbers[] = {
        [IMAGE_GREY] = 1, [IMAGE_GREY_ALPHA] = 2, [IMAGE_RGB] = 3, [IMAGE_RGB_ALPHA] = 4, [IMAGE_CMYK] = 4};
    return numbers[channels];
}

static int has_alpha(const image_layout *layout)
{
    return layout->channels == IMAGE_GREY_ALPHA || layout->channels == IMAGE_RGB_ALPHA;
}

static int as_naive_cmyk(const image_layout *layout)
{
    return layout->channels == IMAGE_CMYK && !layout->icc;
}

static int keep_profile(image_sink *sink)
{
    image_layout *l = &sink->layout;
    if (!image_colour_fits(l->icc, l->icc_size, l->channels)) {
        l->icc = NULL;
        return 1;
    }
    if (!(sink->icc = malloc(l->icc_size)))
        return 0;
    l->icc = memcpy(sink->icc, l->icc, l->icc_size);
    return 1;
}

int image_sink_begin(image_sink *sink, const image_layout *layout, caption_error *err)
{
    sink->layout = *layout;
    const image_layout *l = &sink->layout;
    int good = keep_profile(sink);
    const int one_less = has_alpha(l) || as_naive_cmyk(l);
    sink->resampled = channels_of(l->channels) - one_less;
    if (good && one_less)
        good = (sink->row = malloc((size_t)l->width * (size_t)sink->resampled * (size_t)l->bits / 8)) != NULL;
    for (int i = 0; i < IMAGE_VERSIONS && good; i++) {
        image_version *v = &sink->version[i];
        const resample_shape shape = {l->width,        l->height,   v->width,    v->height,
                                      sink->resampled, l->bits / 8, l->any_order};
        good = !v->width || (v->resampler = resampler_new(&shape)) != NULL;
    }
    return good
               ? CAPTION_OK
               : caption_fail(err, CAPTION_ENOMEM, "out of memory for an image of %d x %d pixels", l->width, l->height);
}

/* Lays pixels over white: c a + 255 (1 - a), rounded; c + 255 (1 - a) if c is already c a. */
static void over_white_8(unsigned char *out, const unsigned char *in, size_t count, int channels, int premultiplied)
{
    for (size_t i = 0; i < count; i++, in += channels) {
        const unsigned alpha = in[channels - 1], white = 255 * (255 - alpha);
        for (int c = 0; c < channels - 1; c++) {
            const unsigned value = premultiplied ? (in[c] < alpha ? in[c] : alpha) * 255u : in[c] * alpha;
            *out++ = (unsigned char)((value + white + 127) / 255);
        }
    }
}

static void over_white_16(uint16_t *out, const uint16_t *in, size_t count, int channels, int premultiplied)
{
    for (size_t i = 0; i < count; i++, in += channels) {
        const uint64_t alpha = in[channels - 1], white = 65535 * (65535 - alpha);
        for (int c = 0; c < channels - 1; c++) {
            const uint64_t value = premultiplied ? (in[c] < alpha ? in[c] : alpha) * 65535 : in[c] * alpha;
            *out++ = (uint16_t)((value + white + 32767) / 65535);
        }
    }
}

/* The pixels as they are resampled. */
static const void *prepared(image_sink *sink, const void *pixels, size_t count)
{
    const image_layout *l = &sink->layout;
    if (!sink->row)
        return pixels;
    if (l->channels == IMAGE_CMYK)
        image_colour_naive_cmyk(sink->row, pixels, count, l->bits);
    else if (l->bits == 8)
        over_white_8(sink->row, pixels, count, channels_of(l->channels), l->premultiplied);
    else
        over_white_16((uint16_t *)sink->row, pixels, count, channels_of(l->channels), l->premultiplied);
    return sink->row;
}

void image_sink_row(image_sink *sink, const void *row)
{
    const void *pixels = prepared(sink, row, (size_t)sink->layout.width);
    for (int i = 0; i < IMAGE_VERSIONS; i++)
        if (sink->version[i].resampler)
            resampler_row(sink->version[i].resampler, pixels);
}

void image_sink_span(image_sink *sink, int y, int x, int step, int count, const void *pixels)
{
    const void *ready = prepared(sink, pixels, (size_t)count);
    for (int i = 0; i < IMAGE_VERSIONS; i++)
        if (sink->version[i].resampler)
            resampler_span(sink->version[i].resampler, y, x, step, count, ready);
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

void image_sink_orient(image_sink *sink, int orientation)
{
    if (orientation >= 1 && orientation <= 8)
        sink->orientation = orientation;
}

/* EXIF: 1 upright, 2 mirrored, 3 turned by 180 degrees, 4 both; 5 to 8 the same with rows and columns swapped first. */
static int swaps_sides(int orientation)
{
    return orientation >= 5;
}

/* Writes pixels, as stored, upright into out [height, width, 3]. */
static void orient(unsigned char *out, int width, int height, const unsigned char *pixels, int orientation)
{
    const int mirrored = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    const int upside_down = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    const int swapped = swaps_sides(orientation), stored_width = swapped ? height : width;
    const int stored_height = swapped ? width : height;
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++, out += 3) {
            int from_x = swapped ? y : x, from_y = swapped ? x : y;
            from_x = mirrored ? stored_width - 1 - from_x : from_x;
            from_y = upside_down ? stored_height - 1 - from_y : from_y;
            memcpy(out, pixels + ((size_t)from_y * (size_t)stored_width + (size_t)from_x) * 3, 3);
        }
}

/* A version into out, which has its upright size. */
static int put(image_sink *sink, image_version *v, unsigned char *out, caption_error *err)
{
    const size_t count = (size_t)v->width * (size_t)v->height;
    const void *pixels = resampler_finish(v->resampler);
    if (sink->orientation == 1)
        return image_colour_convert(out, pixels, count, sink->resampled, &sink->layout, err);
    unsigned char *rgb = malloc(count * 3);
    if (!rgb)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for an image of %d x %d pixels", v->width, v->height);
    const int status = image_colour_convert(rgb, pixels, count, sink->resampled, &sink->layout, err);
    const int swapped = swaps_sides(sink->orientation);
    if (status == CAPTION_OK)
        orient(out, swapped ? v->height : v->width, swapped ? v->width : v->height, rgb, sink->orientation);
    free(rgb);
    return status;
}

int image_sink_square(image_sink *sink, caption_image *out, caption_error *err)
{
    const int swapped = swaps_sides(sink->orientation);
    out->width = swapped ? sink->height : sink->width;
    out->height = swapped ? sink->width : sink->height;
    return put(sink, &sink->version[SQUARE], out->rgb, err);
}

int image_sink_picture(image_sink *sink, caption_picture *out, caption_error *err)
{
    image_version *v = &sink->version[PICTURE];
    const int swapped = swaps_sides(sink->orientation);
    int status = picture_new(out, swapped ? v->height : v->width, swapped ? v->width : v->height, err);
    if (status == CAPTION_OK)
        status = put(sink, v, out->rgb, err);
    if (status != CAPTION_OK)
        caption_picture_free(out);
    return status;
}
