/* attention_picture.c: attention weights as a heat map over the photo, one word or all words in a strip
 * (attention_picture.h). */
#include "server/engine/attention_picture.h"

#include <stdlib.h>
#include <string.h>

int attention_picture(caption_picture *out, const float *weights, const caption_picture *photo, caption_error *err)
{
    float heat[CAPTION_POSITIONS], largest = 0;
    for (int i = 0; i < CAPTION_POSITIONS; i++)
        largest = weights[i] > largest ? weights[i] : largest;
    for (int i = 0; i < CAPTION_POSITIONS; i++)
        heat[i] = largest > 0 ? weights[i] / largest : 0; /* the place looked at most is hot, however spread the look */
    return caption_heat_picture(out, heat, CAPTION_MAP_SIDE, CAPTION_MAP_SIDE, photo, photo->width, photo->height, err);
}

/* Copies a picture into a strip, its left edge at column x. */
static void paste(caption_picture *strip, const caption_picture *picture, int x)
{
    size_t row = (size_t)picture->width * 3, wide = (size_t)strip->width * 3;
    for (size_t y = 0; y < (size_t)picture->height; y++)
        memcpy(strip->rgb + y * wide + (size_t)x * 3, picture->rgb + y * row, row);
}

int attention_strip(caption_picture *out, const caption_result *caption, const caption_picture *photo,
                    caption_error *err)
{
    *out = (caption_picture){.width = photo->width * caption->words, .height = photo->height};
    if (caption->words < 1)
        return caption_fail(err, CAPTION_EINVAL, "the caption has no words to show");
    out->rgb = malloc((size_t)out->width * (size_t)out->height * 3);
    int status = out->rgb ? CAPTION_OK : caption_fail(err, CAPTION_ENOMEM, "out of memory for a picture");
    for (int t = 0; t < caption->words && status == CAPTION_OK; t++) {
        caption_picture one = {0};
        status = attention_picture(&one, caption->tokens[t].attention, photo, err);
        if (status == CAPTION_OK)
            paste(out, &one, t * photo->width);
        caption_picture_free(&one);
    }
    if (status != CAPTION_OK)
        caption_picture_free(out);
    return status;
}
