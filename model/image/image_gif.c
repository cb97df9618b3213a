/* image_gif.c: GIF87a and GIF89a (CompuServe, 1990). The first frame is the image, laid on its screen; nothing behind
 * it is read.
 *
 *     magic | screen: width height flags background aspect | palette | blocks ... | 0x3B
 *     block: 0x21 label, sub-blocks            (an extension; 0xF9 says which colour is transparent)
 *            0x2C x y width height flags, palette, code size, sub-blocks of LZW codes            (a frame)
 *     sub-blocks: length 1..255 and that many bytes, again and again, then a 0
 *
 * As in browsers: the background colour is not used, what no pixel covers is transparent; of a frame larger than the
 * screen one sees what fits. */
#include <stdlib.h>
#include <string.h>

#include "model/image/image_format.h"
#include "model/storage/byte_reader.h"

enum {
    MAGIC_SIZE = 6,
    EXTENSION = 0x21,
    GRAPHIC_CONTROL = 0xf9,
    FRAME = 0x2c,
    HAS_PALETTE = 0x80,
    INTERLACED = 0x40,
    MAX_CODE_BITS = 12,
    MAX_CODES = 1 << MAX_CODE_BITS,
    COLOURS = 256,
    RGBA = 4,
};

typedef struct gif_frame {
    int screen_width, screen_height;
    int x, y, width, height;
    int interlaced, transparent;  /* transparent: a colour's index, or -1 */
    const unsigned char *palette; /* NULL: shades of grey */
    unsigned colours;
    byte_reader data; /* at the code size */
} gif_frame;

/* ---- the blocks -------------------------------------------------------------------------------------------------- */

static void read_palette(gif_frame *f, byte_reader *r, unsigned flags)
{
    if (!(flags & HAS_PALETTE))
        return;
    f->colours = 2u << (flags & 7);
    f->palette = byte_take(r, 3 * (size_t)f->colours);
}

static void skip_sub_blocks(byte_reader *r)
{
    for (unsigned length = byte_u8(r); length > 0; length = byte_u8(r))
        byte_take(r, length);
}

static void read_extension(gif_frame *f, byte_reader *r)
{
    const unsigned label = byte_u8(r);
    if (label == GRAPHIC_CONTROL && byte_left(r) >= 5 && r->at[0] >= 4)
        f->transparent = r->at[1] & 1 ? r->at[4] : -1;
    skip_sub_blocks(r);
}

static void read_descriptor(gif_frame *f, byte_reader *r)
{
    f->x = (int)byte_u16_little(r);
    f->y = (int)byte_u16_little(r);
    f->width = (int)byte_u16_little(r);
    f->height = (int)byte_u16_little(r);
    const unsigned flags = byte_u8(r);
    f->interlaced = (flags & INTERLACED) != 0;
    read_palette(f, r, flags);
    f->data = *r;
}

/* A screen of no size, or one that the frame lies outside of, is that of the frame. */
static int settle_screen(gif_frame *f, caption_error *err)
{
    if (f->screen_width < 1 || f->screen_height < 1 || f->x >= f->screen_width || f->y >= f->screen_height) {
        f->screen_width = f->width;
        f->screen_height = f->height;
        f->x = f->y = 0;
    }
    if (f->width >= 1 && f->height >= 1)
        return CAPTION_OK;
    return caption_fail(err, CAPTION_EFORMAT, "GIF: impossible size %d x %d", f->width, f->height);
}

static int find_frame(gif_frame *f, const unsigned char *bytes, size_t size, caption_error *err)
{
    byte_reader r = byte_reader_of(bytes, size);
    *f = (gif_frame){.transparent = -1};
    const unsigned char *magic = byte_take(&r, MAGIC_SIZE);
    f->screen_width = (int)byte_u16_little(&r);
    f->screen_height = (int)byte_u16_little(&r);
    if (!magic || r.ended)
        return caption_fail(err, CAPTION_EFORMAT, "GIF: the file ends inside its header");
    if ((magic[4] != '7' && magic[4] != '9') || magic[5] != 'a')
        return caption_fail(err, CAPTION_EUNSUPPORTED, "GIF: neither GIF87a nor GIF89a");
    const unsigned flags = byte_u8(&r);
    byte_take(&r, 2);
    read_palette(f, &r, flags);
    unsigned block;
    while ((block = byte_u8(&r)) != FRAME && !r.ended)
        if (block == EXTENSION)
            read_extension(f, &r);
        else if (block != 0) /* some writers pad between blocks */
            return caption_fail(err, CAPTION_EFORMAT, "GIF: there is no picture in it");
    read_descriptor(f, &r);
    if (r.ended)
        return caption_fail(err, CAPTION_EFORMAT, "GIF: truncated: the file ends before its first picture");
    return settle_screen(f, err);
}

static int header(const unsigned char *bytes, size_t size, image_header *h, caption_error *err)
{
    gif_frame f;
    const int status = find_frame(&f, bytes, size, err);
    if (status == CAPTION_OK)
        *h = (image_header){f.screen_width, f.screen_height, RGBA * ((uint64_t)f.screen_width + (uint64_t)f.width)};
    return status;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

typedef struct gif_rows {
    const gif_frame *frame;
    image_sink *sink;
    unsigned char colour[COLOURS][RGBA];
    unsigned char *row; /* [screen_width, RGBA] */
    int filled;         /* pixels of the frame's row, of which the screen may show fewer */
    int done;           /* rows of the frame, in the order of the file */
    int shown, wanted;  /* of those, the ones that the screen shows; all of them */
} gif_rows;

static void make_colours(gif_rows *g)
{
    const gif_frame *f = g->frame;
    for (int i = 0; i < COLOURS; i++)
        if (!f->palette)
            memcpy(g->colour[i], (unsigned char[]){(unsigned char)i, (unsigned char)i, (unsigned char)i, 255}, RGBA);
        else if ((unsigned)i < f->colours)
            memcpy(g->colour[i],
                   (unsigned char[]){f->palette[3 * i], f->palette[3 * i + 1], f->palette[3 * i + 2], 255}, RGBA);
        else
            memcpy(g->colour[i], (unsigned char[]){0, 0, 0, 255}, RGBA);
    if (f->transparent >= 0)
        memset(g->colour[f->transparent], 0, RGBA);
}

/* Where the n-th row of the file stands in the frame: interlaced ones come in four passes. */
static int row_position(const gif_frame *f, int n)
{
    static const int start[] = {0, 4, 2, 1}, step[] = {8, 8, 4, 2};
    for (int pass = 0; f->interlaced && pass < 4; pass++) {
        const int rows = (f->height - start[pass] + step[pass] - 1) / step[pass];
        if (n < rows)
            return start[pass] + n * step[pass];
        n -= rows;
    }
    return n;
}

static void send_row(gif_rows *g, int y)
{
    if (g->frame->interlaced)
        image_sink_span(g->sink, y, 0, 1, g->frame->screen_width, g->row);
    else
        image_sink_row(g->sink, g->row);
    memset(g->row, 0, (size_t)g->frame->screen_width * RGBA);
}

static void send_blank_rows(gif_rows *g, int from, int end)
{
    memset(g->row, 0, (size_t)g->frame->screen_width * RGBA);
    for (int y = from; y < end; y++)
        send_row(g, y);
}

static void end_row(gif_rows *g)
{
    const int y = g->frame->y + row_position(g->frame, g->done++);
    g->filled = 0;
    if (y >= g->frame->screen_height)
        return;
    send_row(g, y);
    g->shown++;
}

static inline void put_pixel(gif_rows *g, unsigned char index)
{
    const int x = g->frame->x + g->filled++;
    if (x < g->frame->screen_width)
        memcpy(g->row + (size_t)x * RGBA, g->colour[index], RGBA);
    if (g->filled == g->frame->width)
        end_row(g);
}

/* ---- LZW --------------------------------------------------------------------------------------------------------- */

typedef struct code_reader {
    byte_reader bytes;
    unsigned block; /* bytes left in this sub-block */
    uint32_t bits;
    int count;
} code_reader;

/* Each code is an earlier one and a pixel more. */
typedef struct code_table {
    uint16_t prefix[MAX_CODES], length[MAX_CODES];
    unsigned char first[MAX_CODES], last[MAX_CODES];
    unsigned char text[MAX_CODES];
} code_table;

/* The next code of `width` bits, or -1 when the sub-blocks are over. */
static int next_code(code_reader *r, int width)
{
    while (r->count < width) {
        if (r->block == 0 && (r->block = byte_u8(&r->bytes)) == 0)
            return -1;
        r->bits |= byte_u8(&r->bytes) << r->count;
        r->count += 8;
        r->block--;
        if (r->bytes.ended)
            return -1;
    }
    const int code = (int)(r->bits & ((1u << width) - 1));
    r->bits >>= width;
    r->count -= width;
    return code;
}

static int is_whole(const gif_rows *g)
{
    return g->done == g->frame->height || g->shown == g->wanted;
}

static void put_code(gif_rows *g, code_table *t, int code)
{
    const int length = t->length[code];
    for (int i = length - 1; i >= 0; i--, code = t->prefix[code])
        t->text[i] = t->last[code];
    for (int i = 0; i < length && !is_whole(g); i++)
        put_pixel(g, t->text[i]);
}

/* Follows the codes until the frame is whole or they make no sense. */
static void unfold(gif_rows *g, code_reader *codes, int code_size, code_table *t)
{
    const int clear = 1 << code_size, end = clear + 1;
    int next = end + 1, width = code_size + 1, previous = -1, code;
    for (int i = 0; i < clear; i++) {
        t->length[i] = 1;
        t->first[i] = t->last[i] = (unsigned char)i;
    }
    while (!is_whole(g) && (code = next_code(codes, width)) >= 0 && code != end) {
        if (code == clear) {
            next = end + 1;
            width = code_size + 1;
            previous = -1;
            continue;
        }
        if (code > next || (code == next && (previous < 0 || next == MAX_CODES)) || (previous < 0 && code >= clear))
            break;
        if (previous >= 0 && next < MAX_CODES) {
            t->prefix[next] = (uint16_t)previous;
            t->length[next] = (uint16_t)(t->length[previous] + 1);
            t->first[next] = t->first[previous];
            t->last[next] = code == next ? t->first[previous] : t->first[code];
            next++;
        }
        if (next == 1 << width && width < MAX_CODE_BITS)
            width++;
        put_code(g, t, code);
        previous = code;
    }
}

/* Nothing was cut off and nearly all is there: browsers show such files, what is missing is transparent. */
static int nearly_whole(const gif_rows *g, const code_reader *codes)
{
    return !codes->bytes.ended && (g->wanted - g->shown) * 20 <= g->wanted;
}

static int send_frame(gif_rows *g, code_table *t, caption_error *err)
{
    const gif_frame *f = g->frame;
    code_reader codes = {.bytes = f->data};
    const int code_size = (int)byte_u8(&codes.bytes);
    if (code_size < 1 || code_size > 8)
        return caption_fail(err, CAPTION_EFORMAT, "GIF: corrupt: codes of %d bits", code_size);
    send_blank_rows(g, 0, f->y);
    unfold(g, &codes, code_size, t);
    if (!is_whole(g) && !nearly_whole(g, &codes))
        return caption_fail(err, CAPTION_EFORMAT, "GIF: %s after %d of %d rows",
                            codes.bytes.ended ? "truncated: the file ends" : "corrupt: the codes end", g->shown,
                            g->wanted);
    while (!is_whole(g))
        end_row(g);
    send_blank_rows(g, f->y + f->height, f->screen_height);
    return CAPTION_OK;
}

static int decode(const unsigned char *bytes, size_t size, const image_header *h, image_sink *sink, caption_error *err)
{
    (void)h;
    gif_frame f;
    int status = find_frame(&f, bytes, size, err);
    if (status != CAPTION_OK)
        return status;
    const int below = f.screen_height - f.y;
    const image_layout layout = {.width = f.screen_width,
                                 .height = f.screen_height,
                                 .channels = IMAGE_RGB_ALPHA,
                                 .bits = 8,
                                 .any_order = f.interlaced};
    status = image_sink_begin(sink, &layout, err);
    if (status != CAPTION_OK)
        return status;
    gif_rows g = {.frame = &f, .sink = sink, .wanted = f.height < below ? f.height : below};
    code_table *table = malloc(sizeof *table);
    g.row = calloc((size_t)f.screen_width, RGBA);
    make_colours(&g);
    status = table && g.row ? send_frame(&g, table, err) : caption_fail(err, CAPTION_ENOMEM, "GIF: out of memory");
    free(table);
    free(g.row);
    return status;
}

static int recognises(const unsigned char *bytes, size_t size)
{
    return size >= 4 && memcmp(bytes, "GIF8", 4) == 0;
}

const image_format image_gif = {"image/gif", recognises, header, decode};
