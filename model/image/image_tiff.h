/* image_tiff.h: what must be settled once for libtiff. */
#ifndef CAPTION_IMAGE_TIFF_H
#define CAPTION_IMAGE_TIFF_H

/* It prints nothing, and what is asked of the system once is asked now. Before any decoding, from one thread. */
void image_tiff_prepare(void);

#endif
