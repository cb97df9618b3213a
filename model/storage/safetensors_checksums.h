/* safetensors_checksums.h: does a weight file hold what was written?
 *
 * The writer adds one metadata pair, "checksums", a line for each tensor in the order of the data and one for all the
 * rest of the header, as sha256sum prints them:
 *
 *     SHA256-OF-THE-TENSOR'S-BYTES  NAME
 *     SHA256-OF-THE-OTHER-METADATA-AND-THE-SHAPES  __metadata__
 *
 * A file without that pair comes from another writer or an older captiond and cannot be verified. */
#ifndef CAPTION_SAFETENSORS_CHECKSUMS_H
#define CAPTION_SAFETENSORS_CHECKSUMS_H

#include <nettle/sha2.h>

#include "model/storage/safetensors_header.h"

enum { SAFETENSORS_HEX = 2 * SHA256_DIGEST_SIZE };

/* Writes the hash's digest as text and begins it anew. */
void safetensors_checksum_text(struct sha256_ctx *hash, char text[SAFETENSORS_HEX + 1]);

/* The checksum of everything in the header that is not the pair itself. */
void safetensors_checksum_header(const safetensors_header *header, char text[SAFETENSORS_HEX + 1]);

extern const char safetensors_checksums_key[];  /* "checksums" */
extern const char safetensors_checksums_rest[]; /* "__metadata__" */

/* Compares the data and the rest of the header with the pair, which it takes out of the header. *verified is 0 if there
 * is none. CAPTION_EFORMAT names the first tensor that is not what was written. */
int safetensors_checksums_verify(safetensors_header *header, const char *path, const unsigned char *data, int *verified,
                                 caption_error *err);

#endif
