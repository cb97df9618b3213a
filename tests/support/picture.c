/* picture.c: see picture.h. */
#include "tests/support/picture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/scratch.h"

enum { HEADERS = 54 };

static void put_u32(unsigned char *at, size_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (unsigned char)(value >> 8 * i);
}

unsigned char *picture_bmp(int width, int height, void (*colour)(int x, int y, unsigned char *rgb), size_t *size)
{
    size_t stride = ((size_t)width * 3 + 3) / 4 * 4;
    *size = HEADERS + stride * (size_t)height;
    unsigned char *bmp = calloc(1, *size);
    assert_non_null(bmp);
    memcpy(bmp, "BM", 2);
    put_u32(bmp + 2, *size);
    put_u32(bmp + 10, HEADERS);
    put_u32(bmp + 14, 40);
    put_u32(bmp + 18, (size_t)width);
    put_u32(bmp + 22, (size_t)height);
    put_u32(bmp + 26, 1 | 24 << 16); /* planes, depth */
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            unsigned char rgb[3];
            colour(x, y, rgb);
            unsigned char *at = bmp + HEADERS + stride * (size_t)(height - 1 - y) + 3 * (size_t)x;
            at[0] = rgb[2];
            at[1] = rgb[1];
            at[2] = rgb[0];
        }
    return bmp;
}

unsigned char *picture_fixture(const char *name, size_t *size)
{
    char path[256];
    snprintf(path, sizeof path, "tests/fixtures/images/%s", name);
    return scratch_read(path, size);
}
