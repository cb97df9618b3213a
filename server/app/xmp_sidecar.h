/* xmp_sidecar.h: captions where photo software looks for them: the description in PHOTO.jpg.xmp, an XMP file beside the
 * photo as darktable, digiKam and PhotoPrism write and read it (ISO 16684; Dublin Core's dc:description).
 *
 * Whatever else such a file holds stays. A description that somebody wrote stays as well: captiond names itself in
 * photoshop:CaptionWriter (IPTC's "description writer") and replaces only what is its own. */
#ifndef SERVER_XMP_SIDECAR_H
#define SERVER_XMP_SIDECAR_H

#include "model/error.h"

/* Once, before the first sidecar. */
int xmp_sidecar_begin(caption_error *err);
void xmp_sidecar_end(void);

/* Writes or completes the sidecar of the photo at `path`; language as in "en". One thread at a time. */
int xmp_sidecar_write(const char *path, const char *language, const char *text, caption_error *err);

#endif
