/* image_bmp.c: Windows bitmaps. Uncompressed ones only: run-length and embedded JPEG or PNG are named and refused.
 *
 *     "BM" size reserved offset | header size, width, height (negative: top row first), planes, depth, compression ...
 *     | masks or palette | rows, each padded to 4 bytes, up to the end */
#include <limits.h>
#include <stdlib.h>

#include "model/image/image_format.h"
#include "model/storage/byte_reader.h"

enum {
    FILE_HEADER = 14,
    CORE_HEADER = 12, /* OS/2 1.x: 16-bit sizes, no compression field */
    UNCOMPRESSED = 0,
    BIT_FIELDS = 3,
};

typedef struct bmp_header {
    uint32_t offset; /* of the rows */
    uint32_t size;   /* of the second header */
    int64_t width, height;
    unsigned planes, depth;
    uint32_t compression;
    int ended;
} bmp_header;

static bmp_header read_header(const unsigned char *bytes, size_t size)
{
    byte_reader r = byte_reader_of(bytes, size);
    byte_take(&r, 10); /* "BM", file size (often wrong), reserved */
    bmp_header h = {.offset = byte_u32_little(&r), .size = byte_u32_little(&r)};
    if (h.size == CORE_HEADER) {
        h.width = byte_u16_little(&r);
        h.height = byte_u16_little(&r);
    } else {
        h.width = (int32_t)byte_u32_little(&r);
        h.height = (int32_t)byte_u32_little(&r);
    }
    h.planes = byte_u16_little(&r);
    h.depth = byte_u16_little(&r);
    if (h.size != CORE_HEADER)
        h.compression = byte_u32_little(&r);
    h.ended = r.ended;
    return h;
}

static int header(const unsigned char *bytes, size_t size, int *width, int *height, caption_error *err)
{
    bmp_header h = read_header(bytes, size);
    if (h.ended)
        return caption_fail(err, CAPTION_EFORMAT, "BMP: the file ends inside its header");
    if (h.size != CORE_HEADER && h.size != 40 && h.size != 56 && h.size != 108 && h.size != 124)
        return caption_fail(err, CAPTION_EUNSUPPORTED, "BMP: a header of %u bytes is not supported", h.size);
    if (h.width < 1 || h.height == 0 || h.height < -INT_MAX || h.planes != 1)
        return caption_fail(err, CAPTION_EFORMAT, "BMP: impossible size %lld x %lld", (long long)h.width,
                            (long long)h.height);
    if (h.compression != UNCOMPRESSED && h.compression != BIT_FIELDS)
        return caption_fail(err, CAPTION_EUNSUPPORTED, "BMP: compression %u is not supported", h.compression);
    int core_palette = h.size == CORE_HEADER && h.depth < 24; /* stb_image misreads these */
    if (core_palette ||
        (h.depth != 1 && h.depth != 4 && h.depth != 8 && h.depth != 16 && h.depth != 24 && h.depth != 32))
        return caption_fail(err, CAPTION_EUNSUPPORTED, "BMP: %u bits a pixel are not supported%s", h.depth,
                            core_palette ? " in the OS/2 form" : "");
    *width = (int)h.width;
    *height = (int)llabs(h.height);
    return CAPTION_OK;
}

/* stb_image looks colours up without asking how many there are. rows: `stride` bytes each. */
static int check_palette(const bmp_header *h, const unsigned char *rows, size_t stride, caption_error *err)
{
    size_t colours = (h->offset - FILE_HEADER - h->size) / 4;
    size_t per_byte = 8 / h->depth;
    for (size_t y = 0; y < (size_t)llabs(h->height); y++)
        for (size_t x = 0; x < (size_t)h->width; x++) {
            unsigned shift = h->depth * (unsigned)(per_byte - 1 - x % per_byte);
            unsigned colour = rows[y * stride + x / per_byte] >> shift & ((1u << h->depth) - 1);
            if (colour >= colours)
                return caption_fail(err, CAPTION_EFORMAT, "BMP: a pixel uses colour %u of %zu", colour, colours);
        }
    return CAPTION_OK;
}

static int whole(const unsigned char *bytes, size_t size, caption_error *err)
{
    bmp_header h = read_header(bytes, size);
    size_t stride = ((size_t)h.width * h.depth + 31) / 32 * 4;
    if (h.offset < FILE_HEADER + h.size || h.offset > size)
        return caption_fail(err, CAPTION_EFORMAT, "BMP: its pixels are said to begin at byte %u of %zu", h.offset,
                            size);
    if ((size - h.offset) / stride < (size_t)llabs(h.height))
        return caption_fail(err, CAPTION_EFORMAT, "BMP: truncated: %lld rows of %zu bytes do not fit in the file",
                            llabs(h.height), stride);
    return h.depth <= 8 ? check_palette(&h, bytes + h.offset, stride, err) : CAPTION_OK;
}

const image_format image_bmp = {"image/bmp", "BM", 2, header, whole};
