/* image_gif.c: GIF87a and GIF89a (CompuServe, 1990). The first frame is the picture; the blocks of all others are only
 * walked over, to see that the file is whole.
 *
 *     magic | screen: width height flags background aspect | palette | blocks ... | 0x3B
 *     block: 0x21 label, sub-blocks            (an extension)
 *            0x2C x y width height flags, palette, code size, sub-blocks of LZW codes            (a frame)
 *     sub-blocks: length 1..255 and that many bytes, again and again, then a 0
 *
 * stb_image leaves white what a short frame does not fill, so here the codes are followed once without their colours:
 * they must unfold to as many pixels as the frame has. */
#include "model/image/image_format.h"
#include "model/storage/byte_reader.h"

enum {
    MAGIC_SIZE = 6,
    EXTENSION = 0x21,
    FRAME = 0x2c,
    TRAILER = 0x3b,
    HAS_PALETTE = 0x80,
    MAX_CODE_BITS = 12,
    MAX_CODES = 1 << MAX_CODE_BITS,
};

static void skip_palette(byte_reader *r, unsigned flags)
{
    if (flags & HAS_PALETTE)
        byte_take(r, (size_t)3 << ((flags & 7) + 1));
}

static void skip_sub_blocks(byte_reader *r)
{
    for (unsigned length = byte_u8(r); length > 0; length = byte_u8(r))
        byte_take(r, length);
}

static int header(const unsigned char *bytes, size_t size, int *width, int *height, caption_error *err)
{
    byte_reader r = byte_reader_of(bytes, size);
    const unsigned char *magic = byte_take(&r, MAGIC_SIZE);
    *width = (int)byte_u16_little(&r);
    *height = (int)byte_u16_little(&r);
    if (r.ended)
        return caption_fail(err, CAPTION_EFORMAT, "GIF: the file ends inside its header");
    if ((magic[4] != '7' && magic[4] != '9') || magic[5] != 'a')
        return caption_fail(err, CAPTION_EUNSUPPORTED, "GIF: neither GIF87a nor GIF89a");
    if (*width < 1 || *height < 1)
        return caption_fail(err, CAPTION_EFORMAT, "GIF: impossible size %d x %d", *width, *height);
    return CAPTION_OK;
}

/* ---- LZW without the colours ------------------------------------------------------------------------------------- */

typedef struct code_reader {
    byte_reader *bytes;
    unsigned block; /* bytes left in this sub-block */
    uint32_t bits;
    int count;
    int at_terminator;
} code_reader;

/* The next code of `width` bits, or -1 when the sub-blocks are over. */
static int next_code(code_reader *r, int width)
{
    while (r->count < width) {
        if (r->block == 0 && (r->block = byte_u8(r->bytes)) == 0) {
            r->at_terminator = 1;
            return -1;
        }
        r->bits |= byte_u8(r->bytes) << r->count;
        r->count += 8;
        r->block--;
    }
    int code = (int)(r->bits & ((1u << width) - 1));
    r->bits >>= width;
    r->count -= width;
    return code;
}

/* How many pixels a frame's codes stand for; stops at nonsense. Each new code is the previous one and a pixel more. */
static uint64_t unfold(code_reader *codes, int code_size)
{
    const int clear = 1 << code_size, end = clear + 1;
    uint32_t length[MAX_CODES];
    uint64_t pixels = 0;
    int next = end + 1, width = code_size + 1, previous = -1, code;
    for (int i = 0; i < clear; i++)
        length[i] = 1;
    while ((code = next_code(codes, width)) >= 0 && code != end) {
        if (code == clear) {
            next = end + 1;
            width = code_size + 1;
            previous = -1;
            continue;
        }
        if (code > next || (code == next && previous < 0))
            break;
        if (previous >= 0 && next < MAX_CODES)
            length[next++] = length[previous] + 1;
        if (next == 1 << width && width < MAX_CODE_BITS)
            width++;
        pixels += length[code];
        previous = code;
    }
    return pixels;
}

static int check_frame(byte_reader *r, uint64_t pixels, caption_error *err)
{
    int code_size = (int)byte_u8(r);
    if (code_size < 1 || code_size > 8)
        return caption_fail(err, CAPTION_EFORMAT, "GIF: corrupt: codes of %d bits", code_size);
    code_reader codes = {.bytes = r};
    uint64_t found = unfold(&codes, code_size);
    if (!codes.at_terminator) {
        byte_take(r, codes.block);
        skip_sub_blocks(r);
    }
    if (found < pixels && !r->ended)
        return caption_fail(err, CAPTION_EFORMAT, "GIF: corrupt: the frame has %llu of %llu pixels",
                            (unsigned long long)found, (unsigned long long)pixels);
    return CAPTION_OK;
}

/* ---- the blocks -------------------------------------------------------------------------------------------------- */

static int read_frame(byte_reader *r, int is_first, caption_error *err)
{
    byte_take(r, 4); /* position */
    uint64_t width = byte_u16_little(r), height = byte_u16_little(r);
    skip_palette(r, byte_u8(r));
    if (is_first)
        return check_frame(r, width * height, err);
    byte_u8(r); /* code size */
    skip_sub_blocks(r);
    return CAPTION_OK;
}

static int whole(const unsigned char *bytes, size_t size, caption_error *err)
{
    byte_reader r = byte_reader_of(bytes, size);
    byte_take(&r, MAGIC_SIZE + 4);
    unsigned flags = byte_u8(&r);
    byte_take(&r, 2);
    skip_palette(&r, flags);
    int frames = 0, status = CAPTION_OK;
    unsigned block = 0;
    while (status == CAPTION_OK && !r.ended && (block = byte_u8(&r)) != TRAILER) {
        if (block == EXTENSION) {
            byte_u8(&r);
            skip_sub_blocks(&r);
        } else if (block == FRAME) {
            status = read_frame(&r, frames++ == 0, err);
        } else if (block != 0) { /* some writers pad between blocks */
            return caption_fail(err, CAPTION_EFORMAT, "GIF: corrupt: unknown block 0x%02x", block);
        }
    }
    if (status != CAPTION_OK)
        return status;
    if (r.ended)
        return caption_fail(err, CAPTION_EFORMAT, "GIF: truncated: the file ends before its trailer");
    if (frames == 0)
        return caption_fail(err, CAPTION_EFORMAT, "GIF: there is no picture in it");
    return CAPTION_OK;
}

const image_format image_gif = {"image/gif", "GIF8", 4, header, whole};
