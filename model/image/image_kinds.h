/* image_kinds.h: what a file is, by its first bytes. */
#ifndef CAPTION_IMAGE_KINDS_H
#define CAPTION_IMAGE_KINDS_H

#include "model/image/image_format.h"

/* NULL: not one that this build reads. */
const image_format *image_format_of(const unsigned char *bytes, size_t size);

/* CAPTION_EUNSUPPORTED for such a file, by name if it is known. */
int image_refuse_kind(const unsigned char *bytes, size_t size, caption_error *err);

#endif
