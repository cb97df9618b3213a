/* image_tiff.h: what must be settled once for libtiff. */
#ifndef CAPTION_IMAGE_TIFF_H
#define CAPTION_IMAGE_TIFF_H

/* It prints nothing. */
void image_tiff_silence(void);

#endif
