/* byte_reader.h: walks bytes that cannot be trusted.
 *
 * Past the end every read gives zeros and sets `ended`, which stays set: a parser reads a whole structure and asks
 * once. */
#ifndef CAPTION_BYTE_READER_H
#define CAPTION_BYTE_READER_H

#include <stddef.h>
#include <stdint.h>

typedef struct byte_reader {
    const unsigned char *at, *end;
    int ended; /* something was read that was not there */
} byte_reader;

static inline byte_reader byte_reader_of(const void *bytes, size_t size)
{
    return (byte_reader){bytes, (const unsigned char *)bytes + size, 0};
}

static inline size_t byte_left(const byte_reader *r)
{
    return (size_t)(r->end - r->at);
}

/* Steps over `count` bytes and returns where they were, or NULL if they are not there. */
static inline const unsigned char *byte_take(byte_reader *r, size_t count)
{
    if (count > byte_left(r)) {
        r->at = r->end;
        r->ended = 1;
        return NULL;
    }
    r->at += count;
    return r->at - count;
}

static inline unsigned byte_u8(byte_reader *r)
{
    const unsigned char *b = byte_take(r, 1);
    return b ? b[0] : 0;
}

static inline unsigned byte_u16_big(byte_reader *r)
{
    const unsigned char *b = byte_take(r, 2);
    return b ? (unsigned)b[0] << 8 | b[1] : 0;
}

static inline unsigned byte_u16_little(byte_reader *r)
{
    const unsigned char *b = byte_take(r, 2);
    return b ? (unsigned)b[1] << 8 | b[0] : 0;
}

static inline uint32_t byte_u32_big(byte_reader *r)
{
    uint32_t high = byte_u16_big(r);
    return high << 16 | byte_u16_big(r);
}

static inline uint32_t byte_u32_little(byte_reader *r)
{
    uint32_t low = byte_u16_little(r);
    return low | (uint32_t)byte_u16_little(r) << 16;
}

#endif
