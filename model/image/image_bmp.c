/* image_bmp.c: Windows and OS/2 bitmaps: all depths, masks, run lengths, either row first. Embedded JPEG or PNG and
 * OS/2's own codings are named and refused.
 *
 *     "BM" size reserved offset | header size, width, height (negative: top row first), planes, depth, compression ...
 *     | masks or palette | rows from the bottom, each padded to 4 bytes, up to the end
 *
 * As in browsers: the fourth byte of a pixel counts only if a mask says so and not all of them are 0; pixels outside
 * the palette are black; what run lengths leave out is transparent. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "model/image/image_format.h"
#include "model/storage/byte_reader.h"

enum {
    FILE_HEADER = 14,
    CORE_HEADER = 12,
    INFO_HEADER = 40,
    MASKS_HEADER = 52,
    ALPHA_HEADER = 56,
    PROFILE_HEADER = 124
};
enum { PLAIN, RUNS_8, RUNS_4, BIT_FIELDS, JPEG_INSIDE, PNG_INSIDE, ALPHA_BIT_FIELDS };
enum { RGBA = 4, COLOURS = 256, EMBEDDED_PROFILE = 0x4d424544 /* "MBED" */ };

typedef struct bmp_file {
    const unsigned char *bytes, *pixels;
    size_t size, pixels_size, stride;
    uint32_t header_size;
    int64_t width, height; /* height: positive */
    int top_down;
    unsigned depth;
    uint32_t compression, colours_used;
    uint32_t mask[4]; /* red, green, blue, alpha */
    const unsigned char *palette;
    size_t colours, colour_bytes; /* of the palette: how many, and of how many bytes */
} bmp_file;

/* ---- the header -------------------------------------------------------------------------------------------------- */

static int is_os2(const bmp_file *f)
{
    const uint32_t s = f->header_size;
    return s == CORE_HEADER || (s >= 16 && s <= 64 && s != INFO_HEADER && s != MASKS_HEADER && s != ALPHA_HEADER);
}

static int known_header(const bmp_file *f)
{
    const uint32_t s = f->header_size;
    return is_os2(f) || s == INFO_HEADER || s == MASKS_HEADER || s == ALPHA_HEADER || s == 108 || s == PROFILE_HEADER;
}

static void read_fields(bmp_file *f, byte_reader *r)
{
    const int core = f->header_size == CORE_HEADER;
    f->width = core ? (int64_t)byte_u16_little(r) : (int32_t)byte_u32_little(r);
    f->height = core ? (int64_t)byte_u16_little(r) : (int32_t)byte_u32_little(r);
    byte_u16_little(r); /* planes: 1, but nothing depends on it */
    f->depth = byte_u16_little(r);
    if (f->header_size >= 20)
        f->compression = byte_u32_little(r);
    if (f->header_size >= INFO_HEADER - 4) {
        byte_take(r, 12); /* size of the pixels, pixels a metre */
        f->colours_used = byte_u32_little(r);
    }
}

static int masked(const bmp_file *f)
{
    return f->compression == BIT_FIELDS || f->compression == ALPHA_BIT_FIELDS;
}

/* Masks stand behind the first 40 bytes of the header, inside a longer one. Returns where they end. */
static size_t read_masks(bmp_file *f)
{
    const size_t end = FILE_HEADER + (size_t)f->header_size;
    if (!masked(f)) {
        static const uint32_t five[4] = {0x7c00, 0x3e0, 0x1f}, eight[4] = {0xff0000, 0xff00, 0xff};
        memcpy(f->mask, f->depth == 16 ? five : eight, sizeof f->mask);
        return end;
    }
    const int alpha = f->header_size >= ALPHA_HEADER || f->compression == ALPHA_BIT_FIELDS;
    const size_t at = FILE_HEADER + INFO_HEADER;
    byte_reader r = byte_reader_of(f->bytes + (at < f->size ? at : f->size), f->size - (at < f->size ? at : f->size));
    for (int i = 0; i < 3 + alpha; i++)
        f->mask[i] = byte_u32_little(&r);
    const size_t masks_end = at + 4 * (size_t)(3 + alpha);
    return masks_end > end ? masks_end : end;
}

static int known_coding(const bmp_file *f)
{
    const unsigned d = f->depth;
    switch (f->compression) {
    case PLAIN:
        return d == 1 || d == 2 || d == 4 || d == 8 || d == 16 || d == 24 || d == 32;
    case RUNS_8:
        return d == 8;
    case RUNS_4:
        return d == 4;
    case BIT_FIELDS:
        return !is_os2(f) && (d == 16 || d == 32);
    case ALPHA_BIT_FIELDS:
        return d == 16 || d == 32;
    default:
        return 0;
    }
}

static int check_fields(const bmp_file *f, caption_error *err)
{
    if (f->width < 1 || f->height == 0 || f->height < -INT_MAX)
        return caption_fail(err, CAPTION_EFORMAT, "BMP: impossible size %lld x %lld", (long long)f->width,
                            (long long)f->height);
    if (!known_coding(f))
        return caption_fail(err, CAPTION_EUNSUPPORTED, "BMP: compression %u of %u bits a pixel is not supported%s",
                            f->compression, f->depth,
                            f->compression == JPEG_INSIDE  ? " (a JPEG inside)"
                            : f->compression == PNG_INSIDE ? " (a PNG inside)"
                                                           : "");
    return CAPTION_OK;
}

static void find_palette(bmp_file *f, size_t at, size_t offset)
{
    f->colour_bytes = f->header_size == CORE_HEADER ? 3 : 4;
    const size_t most = (size_t)1 << f->depth, end = offset > at && offset < f->size ? offset : f->size;
    const size_t room = at < end ? (end - at) / f->colour_bytes : 0;
    f->colours = f->colours_used && f->colours_used < most ? f->colours_used : most;
    f->colours = f->colours < room ? f->colours : room;
    f->palette = f->bytes + (at < f->size ? at : f->size);
}

static int read_file(bmp_file *f, const unsigned char *bytes, size_t size, caption_error *err)
{
    byte_reader r = byte_reader_of(bytes, size);
    *f = (bmp_file){.bytes = bytes, .size = size};
    byte_take(&r, 10); /* "BM", file size (often wrong), reserved */
    size_t offset = byte_u32_little(&r);
    f->header_size = byte_u32_little(&r);
    if (!r.ended && !known_header(f))
        return caption_fail(err, CAPTION_EUNSUPPORTED, "BMP: a header of %u bytes is not supported", f->header_size);
    read_fields(f, &r);
    if (r.ended)
        return caption_fail(err, CAPTION_EFORMAT, "BMP: the file ends inside its header");
    const int status = check_fields(f, err);
    if (status != CAPTION_OK)
        return status;
    f->top_down = f->height < 0;
    f->height = llabs(f->height);
    size_t behind = read_masks(f);
    if (f->depth <= 8) {
        find_palette(f, behind, offset);
        behind += f->colours * f->colour_bytes;
    }
    if (offset < FILE_HEADER + (size_t)f->header_size)
        offset = behind;
    if (offset > size)
        return caption_fail(err, CAPTION_EFORMAT, "BMP: truncated: its pixels are said to begin at byte %zu of %zu",
                            offset, size);
    f->stride = ((size_t)f->width * f->depth + 31) / 32 * 4;
    f->pixels = bytes + offset;
    f->pixels_size = size - offset;
    return CAPTION_OK;
}

static int header(const unsigned char *bytes, size_t size, image_header *h, caption_error *err)
{
    bmp_file f;
    const int status = read_file(&f, bytes, size, err);
    if (status == CAPTION_OK)
        *h = (image_header){(int)f.width, (int)f.height, (uint64_t)f.width * RGBA};
    return status;
}

/* ---- pixels ------------------------------------------------------------------------------------------------------ */

static void put_colour(const bmp_file *f, unsigned index, unsigned char *rgba)
{
    const unsigned char *c = index < f->colours ? f->palette + index * f->colour_bytes : (const unsigned char[3]){0};
    memcpy(rgba, (unsigned char[]){c[2], c[1], c[0], 255}, RGBA);
}

/* The bits under a mask, as 0..255. */
static unsigned char under_mask(uint32_t pixel, uint32_t mask)
{
    if (!mask)
        return 0;
    const int shift = __builtin_ctz(mask);
    const uint64_t most = mask >> shift;
    return (unsigned char)(((pixel & mask) >> shift) * 255ull / most);
}

static uint32_t pixel_at(const bmp_file *f, const unsigned char *row, size_t x)
{
    if (f->depth == 16)
        return row[2 * x] | (uint32_t)row[2 * x + 1] << 8;
    return row[4 * x] | (uint32_t)row[4 * x + 1] << 8 | (uint32_t)row[4 * x + 2] << 16 | (uint32_t)row[4 * x + 3] << 24;
}

static void put_row(const bmp_file *f, const unsigned char *row, unsigned char *rgba, int alpha)
{
    for (size_t x = 0; x < (size_t)f->width; x++, rgba += RGBA)
        if (f->depth <= 8) {
            const unsigned per_byte = 8 / f->depth, shift = f->depth * (unsigned)(per_byte - 1 - x % per_byte);
            put_colour(f, row[x / per_byte] >> shift & ((1u << f->depth) - 1), rgba);
        } else if (f->depth == 24) {
            memcpy(rgba, (unsigned char[]){row[3 * x + 2], row[3 * x + 1], row[3 * x], 255}, RGBA);
        } else {
            const uint32_t pixel = pixel_at(f, row, x);
            for (int c = 0; c < 3; c++)
                rgba[c] = under_mask(pixel, f->mask[c]);
            rgba[3] = alpha ? under_mask(pixel, f->mask[3]) : 255;
        }
}

/* Row y of the image in the file. */
static const unsigned char *stored_row(const bmp_file *f, size_t y)
{
    return f->pixels + (f->top_down ? y : (size_t)f->height - 1 - y) * f->stride;
}

/* Writers that do not know alpha leave its bits 0. */
static int alpha_is_used(const bmp_file *f)
{
    if (!masked(f) || !f->mask[3])
        return 0;
    for (size_t y = 0; y < (size_t)f->height; y++)
        for (size_t x = 0; x < (size_t)f->width; x++)
            if (pixel_at(f, stored_row(f, y), x) & f->mask[3])
                return 1;
    return 0;
}

static int send_rows(const bmp_file *f, image_sink *sink, unsigned char *row, caption_error *err)
{
    const size_t last = ((size_t)f->width * f->depth + 7) / 8; /* the last row's padding may be missing */
    const size_t rows = f->pixels_size < last ? 0 : 1 + (f->pixels_size - last) / f->stride;
    if (rows < (size_t)f->height)
        return caption_fail(err, CAPTION_EFORMAT, "BMP: truncated: the file ends after %zu of %lld rows", rows,
                            (long long)f->height);
    const int alpha = alpha_is_used(f);
    for (size_t y = 0; y < (size_t)f->height; y++) {
        put_row(f, stored_row(f, y), row, alpha);
        image_sink_row(sink, row);
    }
    return CAPTION_OK;
}

/* ---- run lengths ------------------------------------------------------------------------------------------------- */

typedef struct run_reader {
    const bmp_file *file;
    image_sink *sink;
    byte_reader bytes;
    unsigned char *row; /* [width, RGBA] */
    int64_t x, y;       /* y: rows sent */
} run_reader;

static void end_row(run_reader *r)
{
    const bmp_file *f = r->file;
    if (r->y < f->height)
        image_sink_span(r->sink, (int)(f->top_down ? r->y : f->height - 1 - r->y), 0, 1, (int)f->width, r->row);
    memset(r->row, 0, (size_t)f->width * RGBA);
    r->x = 0;
    r->y++;
}

static void put_index(run_reader *r, unsigned index)
{
    if (r->x < r->file->width)
        put_colour(r->file, index, r->row + r->x * RGBA);
    r->x++;
}

/* The n-th of the indices that `bytes` hold. */
static unsigned index_at(const bmp_file *f, const unsigned char *bytes, unsigned n)
{
    return f->depth == 8 ? bytes[n] : n % 2 ? bytes[n / 2] & 15u : bytes[n / 2] >> 4u;
}

/* `count` indices as they are, padded to an even number of bytes. */
static void put_literal(run_reader *r, unsigned count)
{
    const size_t length = r->file->depth == 8 ? count : (count + 1) / 2;
    const unsigned char *bytes = byte_take(&r->bytes, length);
    for (unsigned i = 0; bytes && i < count; i++)
        put_index(r, index_at(r->file, bytes, i));
    if (length % 2)
        byte_u8(&r->bytes);
}

static void put_run(run_reader *r, unsigned count, unsigned char value)
{
    const unsigned char both[2] = {value, value};
    for (unsigned i = 0; i < count; i++)
        put_index(r, index_at(r->file, both, r->file->depth == 8 ? 0 : i % 2));
}

/* 0 and 0: the row ends, 1: the image ends, 2: a step to the right and on, 3 and more: so many indices follow. */
static int read_run(run_reader *r)
{
    const unsigned count = byte_u8(&r->bytes), value = byte_u8(&r->bytes);
    if (r->bytes.ended || (count == 0 && value == 1))
        return 0;
    if (count > 0) {
        put_run(r, count, (unsigned char)value);
    } else if (value == 0) {
        end_row(r);
    } else if (value == 2) {
        const int64_t x = r->x + byte_u8(&r->bytes);
        for (unsigned rows = byte_u8(&r->bytes); rows > 0; rows--)
            end_row(r);
        r->x = x;
    } else {
        put_literal(r, value);
    }
    return 1;
}

static int send_runs(const bmp_file *f, image_sink *sink, unsigned char *row, caption_error *err)
{
    run_reader r = {.file = f, .sink = sink, .bytes = byte_reader_of(f->pixels, f->pixels_size), .row = row};
    while (r.y < f->height && read_run(&r))
        continue;
    const int last_row_is_full = r.y == f->height - 1 && r.x >= f->width;
    if (r.bytes.ended && r.y < f->height && !last_row_is_full)
        return caption_fail(err, CAPTION_EFORMAT, "BMP: truncated: the file ends after %lld of %lld rows",
                            (long long)r.y, (long long)f->height);
    while (r.y < f->height)
        end_row(&r);
    return CAPTION_OK;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

/* A profile inside the file: version 5 of the header says where. */
static void find_profile(const bmp_file *f, image_layout *layout)
{
    if (f->header_size != PROFILE_HEADER || f->size < FILE_HEADER + PROFILE_HEADER)
        return;
    byte_reader r = byte_reader_of(f->bytes + FILE_HEADER + 56, PROFILE_HEADER - 56);
    const uint32_t kind = byte_u32_little(&r);
    byte_take(&r, 52);
    const size_t offset = byte_u32_little(&r), size = byte_u32_little(&r);
    if (kind != EMBEDDED_PROFILE || offset > f->size - FILE_HEADER || size > f->size - FILE_HEADER - offset)
        return;
    layout->icc = f->bytes + FILE_HEADER + offset;
    layout->icc_size = size;
}

static int decode(const unsigned char *bytes, size_t size, const image_header *h, image_sink *sink, caption_error *err)
{
    (void)h;
    bmp_file f;
    int status = read_file(&f, bytes, size, err);
    if (status != CAPTION_OK)
        return status;
    const int runs = f.compression == RUNS_8 || f.compression == RUNS_4;
    image_layout layout = {
        .width = (int)f.width, .height = (int)f.height, .channels = IMAGE_RGB_ALPHA, .bits = 8, .any_order = runs};
    find_profile(&f, &layout);
    status = image_sink_begin(sink, &layout, err);
    if (status != CAPTION_OK)
        return status;
    unsigned char *row = calloc((size_t)f.width, RGBA);
    if (!row)
        return caption_fail(err, CAPTION_ENOMEM, "BMP: out of memory");
    status = runs ? send_runs(&f, sink, row, err) : send_rows(&f, sink, row, err);
    free(row);
    return status;
}

static int recognises(const unsigned char *bytes, size_t size)
{
    return size >= 2 && memcmp(bytes, "BM", 2) == 0;
}

const image_format image_bmp = {"image/bmp", recognises, header, decode};
