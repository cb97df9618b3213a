/* ranks.h: what the processes of one training run say to each other (train.h: caption_ranks_join).
 *
 * Each is called by all processes at the same point of the run; NULL is a process alone, for which they do nothing.
 * ranks_mpi.c speaks MPI, ranks_single.c stands in its place in a build without it.
 *
 * Failures: whatever may fail in one process alone is followed by ranks_agree before the next exchange, so that nobody
 * waits for a process that has given up. After an agreed failure nothing is exchanged any more. */
#ifndef CAPTION_RANKS_H
#define CAPTION_RANKS_H

#include <stddef.h>

#include "model/train.h"

int ranks_count(const caption_ranks *ranks); /* 1 for NULL */
int ranks_index(const caption_ranks *ranks); /* 0 for NULL: the first process */

/* x [n] becomes the sum of everybody's, the same bits everywhere. */
int ranks_sum(caption_ranks *ranks, float *x, size_t n, caption_error *err);

/* The bytes become those of the first process. */
int ranks_follow(caption_ranks *ranks, void *bytes, size_t n, caption_error *err);

/* CAPTION_OK if everybody's status is; else that of the first process that failed, and err its message. err is not
 * NULL, and holds a message if status is not CAPTION_OK. */
int ranks_agree(caption_ranks *ranks, int status, caption_error *err);

#endif
