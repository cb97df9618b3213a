/* bomb.c: see bomb.h. */
#include "tests/support/bomb.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SCANS = 99, BANDS = 63, LONGEST_RUN = 0x7fff /* of blocks without a coefficient */ };

static void put(photo *p, const void *bytes, size_t size)
{
    p->bytes = realloc(p->bytes, p->size + size + 1);
    assert_non_null(p->bytes);
    memcpy(p->bytes + p->size, bytes, size);
    p->size += size;
}

#define PUT(p, ...) put(p, (const unsigned char[]){__VA_ARGS__}, sizeof((const unsigned char[]){__VA_ARGS__}))

/* Bits, with a zero behind each byte 0xff. */
typedef struct bits {
    photo *to;
    unsigned held;
    int n;
} bits;

static void put_bits(bits *b, unsigned value, int n)
{
    while (n-- > 0) {
        b->held = b->held << 1 | (value >> n & 1);
        if (++b->n < 8)
            continue;
        PUT(b->to, (unsigned char)b->held);
        if ((b->held & 255) == 255)
            PUT(b->to, 0);
        b->held = 0;
        b->n = 0;
    }
}

static void end_bits(bits *b)
{
    while (b->n)
        put_bits(b, 1, 1);
}

/* Band 0 is the mean of each block; `high` and `low` are the bit that came before and the one that comes. */
static void put_scan(photo *p, int band, int high, int low, long blocks)
{
    bits b = {.to = p};
    PUT(p, 0xff, 0xda, 0, 8, 1, 1, 0, (unsigned char)band, (unsigned char)band, (unsigned char)(high << 4 | low));
    if (band == 0) {
        for (long i = 0; i < blocks; i++)
            put_bits(&b, 0, 1); /* no difference */
    } else {
        for (long left = blocks; left > 0; left -= LONGEST_RUN) {
            const long run = left < LONGEST_RUN ? left : LONGEST_RUN;
            int length = 0;
            while (run >> (length + 1))
                length++;
            put_bits(&b, (unsigned)length, 4); /* the code of "run of 2^length and so many more" */
            put_bits(&b, (unsigned)(run - (1L << length)), length);
        }
    }
    end_bits(&b);
}

photo bomb_progressive(int width, int height)
{
    const long blocks = (long)(width / 8) * (height / 8);
    unsigned char quantisation[64], symbols[15];
    photo p = {0};
    memset(quantisation, 1, sizeof quantisation);
    for (int i = 0; i < 15; i++)
        symbols[i] = (unsigned char)(i << 4);
    PUT(&p, 0xff, 0xd8, 0xff, 0xdb, 0, 67, 0);
    put(&p, quantisation, sizeof quantisation);
    PUT(&p, 0xff, 0xc2, 0, 11, 8, (unsigned char)(height >> 8), (unsigned char)height, (unsigned char)(width >> 8),
        (unsigned char)width, 1, 1, 0x11, 0);
    PUT(&p, 0xff, 0xc4, 0, 20, 0x00, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    PUT(&p, 0xff, 0xc4, 0, 34, 0x10, 0, 0, 0, 15, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    put(&p, symbols, sizeof symbols);
    put_scan(&p, 0, 0, 0, blocks);
    for (int i = 1; i < SCANS; i++)
        put_scan(&p, 1 + (i - 1) % BANDS, i > BANDS, i > BANDS ? 0 : 1, blocks);
    PUT(&p, 0xff, 0xd9);
    return p;
}
