/* picture.c: pictures of any shape: memory, the encoder's square, PNG. */
#include "model/image/picture.h"

#include <stdlib.h>
#include <string.h>

#include "model/image/resample.h"
#include "model/image/stb.h"

static int no_memory(int width, int height, caption_error *err)
{
    return caption_fail(err, CAPTION_ENOMEM, "out of memory for a picture of %d x %d pixels", width, height);
}

int picture_new(caption_picture *out, int width, int height, caption_error *err)
{
    *out = (caption_picture){width, height, malloc((size_t)width * (size_t)height * 3)};
    if (out->rgb)
        return CAPTION_OK;
    *out = (caption_picture){0};
    return no_memory(width, height, err);
}

void caption_picture_free(caption_picture *picture)
{
    free(picture->rgb);
    *picture = (caption_picture){0};
}

int caption_picture_square(caption_image *out, const caption_picture *picture, caption_error *err)
{
    out->width = picture->width;
    out->height = picture->height;
    if (picture->width == CAPTION_IMAGE_SIDE && picture->height == CAPTION_IMAGE_SIDE)
        memcpy(out->rgb, picture->rgb, sizeof out->rgb);
    else if (!image_resize(out->rgb, CAPTION_IMAGE_SIDE, CAPTION_IMAGE_SIDE, picture->rgb, picture->width,
                           picture->height, 3))
        return no_memory(picture->width, picture->height, err);
    return CAPTION_OK;
}

int caption_picture_png(const caption_picture *picture, unsigned char **png, size_t *size, caption_error *err)
{
    *png = stb_encode_png(picture->rgb, picture->width, picture->height, size);
    return *png ? CAPTION_OK : no_memory(picture->width, picture->height, err);
}
