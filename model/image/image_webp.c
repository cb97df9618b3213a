/* image_webp.c: WebP by libwebp, which scales while it decodes: lossy images never exist at full size.
 *
 *     "RIFF" size "WEBP" | chunks: type (4), size (4, little-endian), data, padded to an even length
 *     simple: VP8 or VP8L      extended: VP8X, ICCP, ANIM, ALPH, VP8 or VP8L, EXIF
 *     animated: ANMF chunks, each a frame: x/2 y/2 width-1 height-1 (3 bytes each), duration (3), flags, its own chunks
 *
 * The first frame is the image, laid on its canvas. */
#include <stdlib.h>
#include <string.h>

#include <webp/decode.h>

#include "model/image/image_format.h"
#include "model/storage/byte_reader.h"

enum { RIFF_HEADER = 12, FRAME_HEADER = 16, LOSSLESS_BYTES = 5, LOSSY_ROW_BYTES = 64, RGBA = 4 };

/* What the chunks say. */
typedef struct webp_file {
    const unsigned char *data; /* what libwebp decodes: the whole file, or a frame of an animation */
    size_t data_size;
    const unsigned char *icc, *exif;
    size_t icc_size, exif_size;
    int canvas_width, canvas_height;
    int x, y, width, height; /* of the frame on the canvas */
    int lossless, alpha;
    size_t claimed; /* bytes that the file says it has */
} webp_file;

static unsigned u24(byte_reader *r)
{
    const unsigned low = byte_u16_little(r);
    return low | byte_u8(r) << 16;
}

/* ---- the header -------------------------------------------------------------------------------------------------- */

/* The first frame of an animation. */
static void read_frame(webp_file *f, const unsigned char *data, size_t size)
{
    byte_reader r = byte_reader_of(data, size);
    f->x = 2 * (int)u24(&r);
    f->y = 2 * (int)u24(&r);
    byte_take(&r, FRAME_HEADER - 6);
    if (r.ended)
        return;
    f->data = r.at;
    f->data_size = byte_left(&r);
}

static void walk_chunks(webp_file *f, const unsigned char *bytes, size_t size)
{
    byte_reader r = byte_reader_of(bytes, size);
    byte_take(&r, 4);
    f->claimed = (size_t)byte_u32_little(&r) + 8;
    byte_take(&r, 4);
    int animated = 0;
    while (byte_left(&r) >= 8) {
        const unsigned char *type = byte_take(&r, 4);
        const size_t claimed = byte_u32_little(&r), left = byte_left(&r);
        const size_t length = claimed < left ? claimed : left;
        const unsigned char *data = byte_take(&r, length);
        if (memcmp(type, "VP8X", 4) == 0 && length >= 10) {
            byte_reader fields = byte_reader_of(data + 4, 6);
            f->canvas_width = (int)u24(&fields) + 1;
            f->canvas_height = (int)u24(&fields) + 1;
        } else if (memcmp(type, "ICCP", 4) == 0 && !f->icc) {
            f->icc = data;
            f->icc_size = length;
        } else if (memcmp(type, "EXIF", 4) == 0 && !f->exif) {
            f->exif = data;
            f->exif_size = length;
        } else if (memcmp(type, "ANMF", 4) == 0 && !animated) {
            animated = 1;
            read_frame(f, data, length);
        }
        byte_take(&r, claimed % 2 && byte_left(&r) ? 1 : 0);
    }
}

/* VP8_STATUS... as one of ours. */
static int refuse(VP8StatusCode code, const webp_file *f, size_t size, caption_error *err)
{
    if (code == VP8_STATUS_OUT_OF_MEMORY)
        return caption_fail(err, CAPTION_ENOMEM, "WebP: out of memory");
    if (code == VP8_STATUS_NOT_ENOUGH_DATA || code == VP8_STATUS_SUSPENDED)
        return caption_fail(err, CAPTION_EFORMAT, "WebP: truncated: the file has %zu of %zu bytes", size, f->claimed);
    if (code == VP8_STATUS_UNSUPPORTED_FEATURE)
        return caption_fail(err, CAPTION_EUNSUPPORTED, "WebP: a feature that libwebp does not support");
    if (f->claimed > size)
        return caption_fail(err, CAPTION_EFORMAT, "WebP: truncated or corrupt: the file has %zu of %zu bytes", size,
                            f->claimed);
    return caption_fail(err, CAPTION_EFORMAT, "WebP: corrupt");
}

static int read_file(webp_file *f, const unsigned char *bytes, size_t size, caption_error *err)
{
    *f = (webp_file){.data = bytes, .data_size = size};
    walk_chunks(f, bytes, size);
    WebPBitstreamFeatures features;
    const VP8StatusCode code = WebPGetFeatures(f->data, f->data_size, &features);
    if (code != VP8_STATUS_OK)
        return refuse(code, f, size, err);
    if (features.has_animation)
        return caption_fail(err, CAPTION_EFORMAT, "WebP: corrupt: an animation without a frame");
    f->width = features.width;
    f->height = features.height;
    f->lossless = features.format != 1;
    f->alpha = features.has_alpha;
    if (f->data == bytes || f->canvas_width < f->x + f->width || f->canvas_height < f->y + f->height) {
        f->x = f->y = 0;
        f->canvas_width = f->width;
        f->canvas_height = f->height;
    }
    return CAPTION_OK;
}

static int header(const unsigned char *bytes, size_t size, image_header *h, caption_error *err)
{
    webp_file f;
    const int status = read_file(&f, bytes, size, err);
    if (status != CAPTION_OK)
        return status;
    const uint64_t pixels = (uint64_t)f.width * (uint64_t)f.height;
    uint64_t memory = (uint64_t)f.canvas_width * LOSSY_ROW_BYTES; /* and the scaled version, which is small */
    memory += f.lossless ? pixels * LOSSLESS_BYTES : f.alpha ? pixels : 0;
    *h = (image_header){f.canvas_width, f.canvas_height, memory};
    return CAPTION_OK;
}

/* ---- decoding ---------------------------------------------------------------------------------------------------- */

/* The smallest whole fraction of the canvas that suffices. */
static int choose_divisor(const image_sink *sink, const webp_file *f)
{
    int divisor = 1;
    while (image_sink_suffices(sink, f->canvas_width / (divisor + 1), f->canvas_height / (divisor + 1)))
        divisor++;
    return divisor;
}

/* A frame's row on the canvas, whose other pixels are transparent. */
static void send_rows(const WebPDecBuffer *out, image_sink *sink, int canvas_width, int canvas_height, int x, int y,
                      unsigned char *row)
{
    const int width = out->width < canvas_width - x ? out->width : canvas_width - x;
    for (int i = 0; i < canvas_height; i++) {
        memset(row, 0, (size_t)canvas_width * RGBA);
        if (i >= y && i - y < out->height)
            memcpy(row + (size_t)x * RGBA, out->u.RGBA.rgba + (size_t)(i - y) * (size_t)out->u.RGBA.stride,
                   (size_t)width * RGBA);
        image_sink_row(sink, row);
    }
}

static int at_least_1(int size)
{
    return size > 0 ? size : 1;
}

static int decode_scaled(const webp_file *f, size_t size, image_sink *sink, WebPDecoderConfig *config,
                         caption_error *err)
{
    const int divisor = choose_divisor(sink, f);
    config->output.colorspace = divisor > 1 ? MODE_rgbA : MODE_RGBA; /* as averages must be; exact */
    if (divisor > 1) {
        config->options.use_scaling = 1;
        config->options.scaled_width = at_least_1(f->width / divisor);
        config->options.scaled_height = at_least_1(f->height / divisor);
    }
    const VP8StatusCode code = WebPDecode(f->data, f->data_size, config);
    if (code != VP8_STATUS_OK)
        return refuse(code, f, size, err);
    const image_layout layout = {.width = f->canvas_width / divisor,
                                 .height = f->canvas_height / divisor,
                                 .channels = IMAGE_RGB_ALPHA,
                                 .bits = 8,
                                 .premultiplied = divisor > 1,
                                 .icc = f->icc,
                                 .icc_size = f->icc_size};
    const int status = image_sink_begin(sink, &layout, err);
    unsigned char *row = status == CAPTION_OK ? malloc((size_t)layout.width * RGBA) : NULL;
    if (row)
        send_rows(&config->output, sink, layout.width, layout.height, f->x / divisor, f->y / divisor, row);
    else if (status == CAPTION_OK)
        return caption_fail(err, CAPTION_ENOMEM, "WebP: out of memory");
    free(row);
    return status;
}

/* Some writers keep the "Exif\0\0" with which the block begins in a JPEG. */
static int orientation(const webp_file *f)
{
    if (f->exif_size > 6 && memcmp(f->exif, "Exif\0", 6) == 0)
        return image_exif_orientation(f->exif + 6, f->exif_size - 6);
    return f->exif ? image_exif_orientation(f->exif, f->exif_size) : 0;
}

static int decode(const unsigned char *bytes, size_t size, const image_header *h, image_sink *sink, caption_error *err)
{
    (void)h;
    webp_file f;
    WebPDecoderConfig config;
    int status = read_file(&f, bytes, size, err);
    if (status != CAPTION_OK)
        return status;
    if (!WebPInitDecoderConfig(&config))
        return caption_fail(err, CAPTION_EUNSUPPORTED, "WebP: another libwebp than the one this was built with");
    status = decode_scaled(&f, size, sink, &config, err);
    WebPFreeDecBuffer(&config.output);
    image_sink_orient(sink, orientation(&f));
    return status;
}

static int recognises(const unsigned char *bytes, size_t size)
{
    return size >= RIFF_HEADER && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0;
}

const image_format image_webp = {"image/webp", recognises, header, decode};
