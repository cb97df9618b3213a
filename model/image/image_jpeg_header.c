/* image_jpeg_header.c: the marker segments of a JPEG file up to its first scan: size, coding, orientation.
 *
 *     FF D8 | FF marker, length (2), body | ... | FF DA (start of scan) and coded data ... */
#include <string.h>

#include "model/image/image_jpeg.h"
#include "model/storage/byte_reader.h"

enum {
    SOF0 = 0xc0, /* start of frame: baseline */
    SOF1 = 0xc1, /* extended sequential */
    SOF2 = 0xc2, /* progressive */
    DHT = 0xc4,
    JPG = 0xc8,
    SOF9 = 0xc9,  /* sequential, arithmetic coding */
    SOF10 = 0xca, /* progressive, arithmetic coding */
    DAC = 0xcc,
    SOF15 = 0xcf,
    RST0 = 0xd0,
    RST7 = 0xd7,
    SOI = 0xd8,
    EOI = 0xd9,
    SOS = 0xda,
    APP1 = 0xe1,
    TEM = 0x01,
};

enum { MAX_COMPONENTS = 4, COEFFICIENT_BYTES = 2, BLOCK = 8 };

typedef struct frame {
    int width, height, components, progressive;
    unsigned h[MAX_COMPONENTS], v[MAX_COMPONENTS]; /* sampling factors */
} frame;

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

static int is_frame(int marker)
{
    return marker >= SOF0 && marker <= SOF15 && marker != DHT && marker != JPG && marker != DAC;
}

static int read_sampling(frame *f, byte_reader *body, caption_error *err)
{
    for (int i = 0; i < f->components; i++) {
        byte_u8(body); /* identifier */
        const unsigned sampling = byte_u8(body);
        f->h[i] = sampling >> 4;
        f->v[i] = sampling & 15;
        byte_u8(body); /* quantisation table */
        if (f->h[i] < 1 || f->h[i] > 4 || f->v[i] < 1 || f->v[i] > 4)
            return caption_fail(err, CAPTION_EFORMAT, "JPEG: corrupt: impossible sampling factors %u x %u", f->h[i],
                                f->v[i]);
    }
    return CAPTION_OK;
}

static int read_frame(frame *f, int marker, byte_reader body, caption_error *err)
{
    if (marker != SOF0 && marker != SOF1 && marker != SOF2 && marker != SOF9 && marker != SOF10)
        return caption_fail(err, CAPTION_EUNSUPPORTED, "JPEG: coding SOF%d (lossless, hierarchical) is not supported",
                            marker - SOF0);
    const unsigned precision = byte_u8(&body);
    f->height = (int)byte_u16_big(&body);
    f->width = (int)byte_u16_big(&body);
    f->components = (int)byte_u8(&body);
    f->progressive = marker == SOF2 || marker == SOF10;
    if (body.ended || byte_left(&body) != 3 * (size_t)f->components)
        return caption_fail(err, CAPTION_EFORMAT, "JPEG: corrupt frame header");
    if (precision != 8)
        return caption_fail(err, CAPTION_EUNSUPPORTED, "JPEG: %u bits a sample are not supported", precision);
    if (f->width == 0)
        return caption_fail(err, CAPTION_EFORMAT, "JPEG: impossible size %d x %d", f->width, f->height);
    if (f->height == 0)
        return caption_fail(err, CAPTION_EUNSUPPORTED, "JPEG: a height told after the scan is not supported");
    if (f->components != 1 && f->components != 3 && f->components != 4)
        return caption_fail(err, CAPTION_EUNSUPPORTED, "JPEG: %d components are not supported", f->components);
    return read_sampling(f, &body, err);
}

/* Coefficients of the whole image, which must be held where they come in several scans. */
static uint64_t coefficients(const frame *f)
{
    unsigned h_max = 1, v_max = 1;
    for (int i = 0; i < f->components; i++) {
        h_max = f->h[i] > h_max ? f->h[i] : h_max;
        v_max = f->v[i] > v_max ? f->v[i] : v_max;
    }
    const uint64_t mcus_x = ((uint64_t)f->width + BLOCK * h_max - 1) / (BLOCK * h_max);
    const uint64_t mcus_y = ((uint64_t)f->height + BLOCK * v_max - 1) / (BLOCK * v_max);
    uint64_t blocks = 0;
    for (int i = 0; i < f->components; i++)
        blocks += mcus_x * f->h[i] * mcus_y * f->v[i];
    return blocks * BLOCK * BLOCK;
}

int jpeg_header(const unsigned char *bytes, size_t size, image_header *header, caption_error *err)
{
    byte_reader r = byte_reader_of(bytes, size), body;
    frame f = {0};
    int marker;
    while ((marker = next_segment(&r, &body)) >= 0 && !is_frame(marker) && marker != SOS && marker != EOI)
        continue;
    if (marker < 0)
        return caption_fail(err, CAPTION_EFORMAT, "JPEG: truncated: the file ends inside its header");
    if (!is_frame(marker))
        return caption_fail(err, CAPTION_EFORMAT, "JPEG: corrupt: no frame header");
    const int status = read_frame(&f, marker, body, err);
    if (status != CAPTION_OK)
        return status;
    while ((marker = next_segment(&r, &body)) >= 0 && marker != SOS && marker != EOI)
        continue;
    const int several_scans = f.progressive || (marker == SOS && (int)byte_u8(&body) < f.components);
    const uint64_t rows = 64 * (uint64_t)f.width * (uint64_t)f.components; /* the decoder's working rows */
    *header = (image_header){f.width, f.height, rows + (several_scans ? coefficients(&f) * COEFFICIENT_BYTES : 0)};
    return CAPTION_OK;
}

int jpeg_orientation(const unsigned char *bytes, size_t size)
{
    byte_reader r = byte_reader_of(bytes, size), body;
    for (int marker = SOI; marker >= 0 && marker != SOS && marker != EOI; marker = next_segment(&r, &body)) {
        const int is_exif = marker == APP1 && starts_with(&body, "Exif\0", 6);
        const int orientation = is_exif ? image_exif_orientation(body.at, byte_left(&body)) : 0;
        if (orientation)
            return orientation;
    }
    return 0;
}
