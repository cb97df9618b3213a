/* stb_write.c: stb_image_write compiled privately, for PNG; zlib compresses in place of its own, larger attempt. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "model/image/stb.h"

#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-prototypes"

/* What stb_image_write calls: malloc'd, or NULL. */
static unsigned char *deflate_all(unsigned char *data, int size, int *deflated_size, int quality)
{
    uLongf room = compressBound((uLong)size);
    unsigned char *out = malloc(room);
    if (!out || room > INT_MAX || compress2(out, &room, data, (uLong)size, quality) != Z_OK) {
        free(out);
        return NULL;
    }
    *deflated_size = (int)room;
    return out;
}

#define STBI_WRITE_NO_STDIO
#define STBIW_ASSERT(condition) ((void)sizeof(condition))
#define STBIW_ZLIB_COMPRESS deflate_all
#define STB_IMAGE_WRITE_STATIC
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>

unsigned char *stb_encode_png(const unsigned char *rgb, int width, int height, size_t *size)
{
    int bytes;
    if ((long long)width * height > INT_MAX / 4) /* it counts in int */
        return NULL;
    unsigned char *png = stbi_write_png_to_mem(rgb, width * 3, width, height, 3, &bytes);
    *size = png ? (size_t)bytes : 0;
    return png;
}
