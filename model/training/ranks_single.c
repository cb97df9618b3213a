/* ranks_single.c: a build without MPI: every process is alone. */
#include <stdlib.h>

#include "model/training/ranks.h"

/* Processes that do not know of each other would all write the same files. */
int caption_ranks_join(caption_ranks **out, caption_error *err)
{
    const char *started = getenv("OMPI_COMM_WORLD_SIZE");
    *out = NULL;
    if (started && atoi(started) > 1)
        return caption_fail(err, CAPTION_EUNSUPPORTED,
                            "this build cannot train over %d processes: it was made without MPI=1", atoi(started));
    return CAPTION_OK;
}

int caption_ranks_is_first(const caption_ranks *ranks)
{
    return ranks_index(ranks) == 0;
}

void caption_ranks_leave(caption_ranks *ranks)
{
    (void)ranks;
}

int ranks_count(const caption_ranks *ranks)
{
    (void)ranks;
    return 1;
}

int ranks_index(const caption_ranks *ranks)
{
    (void)ranks;
    return 0;
}

int ranks_sum(caption_ranks *ranks, float *x, size_t n, caption_error *err)
{
    (void)ranks, (void)x, (void)n, (void)err;
    return CAPTION_OK;
}

int ranks_follow(caption_ranks *ranks, void *bytes, size_t n, caption_error *err)
{
    (void)ranks, (void)bytes, (void)n, (void)err;
    return CAPTION_OK;
}

int ranks_agree(caption_ranks *ranks, int status, caption_error *err)
{
    (void)ranks, (void)err;
    return status;
}
