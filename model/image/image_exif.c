/* image_exif.c: numbers of an EXIF block, which has the structure of a TIFF file: how the camera was held, and others.
 *
 *     TIFF: "II" or "MM" | 42 | offset of directory | ... | directory: count, then entries of 12 bytes:
 *     tag (2), type (2), count (4), value (4)                                (TIFF 6.0, section 2; EXIF 2.3, 4.6.2) */
#include "model/image/image_format.h"
#include "model/storage/byte_reader.h"

enum { TAG_ORIENTATION = 0x0112, TYPE_BYTE = 1, TYPE_SHORT = 3, TYPE_LONG = 4 };

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

/* The first value of a tag of the first directory, if all `count` of them are there and numbers of up to four bytes. */
static int find_value(const unsigned char *tiff, size_t size, unsigned wanted, uint32_t *value, uint32_t *count)
{
    tiff_reader t = {byte_reader_of(tiff, size), 0};
    const unsigned order = byte_u16_big(&t.bytes);
    t.big_endian = order == 0x4d4d;
    if ((!t.big_endian && order != 0x4949) || tiff_u16(&t) != 42)
        return 0;
    const uint32_t offset = tiff_u32(&t);
    t.bytes = byte_reader_of(tiff, size);
    byte_take(&t.bytes, offset);
    for (unsigned entries = tiff_u16(&t); entries > 0 && !t.bytes.ended; entries--) {
        const unsigned tag = tiff_u16(&t), type = tiff_u16(&t);
        *count = tiff_u32(&t);
        tiff_reader field = t;
        byte_take(&t.bytes, 4);
        if (tag != wanted)
            continue;
        const uint32_t most = type == TYPE_SHORT ? 2 : 1; /* values that stand in the entry itself */
        if (*count > most) {
            const uint32_t at = tiff_u32(&field);
            field.bytes = byte_reader_of(tiff, size);
            byte_take(&field.bytes, at);
            byte_reader all = field.bytes;
            byte_take(&all, (size_t)*count * (type == TYPE_LONG ? 4 : type == TYPE_SHORT ? 2 : 1));
            field.bytes.ended |= all.ended;
        }
        *value = type == TYPE_SHORT ? tiff_u16(&field) : type == TYPE_LONG ? tiff_u32(&field) : byte_u8(&field.bytes);
        return !field.bytes.ended && (type == TYPE_BYTE || type == TYPE_SHORT || type == TYPE_LONG);
    }
    return 0;
}

int image_tiff_value(const unsigned char *tiff, size_t size, unsigned tag, uint32_t *value)
{
    uint32_t count;
    return find_value(tiff, size, tag, value, &count);
}

int image_exif_orientation(const unsigned char *tiff, size_t size)
{
    uint32_t value, count;
    if (!find_value(tiff, size, TAG_ORIENTATION, &value, &count))
        return 0;
    return count == 1 && value >= 1 && value <= 8 ? (int)value : 0;
}
