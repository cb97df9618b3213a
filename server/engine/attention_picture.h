/* attention_picture.h: where a captioner looked for each word, laid over the photo. */
#ifndef SERVER_ATTENTION_PICTURE_H
#define SERVER_ATTENTION_PICTURE_H

#include "model/caption.h"
#include "model/visualize.h"

enum { ATTENTION_SIDE = 224 }; /* pixels of the longer side of each picture */

/* One word's weights [49], enlarged over the photo. The caller frees *out. */
int attention_picture(caption_picture *out, const float *weights, const caption_picture *photo, caption_error *err);

/* All words of a caption from left to right, its end left out. The caller frees *out. CAPTION_EINVAL if it has no
 * words. */
int attention_strip(caption_picture *out, const caption_result *caption, const caption_picture *photo,
                    caption_error *err);

#endif
