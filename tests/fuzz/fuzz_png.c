/* PNG behind its checksums: chunks get the CRC they should have, and what stands in IDAT is taken as raw rows and
 * compressed, so that mutations reach what lies deeper than crc32 and inflate. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "model/storage/byte_reader.h"
#include "tests/fuzz/caged.h"

enum { MAGIC = 8, FRAME = 12, LONGEST = 1 << 16 };

static void put_u32(unsigned char *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> (24 - 8 * i));
}

/* Writes a chunk as it should be; returns its length. */
static size_t put_chunk(unsigned char *out, const unsigned char *type, const unsigned char *data, size_t size)
{
    uLongf length = compressBound(size);
    if (memcmp(type, "IDAT", 4) != 0) {
        memcpy(out + 8, data, size);
        length = size;
    } else if (compress2(out + 8, &length, data, size, 1) != Z_OK) {
        abort();
    }
    put_u32(out, (uint32_t)length);
    memcpy(out + 4, type, 4);
    put_u32(out + 8 + length, (uint32_t)crc32_z(0, out + 4, length + 4));
    return length + FRAME;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char png[3 * LONGEST]; /* at worst an empty IDAT of 12 bytes grows to 25 */
    if (size < MAGIC || size > LONGEST)
        return 0;
    byte_reader r = byte_reader_of(data + MAGIC, size - MAGIC);
    size_t length = MAGIC;
    memcpy(png, "\x89PNG\r\n\x1a\n", MAGIC);
    while (byte_left(&r) >= FRAME) {
        size_t chunk = byte_u32_big(&r);
        const unsigned char *type = byte_take(&r, 4);
        chunk = chunk > byte_left(&r) ? byte_left(&r) : chunk;
        length += put_chunk(png + length, type, byte_take(&r, chunk), chunk);
        byte_u32_big(&r);
    }
    caged_decode(png, length);
    return 0;
}
