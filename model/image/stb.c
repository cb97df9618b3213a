/* stb.c: stb_image compiled privately, for the four formats we read.
 *
 * Memory comes zeroed, so that a damaged file which leaves pixels untouched gives the same picture every time. Its
 * assertions are out: the library must not abort; the fuzzers are there to find what they would have found. */
#include "model/image/stb.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wunused-function"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

/* stb_image forgets that memory ran out when it goes on to ask whether the file is of another format. */
static _Thread_local int starved;

static void *take(void *memory)
{
    starved |= memory == NULL;
    return memory;
}

#define STBI_MALLOC(size) take(calloc(1, size))
#define STBI_REALLOC(memory, size) take(realloc(memory, size))
#define STBI_FREE(memory) free(memory)
#define STBI_ASSERT(condition) ((void)sizeof(condition))
#define STBI_NO_STDIO
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_ONLY_BMP
#define STBI_ONLY_GIF
#define STB_IMAGE_STATIC
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>

enum { PNG_MAGIC = 8, PNG_CHUNK = 12, PALETTE_BYTES = 256 * 3, GIF_BACKGROUND = 11 };

int stb_size(const unsigned char *bytes, size_t size, int *width, int *height)
{
    int channels;
    return size <= INT_MAX && stbi_info_from_memory(bytes, (int)size, width, height, &channels);
}

/* Where the palette of a PNG begins that has fewer than 256 colours, or 0. The chunks are known to be sound. */
static size_t short_palette(const unsigned char *bytes, size_t size, size_t *length)
{
    for (size_t at = PNG_MAGIC; at + PNG_CHUNK <= size; at += *length + PNG_CHUNK) {
        *length = (size_t)bytes[at] << 24 | (size_t)bytes[at + 1] << 16 | (size_t)bytes[at + 2] << 8 | bytes[at + 3];
        if (memcmp(bytes + at + 4, "PLTE", 4) == 0)
            return *length < PALETTE_BYTES ? at + 8 : 0;
    }
    return 0;
}

/* A copy of a file with one of two weak spots of stb_image mended: pixels outside a PNG's palette would take their
 * colour from uninitialised memory (they become black, as in browsers), and what a GIF's first frame leaves uncovered
 * would get the background colour, red and blue swapped (it stays transparent, as in browsers). NULL: out of memory. */
static unsigned char *mended(const unsigned char *bytes, size_t *size, size_t palette, size_t length)
{
    size_t before = palette + length, padding = palette ? PALETTE_BYTES - length : 0;
    unsigned char *copy = calloc(1, *size + padding);
    if (!copy)
        return NULL;
    memcpy(copy, bytes, before);
    memcpy(copy + before + padding, bytes + before, *size - before);
    if (palette) {
        copy[palette - 6] = PALETTE_BYTES >> 8;
        copy[palette - 5] = PALETTE_BYTES & 255;
    } else {
        copy[GIF_BACKGROUND] = 0; /* "none" to stb_image */
    }
    *size += padding;
    return copy;
}

unsigned char *stb_decode(const unsigned char *bytes, size_t size, int *channels, const char **reason)
{
    int width, height, is_gif = bytes[0] == 'G';
    size_t length = 0, palette = bytes[0] == 0x89 ? short_palette(bytes, size, &length) : 0;
    unsigned char *copy = NULL;
    *reason = NULL;
    if (is_gif || palette) {
        copy = mended(bytes, &size, palette, palette ? length : 0);
        if (!copy)
            return NULL;
    }
    starved = 0;
    unsigned char *pixels = stbi_load_from_memory(copy ? copy : bytes, (int)size, &width, &height, channels, 0);
    free(copy);
    if (!pixels && !starved)
        *reason = stbi_failure_reason();
    return pixels;
}
