/* stb.c: the libraries compiled privately, for the four formats we read.
 *
 * Memory comes zeroed, so that a damaged file which leaves pixels untouched gives the same picture every time. Its
 * assertions are out: the library must not abort; the fuzzers are there to find what they would have found. */
#include "model/stb.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC diagnostic ignored "-Wunused-function"
#ifndef __clang__
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif

#define STBI_MALLOC(size) calloc(1, size)
#define STBI_REALLOC(memory, size) realloc(memory, size)
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

#define STBIR_ASSERT(condition) ((void)sizeof(condition))
#define STB_IMAGE_RESIZE_STATIC
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#include <stb/stb_image_resize.h>

int stb_size(const unsigned char *bytes, size_t size, int *width, int *height)
{
    int channels;
    return size <= INT_MAX && stbi_info_from_memory(bytes, (int)size, width, height, &channels);
}

unsigned char *stb_decode(const unsigned char *bytes, size_t size, int *channels, const char **reason)
{
    int width, height;
    unsigned char *pixels = stbi_load_from_memory(bytes, (int)size, &width, &height, channels, 0);
    *reason = pixels ? NULL : stbi_failure_reason();
    if (*reason && strcmp(*reason, "outofmem") == 0)
        *reason = NULL;
    return pixels;
}

int stb_resize(const unsigned char *pixels, int width, int height, int channels, unsigned char *out, int side)
{
    return stbir_resize_uint8_generic(pixels, width, height, 0, out, side, side, 0, channels, STBIR_ALPHA_CHANNEL_NONE,
                                      0, STBIR_EDGE_CLAMP, STBIR_FILTER_TRIANGLE, STBIR_COLORSPACE_LINEAR, NULL);
}
