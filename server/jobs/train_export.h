/* train_export.h: a dataset in files as what store_export makes of a stored one: train.tsv and dev.tsv in a job's
 * directory, so that later changes of the files do not change a run that is under way. */
#ifndef SERVER_TRAIN_EXPORT_H
#define SERVER_TRAIN_EXPORT_H

#include <stdint.h>

#include "server/jobs/train_request.h"

/* Without files->dev, dev_fraction of the images, at least one and not all, are for dev; the same seed and names choose
 * the same. dev.tsv is there only if there is a dev part. All is flushed to the disk. */
int train_export(const train_files *files, const char *directory, double dev_fraction, uint64_t seed,
                 caption_error *err);

#endif
