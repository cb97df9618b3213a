/* image_jpeg.c: JPEG (ITU-T T.81), sequential and progressive, 8 bits: the marker segments.
 *
 *     FF D8 | FF marker, length (2), body | ... | FF DA (start of scan) and coded data, FF 00 standing for FF | ... |
 * FF D9
 *
 * Whole means: every scan holds all its blocks (image_jpeg_scan.c), every component has one, and FF D9 is there. What
 * stands behind FF D9 (a second picture, padding) is nobody's business. */
#include "model/image/image_jpeg.h"

#include <stdlib.h>
#include <string.h>

#include "model/image/image_format.h"

enum {
    SOF0 = 0xc0, /* start of frame: baseline */
    SOF1 = 0xc1, /* extended sequential */
    SOF2 = 0xc2, /* progressive */
    DHT = 0xc4,
    JPG = 0xc8,
    DAC = 0xcc,
    SOF15 = 0xcf,
    RST0 = 0xd0,
    RST7 = 0xd7,
    SOI = 0xd8,
    EOI = 0xd9,
    SOS = 0xda,
    DRI = 0xdd,
    APP1 = 0xe1,
    APP14 = 0xee,
    TEM = 0x01,
};

/* A progressive scan may cost a pass over all blocks for a few bytes. Encoders write about ten. */
enum { MAX_SCANS = 100 };

/* Takes the next marker and, if it has one, its segment's body. Returns the marker, or -1 at the end of the bytes.
 * Padding between segments is skipped, as every decoder does. */
static int next_segment(byte_reader *r, byte_reader *body)
{
    unsigned marker;
    do {
        const unsigned char *found = memchr(r->at, 0xff, byte_left(r));
        byte_take(r, found ? (size_t)(found - r->at) : byte_left(r));
        do
            marker = byte_u8(r);
        while (marker == 0xff);
    } while (!r->ended && (marker == 0 || marker == TEM || (marker >= RST0 && marker <= RST7)));
    if (r->ended)
        return -1;
    *body = byte_reader_of(r->at, 0);
    if (marker != SOI && marker != EOI) {
        unsigned length = byte_u16_big(r);
        const unsigned char *bytes = byte_take(r, length < 2 ? SIZE_MAX : length - 2);
        if (!bytes)
            return -1;
        *body = byte_reader_of(bytes, length - 2);
    }
    return (int)marker;
}

/* Takes `magic` off the front of a segment, if it is there. */
static int starts_with(byte_reader *body, const char *magic, size_t size)
{
    return byte_left(body) >= size && memcmp(byte_take(body, size), magic, size) == 0;
}

static int truncated(caption_error *err)
{
    return caption_fail(err, CAPTION_EFORMAT, "JPEG: truncated: the file ends before its end marker");
}

/* ---- the frame header -------------------------------------------------------------------------------------------- */

static int is_frame(int marker)
{
    return marker >= SOF0 && marker <= SOF15 && marker != DHT && marker != JPG && marker != DAC;
}

/* How the components are sampled and how many blocks that makes (T.81, A.1.1 and A.2). */
static int lay_out_blocks(jpeg_file *file, caption_error *err)
{
    unsigned h_max = 1, v_max = 1;
    for (int i = 0; i < file->components; i++) {
        const jpeg_component *c = &file->component[i];
        if (c->h < 1 || c->h > 4 || c->v < 1 || c->v > 4)
            return caption_fail(err, CAPTION_EFORMAT, "JPEG: corrupt: impossible sampling factors %u x %u", c->h, c->v);
        h_max = c->h > h_max ? c->h : h_max;
        v_max = c->v > v_max ? c->v : v_max;
    }
    file->mcus_x = (file->width + 8 * (int)h_max - 1) / (8 * (int)h_max);
    file->mcus_y = (file->height + 8 * (int)v_max - 1) / (8 * (int)v_max);
    for (int i = 0; i < file->components; i++) {
        jpeg_component *c = &file->component[i];
        if (h_max % c->h || v_max % c->v)
            return caption_fail(err, CAPTION_EUNSUPPORTED, "JPEG: fractional chroma sampling is not supported");
        int width = (file->width * (int)c->h + (int)h_max - 1) / (int)h_max;
        int height = (file->height * (int)c->v + (int)v_max - 1) / (int)v_max;
        c->blocks_x = (width + 7) / 8;
        c->blocks_y = (height + 7) / 8;
    }
    return CAPTION_OK;
}

static int read_frame(jpeg_file *file, int marker, byte_reader body, caption_error *err)
{
    if (marker != SOF0 && marker != SOF1 && marker != SOF2)
        return caption_fail(err, CAPTION_EUNSUPPORTED, "JPEG: coding SOF%d (lossless, arithmetic) is not supported",
                            marker - SOF0);
    unsigned precision = byte_u8(&body);
    file->height = (int)byte_u16_big(&body);
    file->width = (int)byte_u16_big(&body);
    file->components = (int)byte_u8(&body);
    file->progressive = marker == SOF2;
    if (body.ended || byte_left(&body) != 3 * (size_t)file->components)
        return caption_fail(err, CAPTION_EFORMAT, "JPEG: corrupt frame header");
    if (precision != 8)
        return caption_fail(err, CAPTION_EUNSUPPORTED, "JPEG: %u bits a sample are not supported", precision);
    if (file->width == 0)
        return caption_fail(err, CAPTION_EFORMAT, "JPEG: impossible size %d x %d", file->width, file->height);
    if (file->height == 0)
        return caption_fail(err, CAPTION_EUNSUPPORTED, "JPEG: a height told after the scan is not supported");
    if (file->components != 1 && file->components != 3 && file->components != 4)
        return caption_fail(err, CAPTION_EUNSUPPORTED, "JPEG: %d components are not supported", file->components);
    if (file->components == 4 && !file->has_adobe)
        return caption_fail(err, CAPTION_EUNSUPPORTED, "JPEG: four components that no Adobe segment explains");
    for (int i = 0; i < file->components; i++) {
        unsigned id = byte_u8(&body), sampling = byte_u8(&body);
        file->component[i] = (jpeg_component){.id = id, .h = sampling >> 4, .v = sampling & 15};
        byte_u8(&body); /* quantisation table */
    }
    return lay_out_blocks(file, err);
}

/* Walks to the frame header; leaves `r` behind it. */
static int find_frame(byte_reader *r, jpeg_file *file, caption_error *err)
{
    byte_reader body;
    int marker;
    while ((marker = next_segment(r, &body)) >= 0 && !is_frame(marker) && marker != SOS && marker != EOI)
        if (marker == DHT) {
            int status = jpeg_read_huffman(file, body, err);
            if (status != CAPTION_OK)
                return status;
        } else if (marker == DRI) {
            file->restart_interval = byte_u16_big(&body);
        } else if (marker == APP14) {
            file->has_adobe |= starts_with(&body, "Adobe", 5);
        }
    if (marker < 0)
        return caption_fail(err, CAPTION_EFORMAT, "JPEG: truncated: the file ends inside its header");
    if (!is_frame(marker))
        return caption_fail(err, CAPTION_EFORMAT, "JPEG: corrupt: no frame header");
    return read_frame(file, marker, body, err);
}

static int header(const unsigned char *bytes, size_t size, int *width, int *height, caption_error *err)
{
    byte_reader r = byte_reader_of(bytes, size);
    jpeg_file file = {0};
    int status = find_frame(&r, &file, err);
    if (status != CAPTION_OK)
        return status;
    *width = file.width;
    *height = file.height;
    return CAPTION_OK;
}

/* ---- application segments ---------------------------------------------------------------------------------------- */

int image_jpeg_orientation(const unsigned char *bytes, size_t size)
{
    byte_reader r = byte_reader_of(bytes, size), body;
    for (int marker = SOI; marker >= 0 && marker != SOS && marker != EOI; marker = next_segment(&r, &body)) {
        int is_exif = marker == APP1 && starts_with(&body, "Exif\0", 6);
        int orientation = is_exif ? image_exif_orientation(body.at, byte_left(&body)) : 0;
        if (orientation)
            return orientation;
    }
    return 1;
}

/* ---- the whole file ---------------------------------------------------------------------------------------------- */

static int alloc_history(jpeg_file *file, caption_error *err)
{
    for (int i = 0; i < file->components; i++) {
        jpeg_component *c = &file->component[i];
        c->nonzero = calloc((size_t)file->mcus_x * c->h * (size_t)file->mcus_y * c->v, sizeof *c->nonzero);
        if (!c->nonzero)
            return caption_fail(err, CAPTION_ENOMEM, "JPEG: out of memory");
    }
    return CAPTION_OK;
}

/* Everything behind the frame header, up to the end marker. */
static int read_scans(jpeg_file *file, byte_reader *r, caption_error *err)
{
    byte_reader body;
    int marker, scans = 0, status = CAPTION_OK;
    while (status == CAPTION_OK && (marker = next_segment(r, &body)) != EOI) {
        if (marker < 0)
            return truncated(err);
        if (is_frame(marker))
            return caption_fail(err, CAPTION_EFORMAT, "JPEG: corrupt: a second frame header");
        if (marker == DHT)
            status = jpeg_read_huffman(file, body, err);
        else if (marker == DRI)
            file->restart_interval = byte_u16_big(&body);
        else if (marker == SOS && ++scans > MAX_SCANS)
            return caption_fail(err, CAPTION_ELIMIT, "JPEG: more than %d scans", MAX_SCANS);
        else if (marker == SOS)
            status = jpeg_read_scan(file, body, r, err);
    }
    for (int i = 0; i < file->components && status == CAPTION_OK; i++)
        if (!file->component[i].has_dc)
            return caption_fail(err, CAPTION_EFORMAT, "JPEG: corrupt: a component has no scan");
    return status;
}

static int whole(const unsigned char *bytes, size_t size, caption_error *err)
{
    byte_reader r = byte_reader_of(bytes, size);
    jpeg_file file = {0};
    int status = find_frame(&r, &file, err);
    if (status == CAPTION_OK && file.progressive)
        status = alloc_history(&file, err);
    if (status == CAPTION_OK)
        status = read_scans(&file, &r, err);
    for (int i = 0; i < JPEG_COMPONENTS; i++)
        free(file.component[i].nonzero);
    return status;
}

const image_format image_jpeg = {"image/jpeg", "\xff\xd8\xff", 3, header, whole};
