/* feature_cache.h: what the encoder says about each picture, computed once and kept in a file.
 *
 * A record belongs to the SHA-256 of an image file's bytes (and to its mirror image or not), so renamed, copied and
 * shared pictures are found again and edited ones are not. One file serves one encoder and one kind of record:
 *
 *     header (128 bytes)   magic, version, floats a record, the encoder's SHA-256, CRC-32 of all that
 *     records              key, CRC-32 of key and floats, the floats                   appended, never changed
 *
 * Nothing in the file is trusted: one with a foreign or damaged header is replaced by a new one, a record whose CRC is
 * wrong is not found, half a record at the end (a killed writer) is written over. So whatever is lost is computed
 * again, and an interrupted computation goes on where it stopped. Several processes may use one file: appending takes a
 * lock for that moment, and a replaced file stays what it was for those who have it open. Records are read, not
 * mapped: if somebody cuts the file short, reading fails, and nobody is killed by a signal.
 *
 * Thread-safety: find, read and append may be called by several threads at once; open, sync and close may not. */
#ifndef CAPTION_FEATURE_CACHE_H
#define CAPTION_FEATURE_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "model/error.h"

typedef struct feature_cache feature_cache;

typedef struct feature_key {
    unsigned char image[32]; /* SHA-256 of the file's bytes */
    uint32_t view;           /* of the picture: feature_picture.h */
} feature_key;

/* Opens or makes the file for this encoder and record size in `directory`, which is made if its parent exists. */
int feature_cache_open(feature_cache **out, const char *directory, const char *encoder_sha256, size_t floats,
                       caption_error *err);
void feature_cache_close(feature_cache *cache); /* NULL is allowed */

feature_key feature_cache_key(const void *image, size_t size, uint32_t view);

enum { FEATURE_CACHE_ABSENT = -1 };

/* The record of `key` among those that open or the last sync found, or FEATURE_CACHE_ABSENT. */
long feature_cache_find(const feature_cache *cache, const feature_key *key);

/* Copies floats [first, first + count) of a record. CAPTION_EIO if it is no longer there as it was found. */
int feature_cache_read(const feature_cache *cache, long record, size_t first, size_t count, float *out,
                       caption_error *err);

/* Adds a record; it can be found after the next sync. */
int feature_cache_append(feature_cache *cache, const feature_key *key, const float *data, caption_error *err);
int feature_cache_sync(feature_cache *cache, caption_error *err);

#endif
