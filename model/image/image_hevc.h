/* image_hevc.h: HEVC for libheif without threads. */
#ifndef CAPTION_IMAGE_HEVC_H
#define CAPTION_IMAGE_HEVC_H

/* Starts libheif, which looks for plugins on disk, and registers ours. Once, from one thread, before any decoding. */
void image_hevc_register(void);

#endif
