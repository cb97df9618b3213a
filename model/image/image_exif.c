/* image_exif.c: one number of an EXIF block: tag 0x0112, how the camera was held.
 *
 *     TIFF: "II" or "MM" | 42 | offset of directory | ... | directory: count, then entries of 12 bytes:
 *     tag (2), type (2), count (4), value (4)                                (TIFF 6.0, section 2; EXIF 2.3, 4.6.2) */
#include "model/image/image_format.h"
#include "model/storage/byte_reader.h"

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3 };

typedef struct tiff_reader {
    byte_reader bytes;
    int big_endian;
} tiff_reader;

static unsigned tiff_u16(tiff_reader *t)
{
    return t->big_endian ? byte_u16_big(&t->bytes) : byte_u16_little(&t->bytes);
}

static uint32_t tiff_u32(tiff_reader *t)
{
    return t->big_endian ? byte_u32_big(&t->bytes) : byte_u32_little(&t->bytes);
}

int image_exif_orientation(const unsigned char *tiff, size_t size)
{
    tiff_reader t = {byte_reader_of(tiff, size), 0};
    unsigned order = byte_u16_big(&t.bytes);
    t.big_endian = order == 0x4d4d;
    if ((!t.big_endian && order != 0x4949) || tiff_u16(&t) != 42)
        return 0;
    uint32_t offset = tiff_u32(&t);
    t.bytes = byte_reader_of(tiff, size);
    byte_take(&t.bytes, offset);
    for (unsigned entries = tiff_u16(&t); entries > 0 && !t.bytes.ended; entries--) {
        unsigned tag = tiff_u16(&t), type = tiff_u16(&t);
        uint32_t count = tiff_u32(&t);
        unsigned value = tiff_u16(&t); /* a SHORT stands left-justified in the four bytes */
        tiff_u16(&t);
        if (tag == TAG_ORIENTATION)
            return type == TYPE_SHORT && count == 1 && value >= 1 && value <= 8 && !t.bytes.ended ? (int)value : 0;
    }
    return 0;
}
