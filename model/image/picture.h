/* picture.h: what the makers of pictures share; caption_picture itself is in visualize.h. */
#ifndef CAPTION_PICTURE_H
#define CAPTION_PICTURE_H

#include "model/visualize.h"

/* Allocates the pixels, which are then undefined. */
int picture_new(caption_picture *out, int width, int height, caption_error *err);

/* heat [height, width] -> out [out_height, out_width], never below 0, by Catmull-Rom's cubic, which keeps the grid's
 * own values. */
void heat_enlarge(const float *heat, int height, int width, float *out, int out_height, int out_width);

#endif
