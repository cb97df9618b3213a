/* feature_extract.h: the features of every picture of a dataset, through the cache. */
#ifndef CAPTION_FEATURE_EXTRACT_H
#define CAPTION_FEATURE_EXTRACT_H

#include "model/caption.h"
#include "model/dataset.h"
#include "model/features/feature_picture.h"

typedef struct feature_work {
    caption_encoder *encoder;
    caption_decoder decoder;
    const caption_dataset *dataset;
    feature_choice choice; /* of views */
    int threads;           /* at least 1: the calling thread and threads - 1 more */
    int share, shares;     /* of the pictures only number share, share + shares, ... */

    /* Called by the calling thread between two of its pictures; non-zero stops (CAPTION_ECANCELLED), and what was
     * computed stays in the cache. May be NULL. */
    int (*progress)(void *context, size_t done, size_t total);
    void *context;
} feature_work;

/* Computes what is not in the cache yet. records: [images, feature_views], the cache record of each view of each
 * picture; NULL if they are not wanted, as with a share. */
int feature_extract(feature_cache *cache, const feature_work *work, long *records, caption_error *err);

#endif
