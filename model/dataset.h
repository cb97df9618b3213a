/* dataset.h: photos and their captions: a directory and a TSV file.
 *
 *     image-file-name<TAB>caption        one caption a line, several lines an image
 *
 * Reading checks every line and says which one is at fault: no tab, empty name or caption, a name with '/' or a
 * control character, bytes that are not UTF-8, an image that is not in the directory. Captions are kept tokenised
 * (vocabulary.h). Immutable once read; the strings belong to the dataset. */
#ifndef CAPTION_DATASET_H
#define CAPTION_DATASET_H

#include <stddef.h>
#include <stdint.h>

#include "model/error.h"

#pragma GCC visibility push(default) /* all else in the library is hidden */

#ifdef __cplusplus
extern "C" {
#endif

typedef struct caption_dataset_image {
    const char *file;            /* name inside the directory */
    const char *const *captions; /* tokenised references, in file order */
    size_t n_captions;           /* at least 1 */
} caption_dataset_image;

typedef struct caption_dataset caption_dataset;

/* Reads `tsv`; every image must exist in directory `images`, or if that is NULL they are not looked for. Images keep
 * the order of first appearance. */
int caption_dataset_open(caption_dataset **out, const char *images, const char *tsv, caption_error *err);

/* The same with names that may lead into directories below `images`, but not out of it. */
int caption_dataset_open_below(caption_dataset **out, const char *images, const char *tsv, caption_error *err);

/* The same of captions that were read from another kind of file, which are copied. name and noun are for messages:
 * "NAME: NOUN 12: the caption has no words". */
typedef struct caption_dataset_record {
    const char *file, *caption;
    size_t number; /* in its file */
} caption_dataset_record;
int caption_dataset_build(caption_dataset **out, const char *images, const char *name, const char *noun,
                          const caption_dataset_record *records, size_t n, caption_error *err);

void caption_dataset_free(caption_dataset *dataset); /* NULL is allowed */

size_t caption_dataset_size(const caption_dataset *dataset);     /* images */
size_t caption_dataset_captions(const caption_dataset *dataset); /* captions of all images */
const caption_dataset_image *caption_dataset_at(const caption_dataset *dataset, size_t i);
const char *caption_dataset_directory(const caption_dataset *dataset); /* NULL if it was opened without one */

/* Takes a share of the images, at least one and not all, out of `dataset` into *dev; the same seed and names choose the
 * same. Their strings stay those of `dataset`, which must be freed after *dev. CAPTION_EINVAL for a single image. */
int caption_dataset_divide(caption_dataset *dataset, double fraction, uint64_t seed, caption_dataset **dev,
                           caption_error *err);

/* Whether a caption of `length` bytes may be written to a TSV and taught whole: UTF-8 without control characters, 1 to
 * CAPTION_MAX_WORDS words, less than CAPTION_TEXT_BYTES. Else CAPTION_EFORMAT with the reason ("has no words"). */
int caption_dataset_check(const char *caption, size_t length, caption_error *err);

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop
#endif
