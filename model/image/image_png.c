/* image_png.c: PNG (ISO/IEC 15948): chunks with a CRC each, pixels in one zlib stream across the IDAT chunks.
 *
 *     8 bytes of magic | IHDR ... PLTE ... IDAT IDAT ... IEND        chunk: length (4), type (4), data, CRC-32 (4)
 *
 * The stream is inflated here once, into nothing, to see that it holds exactly the pixels promised: stb_image would
 * follow a stream of a few kilobytes into gigabytes, and does not look at checksums. */
#include <limits.h>
#include <string.h>
#include <zlib.h>

#include "model/image/image_format.h"
#include "model/storage/byte_reader.h"

#define MAGIC "\x89PNG\r\n\x1a\n"

enum { MAGIC_SIZE = 8, HEADER_SIZE = 13, PALETTE = 3, INFLATE_CHUNK = 32768 };

typedef struct png_chunk {
    const unsigned char *type; /* [4] */
    const unsigned char *data;
    size_t size;
} png_chunk;

typedef struct png_header {
    uint32_t width, height;
    unsigned depth, colour, interlace;
} png_header;

static int is(const png_chunk *chunk, const char *type)
{
    return memcmp(chunk->type, type, 4) == 0;
}

/* Takes the next chunk and checks its CRC, which covers type and data. */
static int next_chunk(byte_reader *r, png_chunk *chunk, caption_error *err)
{
    chunk->size = byte_u32_big(r);
    chunk->type = byte_take(r, 4);
    chunk->data = byte_take(r, chunk->size);
    uint32_t crc = byte_u32_big(r);
    if (r->ended)
        return caption_fail(err, CAPTION_EFORMAT, "PNG: truncated: the file ends before its IEND chunk");
    if (chunk->size > INT_MAX || crc32_z(0, chunk->type, chunk->size + 4) != crc)
        return caption_fail(err, CAPTION_EFORMAT, "PNG: corrupt: a chunk does not match its checksum");
    return CAPTION_OK;
}

/* Which depths a colour type may have, as bits: 1, 2, 4, 8, 16 are themselves powers of two. */
static int is_known(const png_header *h)
{
    static const unsigned depths[] = {
        [0] = 1 | 2 | 4 | 8 | 16, [2] = 8 | 16, [3] = 1 | 2 | 4 | 8, [4] = 8 | 16, [6] = 8 | 16};
    unsigned power_of_two = h->depth && (h->depth & (h->depth - 1)) == 0;
    return power_of_two && h->colour <= 6 && (depths[h->colour] & h->depth) && h->interlace <= 1;
}

static int read_header(byte_reader *r, png_header *h, caption_error *err)
{
    png_chunk chunk;
    int status = next_chunk(r, &chunk, err);
    if (status != CAPTION_OK)
        return status;
    if (!is(&chunk, "IHDR") || chunk.size != HEADER_SIZE)
        return caption_fail(err, CAPTION_EFORMAT, "PNG: does not begin with an IHDR chunk");
    byte_reader fields = byte_reader_of(chunk.data, chunk.size);
    h->width = byte_u32_big(&fields);
    h->height = byte_u32_big(&fields);
    h->depth = byte_u8(&fields);
    h->colour = byte_u8(&fields);
    unsigned compression = byte_u8(&fields), filter = byte_u8(&fields);
    h->interlace = byte_u8(&fields);
    if (h->width < 1 || h->height < 1 || h->width > INT_MAX || h->height > INT_MAX)
        return caption_fail(err, CAPTION_EFORMAT, "PNG: impossible size %u x %u", h->width, h->height);
    if (compression || filter || !is_known(h))
        return caption_fail(err, CAPTION_EFORMAT, "PNG: impossible depth %u, colour type %u or method", h->depth,
                            h->colour);
    return CAPTION_OK;
}

static int header(const unsigned char *bytes, size_t size, int *width, int *height, caption_error *err)
{
    byte_reader r = byte_reader_of(bytes + MAGIC_SIZE, size - MAGIC_SIZE);
    png_header h;
    int status = read_header(&r, &h, err);
    if (status != CAPTION_OK)
        return status;
    *width = (int)h.width;
    *height = (int)h.height;
    return CAPTION_OK;
}

/* ---- the pixels -------------------------------------------------------------------------------------------------- */

/* Bytes of a width x height picture, or of one pass of it: every row has a filter byte in front. */
static uint64_t raw_size(const png_header *h, uint64_t width, uint64_t height)
{
    static const unsigned channels[] = {[0] = 1, [2] = 3, [3] = 1, [4] = 2, [6] = 4};
    return width == 0 ? 0 : height * (1 + (width * channels[h->colour] * h->depth + 7) / 8);
}

/* What the stream must inflate to. Interlaced (Adam7): seven passes over ever finer grids. */
static uint64_t expected_size(const png_header *h)
{
    static const struct {
        unsigned x, y, step_x, step_y;
    } passes[7] = {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}};
    if (!h->interlace)
        return raw_size(h, h->width, h->height);
    uint64_t size = 0;
    for (int i = 0; i < 7; i++)
        size += raw_size(h, ((uint64_t)h->width + passes[i].step_x - 1 - passes[i].x) / passes[i].step_x,
                         ((uint64_t)h->height + passes[i].step_y - 1 - passes[i].y) / passes[i].step_y);
    return size;
}

/* Inflates one chunk more, counting in stream->total_out; stops as soon as there is more than `expected`. Returns
 * zlib's last word. */
static int inflate_chunk(z_stream *stream, const png_chunk *chunk, uint64_t expected)
{
    unsigned char nowhere[INFLATE_CHUNK];
    int result = Z_OK;
    stream->next_in = (unsigned char *)chunk->data;
    stream->avail_in = (uInt)chunk->size;
    do {
        stream->next_out = nowhere;
        stream->avail_out = sizeof nowhere;
        result = inflate(stream, Z_NO_FLUSH);
    } while (result == Z_OK && stream->total_out <= expected && (stream->avail_in > 0 || stream->avail_out == 0));
    return result;
}

/* Walks the chunks up to IEND, inflating the IDAT ones. */
static int walk(byte_reader *r, const png_header *h, z_stream *stream, caption_error *err)
{
    uint64_t expected = expected_size(h);
    int result = Z_OK, has_palette = 0;
    png_chunk chunk;
    do {
        int status = next_chunk(r, &chunk, err);
        if (status != CAPTION_OK)
            return status;
        if (is(&chunk, "PLTE"))
            has_palette = chunk.size > 0;
        if (is(&chunk, "IDAT") && result == Z_OK && chunk.size > 0)
            result = inflate_chunk(stream, &chunk, expected);
        if (result == Z_BUF_ERROR) /* this chunk gave all it had */
            result = Z_OK;
        if (result == Z_MEM_ERROR)
            return caption_fail(err, CAPTION_ENOMEM, "PNG: out of memory");
        if ((result != Z_OK && result != Z_STREAM_END) || stream->total_out > expected)
            return caption_fail(err, CAPTION_EFORMAT, "PNG: corrupt pixel data");
    } while (!is(&chunk, "IEND"));
    if (result != Z_STREAM_END || stream->total_out != expected)
        return caption_fail(err, CAPTION_EFORMAT, "PNG: corrupt: pixels are missing");
    if (h->colour == PALETTE && !has_palette)
        return caption_fail(err, CAPTION_EFORMAT, "PNG: corrupt: the palette is missing");
    return CAPTION_OK;
}

static int whole(const unsigned char *bytes, size_t size, caption_error *err)
{
    byte_reader r = byte_reader_of(bytes + MAGIC_SIZE, size - MAGIC_SIZE);
    png_header h;
    int status = read_header(&r, &h, err);
    if (status != CAPTION_OK)
        return status;
    z_stream stream = {0};
    if (inflateInit(&stream) != Z_OK)
        return caption_fail(err, CAPTION_ENOMEM, "PNG: out of memory");
    status = walk(&r, &h, &stream, err);
    inflateEnd(&stream);
    return status;
}

const image_format image_png = {"image/png", MAGIC, MAGIC_SIZE, header, whole};
