/* picture.h: what the makers of pictures share; caption_picture itself is in visualize.h. */
#ifndef CAPTION_PICTURE_H
#define CAPTION_PICTURE_H

#include "model/visualize.h"

/* Allocates the pixels, which are then undefined. */
int picture_new(caption_picture *out, int width, int height, caption_error *err);

#endif
