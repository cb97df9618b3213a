/* image_png.c: PNG (ISO/IEC 15948) by libpng, row by row, interlaced or not.
 *
 *     8 bytes of magic | IHDR ... PLTE ... IDAT IDAT ... IEND        chunk: length (4), type (4), data, CRC-32 (4)
 *
 * libpng stops at what is wrong in a chunk; browsers show the picture as long as its rows are there. So only the
 * header's checksum counts (a damaged stream of pixels rarely inflates), what stands behind the last row is not read,
 * and a stream that the file cuts short is read as far as it goes. */
#include <limits.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>
#include <zlib.h>

#include "model/image/image_format.h"
#include "model/storage/byte_reader.h"

#define MAGIC "\x89PNG\r\n\x1a\n"

enum { MAGIC_SIZE = 8, HEADER_SIZE = 13, MAX_CHUNK = 16 << 20, WINDOW = 1 << 16, MESSAGE = 128 };

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
        return caption_fail(err, CAPTION_EFORMAT, "PNG: truncated: the file ends inside its header");
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

static int read_ihdr(byte_reader *r, png_header *h, caption_error *err)
{
    png_chunk chunk;
    int status = next_chunk(r, &chunk, err);
    if (status != CAPTION_OK)
        return status;
    if (is(&chunk, "CgBI"))
        return caption_fail(err, CAPTION_EUNSUPPORTED, "PNG: Apple's variant for its own apps (CgBI) is not supported");
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

static int header(const unsigned char *bytes, size_t size, image_header *out, caption_error *err)
{
    enum { ROWS = 8, WIDEST = 8 }; /* rows that libpng holds, bytes of a pixel */
    byte_reader r = byte_reader_of(bytes + MAGIC_SIZE, size - MAGIC_SIZE);
    png_header h = {0};
    const int status = read_ihdr(&r, &h, err);
    if (status == CAPTION_OK)
        *out = (image_header){(int)h.width, (int)h.height, WINDOW + (uint64_t)h.width * ROWS * WIDEST};
    return status;
}

/* ---- what libpng calls ------------------------------------------------------------------------------------------- */

typedef struct png_source {
    byte_reader bytes;
    png_structp png;
    png_infop info;
    const unsigned char *cut; /* the chunk that the file ends inside of, or NULL */
    int orientation;          /* EXIF: 1..8, or 0 */
    unsigned char *row;
    uint64_t rows_read, rows; /* of all passes */
    int starved;              /* memory ran out, which libpng takes for damage in some places */
    jmp_buf failed;
    char message[MESSAGE];
} png_source;

/* What must be known of chunks before libpng comes to them: where the file ends, and the orientation, which may stand
 * behind the pixels. */
static void walk_chunks(png_source *s)
{
    byte_reader r = s->bytes;
    byte_take(&r, MAGIC_SIZE);
    while (byte_left(&r) >= 8) {
        const unsigned char *chunk = r.at;
        const size_t length = byte_u32_big(&r);
        const unsigned char *type = byte_take(&r, 4), *data = byte_take(&r, length);
        if (!data)
            s->cut = chunk;
        else if (memcmp(type, "eXIf", 4) == 0)
            s->orientation = image_exif_orientation(data, length);
        byte_take(&r, 4);
    }
}

/* A chunk that is cut short gets the length that it has: libpng would not look at the part that is there. */
static void on_read(png_structp png, png_bytep out, size_t count)
{
    png_source *s = png_get_io_ptr(png);
    const size_t left = byte_left(&s->bytes), there = count < left ? count : left;
    if (s->bytes.at == s->cut && count == 8) {
        png_save_uint_32(out, (png_uint_32)(left - 8));
        memcpy(out + 4, s->bytes.at + 4, 4);
        byte_take(&s->bytes, 8);
        return;
    }
    memcpy(out, s->bytes.at, there);
    memset(out + there, 0, count - there);
    byte_take(&s->bytes, count);
}

static void on_error(png_structp png, png_const_charp message)
{
    png_source *s = png_get_error_ptr(png);
    strncpy(s->message, message, sizeof s->message - 1);
    longjmp(s->failed, 1);
}

static png_voidp on_malloc(png_structp png, png_alloc_size_t size)
{
    png_source *s = png_get_mem_ptr(png);
    void *memory = malloc(size);
    s->starved |= memory == NULL;
    return memory;
}

static void on_free(png_structp png, png_voidp memory)
{
    (void)png;
    free(memory);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png, (void)message;
}

/* ---- decoding ---------------------------------------------------------------------------------------------------- */

/* What is tolerated, what is skipped, what rows look like. */
static void configure(png_source *s)
{
    static const unsigned char skipped[] = "tEXt\0zTXt\0iTXt\0eXIf\0sPLT\0hIST";
    png_structp png = s->png;
    png_set_read_fn(png, s, on_read);
    png_set_crc_action(png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE);
    png_set_benign_errors(png, 1);
    png_set_user_limits(png, INT_MAX, INT_MAX);
    png_set_chunk_malloc_max(png, MAX_CHUNK);
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, skipped, sizeof skipped / 5);
}

static image_channels channels_of(int channels)
{
    static const image_channels kinds[] = {IMAGE_GREY, IMAGE_GREY_ALPHA, IMAGE_RGB, IMAGE_RGB_ALPHA};
    return kinds[channels - 1];
}

static image_layout layout_of(png_source *s)
{
    png_charp name;
    int compression;
    png_bytep icc = NULL;
    png_uint_32 icc_size = 0;
    png_get_iCCP(s->png, s->info, &name, &compression, &icc, &icc_size);
    return (image_layout){.width = (int)png_get_image_width(s->png, s->info),
                          .height = (int)png_get_image_height(s->png, s->info),
                          .channels = channels_of(png_get_channels(s->png, s->info)),
                          .bits = png_get_bit_depth(s->png, s->info),
                          .any_order = png_get_interlace_type(s->png, s->info) != PNG_INTERLACE_NONE,
                          .icc = icc,
                          .icc_size = icc_size};
}

static void send_rows(png_source *s, image_sink *sink, const image_layout *layout)
{
    s->rows = (uint64_t)layout->height;
    for (; s->rows_read < s->rows; s->rows_read++) {
        png_read_row(s->png, s->row, NULL);
        image_sink_row(sink, s->row);
    }
}

/* Adam7: seven passes over ever finer grids. */
static void send_passes(png_source *s, image_sink *sink, const image_layout *layout)
{
    const png_uint_32 width = (png_uint_32)layout->width, height = (png_uint_32)layout->height;
    for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++)
        s->rows += PNG_PASS_COLS(width, pass) ? PNG_PASS_ROWS(height, pass) : 0;
    for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++) {
        const png_uint_32 columns = PNG_PASS_COLS(width, pass), rows = PNG_PASS_ROWS(height, pass);
        for (png_uint_32 y = 0; columns > 0 && y < rows; y++, s->rows_read++) {
            png_read_row(s->png, s->row, NULL);
            image_sink_span(sink, (int)PNG_ROW_FROM_PASS_ROW(y, pass), (int)PNG_PASS_START_COL(pass),
                            (int)PNG_PASS_COL_OFFSET(pass), (int)columns, s->row);
        }
    }
}

static int send(png_source *s, image_sink *sink, caption_error *err)
{
    s->info = png_create_info_struct(s->png);
    if (!s->info)
        return caption_fail(err, CAPTION_ENOMEM, "PNG: out of memory");
    configure(s);
    png_read_info(s->png, s->info);
    png_set_expand(s->png);
    if (__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
        png_set_swap(s->png);
    png_read_update_info(s->png, s->info);
    const image_layout layout = layout_of(s);
    const int status = image_sink_begin(sink, &layout, err);
    if (status != CAPTION_OK)
        return status;
    s->row = malloc(png_get_rowbytes(s->png, s->info));
    if (!s->row)
        return caption_fail(err, CAPTION_ENOMEM, "PNG: out of memory");
    if (layout.any_order)
        send_passes(s, sink, &layout);
    else
        send_rows(s, sink, &layout);
    return CAPTION_OK;
}

static int report(const png_source *s, caption_error *err)
{
    const unsigned long long read = s->rows_read, rows = s->rows;
    if (s->starved)
        return caption_fail(err, CAPTION_ENOMEM, "PNG: out of memory");
    if (!rows)
        return caption_fail(err, CAPTION_EFORMAT, "PNG: %s: %s", s->bytes.ended ? "truncated" : "corrupt", s->message);
    return caption_fail(err, CAPTION_EFORMAT, "PNG: %s after %llu of %llu rows%s%s",
                        s->bytes.ended ? "truncated: the file ends" : "corrupt", read, rows, s->bytes.ended ? "" : ": ",
                        s->bytes.ended ? "" : s->message);
}

static int decode(const unsigned char *bytes, size_t size, const image_header *header_read, image_sink *sink,
                  caption_error *err)
{
    (void)header_read;
    png_source *s = calloc(1, sizeof *s);
    if (!s)
        return caption_fail(err, CAPTION_ENOMEM, "PNG: out of memory");
    s->bytes = byte_reader_of(bytes, size);
    walk_chunks(s);
    int status;
    if (setjmp(s->failed) == 0) {
        s->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, s, on_error, on_warning, s, on_malloc, on_free);
        status = s->png ? send(s, sink, err) : caption_fail(err, CAPTION_ENOMEM, "PNG: out of memory");
    } else {
        status = report(s, err);
    }
    png_destroy_read_struct(&s->png, &s->info, NULL);
    image_sink_orient(sink, s->orientation);
    free(s->row);
    free(s);
    return status;
}

static int recognises(const unsigned char *bytes, size_t size)
{
    return size >= MAGIC_SIZE && memcmp(bytes, MAGIC, MAGIC_SIZE) == 0;
}

const image_format image_png = {"image/png", recognises, header, decode};
