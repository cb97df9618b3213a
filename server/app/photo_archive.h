/* photo_archive.h: the photos in a tar file, compressed or not: the shards of WebDataset, in which captioning pipelines
 * keep their images. Members that are no photos (captions, JSON) are passed over. */
#ifndef SERVER_PHOTO_ARCHIVE_H
#define SERVER_PHOTO_ARCHIVE_H

#include "server/app/photo_source.h"

typedef struct photo_archive photo_archive;

int photo_archive_open(photo_archive **out, const char *path, caption_error *err);
void photo_archive_close(photo_archive *a); /* NULL is allowed */

/* 1: *out is the next photo, in memory, or what is wrong with it or with the archive; 0: there is none. */
int photo_archive_next(photo_archive *a, size_t max_bytes, source_photo *out);

#endif
