/* train_options.h: checks and describes the options of train.h. */
#ifndef CAPTION_TRAIN_OPTIONS_H
#define CAPTION_TRAIN_OPTIONS_H

#include "model/train.h"

/* What the caller's `stop` says. */
int train_options_stop(const caption_train_options *options);

/* Everything that decides the result but the data, as one line: "kind=lstm hidden=512 ... seed=1". Two runs with equal
 * lines are the same run, so this stands in checkpoints and weight files. base: the base's checksum, or NULL. malloc'd;
 * NULL when out of memory. */
char *train_options_describe(const caption_train_options *options, const char *base);

#endif
