/* image_hevc.c: HEVC for libheif by libde265, on the calling thread. libheif's own plugin starts a worker thread, which
 * a sandbox would not let it have. */
#include "model/image/image_hevc.h"

#include <stdlib.h>
#include <string.h>

#include <libde265/de265.h>
#include <libheif/heif.h>
#include <libheif/heif_plugin.h>

enum { PLUGIN_VERSION = 3, PRIORITY = 1000, LENGTH_BYTES = 4 };

static const struct heif_error success = {heif_error_Ok, heif_suberror_Unspecified, "Success"};
static const struct heif_error starved = {heif_error_Memory_allocation_error, heif_suberror_Unspecified,
                                          "out of memory"};
static const struct heif_error cut_short = {heif_error_Decoder_plugin_error, heif_suberror_End_of_data,
                                            "the data end early"};
static const struct heif_error damaged = {heif_error_Decoder_plugin_error, heif_suberror_Unspecified,
                                          "the HEVC data are damaged"};
static const struct heif_error uneven = {heif_error_Unsupported_feature, heif_suberror_Unsupported_color_conversion,
                                         "HEVC with channels of different depth"};

static const char *plugin_name(void)
{
    return "libde265 without threads";
}

static void init_plugin(void)
{
    de265_init();
}

static void deinit_plugin(void)
{
    de265_free();
}

static int supports(enum heif_compression_format format)
{
    return format == heif_compression_HEVC ? PRIORITY : 0;
}

static struct heif_error new_decoder(void **decoder)
{
    *decoder = de265_new_decoder();
    return *decoder ? success : starved;
}

static void free_decoder(void *decoder)
{
    de265_free_decoder(decoder);
}

static void set_strict(void *decoder, int strict)
{
    (void)decoder, (void)strict;
}

/* Units, each behind its length. */
static struct heif_error push_data(void *decoder, const void *data, size_t size)
{
    const unsigned char *at = data;
    while (size > 0) {
        if (size < LENGTH_BYTES)
            return cut_short;
        const size_t length = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
        at += LENGTH_BYTES;
        size -= LENGTH_BYTES;
        if (length > size)
            return cut_short;
        de265_push_NAL(decoder, at, (int)length, 0, NULL);
        at += length;
        size -= length;
    }
    return success;
}

static struct heif_error copy_plane(const struct de265_image *from, int plane, enum heif_channel channel,
                                    struct heif_image *to)
{
    const int width = de265_get_image_width(from, plane), height = de265_get_image_height(from, plane);
    const int bits = de265_get_bits_per_pixel(from, plane);
    int from_stride, to_stride;
    const uint8_t *pixels = de265_get_image_plane(from, plane, &from_stride);
    if (bits != de265_get_bits_per_pixel(from, 0))
        return uneven;
    if (width < 1 || height < 1 || !pixels)
        return damaged;
    const struct heif_error e = heif_image_add_plane(to, channel, width, height, bits);
    uint8_t *out = e.code ? NULL : heif_image_get_plane(to, channel, &to_stride);
    for (int y = 0; out && y < height; y++)
        memcpy(out + (size_t)y * (size_t)to_stride, pixels + (size_t)y * (size_t)from_stride,
               (size_t)width * (size_t)((bits + 7) / 8));
    return e;
}

/* What the stream says about its colours; the file may say otherwise, and then libheif follows that. */
static void tell_colours(const struct de265_image *from, struct heif_image *to)
{
    struct heif_color_profile_nclx *nclx = heif_nclx_color_profile_alloc();
    if (!nclx)
        return;
    nclx->full_range_flag = (uint8_t)de265_get_image_full_range_flag(from);
    heif_nclx_color_profile_set_matrix_coefficients(nclx, (uint16_t)de265_get_image_matrix_coefficients(from));
    heif_nclx_color_profile_set_color_primaries(nclx, (uint16_t)de265_get_image_colour_primaries(from));
    heif_nclx_color_profile_set_transfer_characteristics(nclx,
                                                         (uint16_t)de265_get_image_transfer_characteristics(from));
    heif_image_set_nclx_color_profile(to, nclx);
    heif_nclx_color_profile_free(nclx);
}

static struct heif_error copy_image(const struct de265_image *from, struct heif_image **out)
{
    static const enum heif_channel channels[] = {heif_channel_Y, heif_channel_Cb, heif_channel_Cr};
    const enum de265_chroma chroma = de265_get_chroma_format(from);
    const int grey = chroma == de265_chroma_mono;
    struct heif_error e =
        heif_image_create(de265_get_image_width(from, 0), de265_get_image_height(from, 0),
                          grey ? heif_colorspace_monochrome : heif_colorspace_YCbCr, (enum heif_chroma)chroma, out);
    if (e.code)
        return e;
    for (int plane = 0; !e.code && plane < (grey ? 1 : 3); plane++)
        e = copy_plane(from, plane, channels[plane], *out);
    if (!e.code) {
        tell_colours(from, *out);
        return e;
    }
    heif_image_release(*out);
    *out = NULL;
    return e;
}

static struct heif_error decode_image(void *decoder, struct heif_image **out)
{
    *out = NULL;
    de265_flush_data(decoder);
    for (int more = 1; more;) {
        more = 0;
        if (de265_decode(decoder, &more) != DE265_OK)
            break;
        const struct de265_image *image = de265_get_next_picture(decoder);
        if (image)
            return copy_image(image, out);
    }
    return damaged;
}

void image_hevc_register(void)
{
    static const struct heif_decoder_plugin plugin = {.plugin_api_version = PLUGIN_VERSION,
                                                      .get_plugin_name = plugin_name,
                                                      .init_plugin = init_plugin,
                                                      .deinit_plugin = deinit_plugin,
                                                      .does_support_format = supports,
                                                      .new_decoder = new_decoder,
                                                      .free_decoder = free_decoder,
                                                      .push_data = push_data,
                                                      .decode_image = decode_image,
                                                      .set_strict_decoding = set_strict,
                                                      .id_name = "libde265-one-thread"};
    heif_init(NULL);
    heif_register_decoder_plugin(&plugin);
}
