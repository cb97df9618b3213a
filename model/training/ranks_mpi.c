/* ranks_mpi.c: ranks.h over MPI. Only the thread that joined makes MPI calls. */
#include <stdio.h>
#include <stdlib.h>

#include <mpi.h>

#include "model/training/ranks.h"

enum { PIECE = 1 << 28 }; /* things an exchange: MPI counts in int */

struct caption_ranks {
    int index, count;
    int parted; /* a failure was agreed on */
};

/* Returns CAPTION_OK for MPI_SUCCESS. */
static int check(int code, const char *what, caption_error *err)
{
    char reason[MPI_MAX_ERROR_STRING] = "";
    int length;
    if (code == MPI_SUCCESS)
        return CAPTION_OK;
    MPI_Error_string(code, reason, &length);
    return caption_fail(err, CAPTION_EIO, "MPI cannot %s: %.300s", what, reason);
}

/* ---- joining and leaving ---------------------------------------------------------------------------------------- */

int caption_ranks_join(caption_ranks **out, caption_error *err)
{
    int provided;
    *out = calloc(1, sizeof **out);
    if (!*out)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory to train together");
    int status = check(MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided), "start", err);
    if (status != CAPTION_OK) {
        free(*out);
        *out = NULL;
        return status;
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &(*out)->index);
    MPI_Comm_size(MPI_COMM_WORLD, &(*out)->count);
    return CAPTION_OK;
}

int caption_ranks_is_first(const caption_ranks *ranks)
{
    return ranks_index(ranks) == 0;
}

void caption_ranks_leave(caption_ranks *ranks)
{
    if (ranks)
        MPI_Finalize();
    free(ranks);
}

int ranks_count(const caption_ranks *ranks)
{
    return ranks ? ranks->count : 1;
}

int ranks_index(const caption_ranks *ranks)
{
    return ranks ? ranks->index : 0;
}

/* ---- exchanges -------------------------------------------------------------------------------------------------- */

int ranks_sum(caption_ranks *ranks, float *x, size_t n, caption_error *err)
{
    int status = CAPTION_OK;
    for (size_t i = 0; ranks_count(ranks) > 1 && i < n && status == CAPTION_OK; i += PIECE) {
        int piece = n - i < PIECE ? (int)(n - i) : PIECE;
        status = check(MPI_Allreduce(MPI_IN_PLACE, x + i, piece, MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD), "sum", err);
    }
    return status;
}

int ranks_follow(caption_ranks *ranks, void *bytes, size_t n, caption_error *err)
{
    int status = CAPTION_OK;
    for (size_t i = 0; ranks_count(ranks) > 1 && i < n && status == CAPTION_OK; i += PIECE) {
        int piece = n - i < PIECE ? (int)(n - i) : PIECE;
        status = check(MPI_Bcast((char *)bytes + i, piece, MPI_BYTE, 0, MPI_COMM_WORLD), "send", err);
    }
    return status;
}

/* Says on which machine it happened, unless that is the one where the user reads it. */
static void name_machine(const caption_ranks *ranks, caption_error *err)
{
    char machine[MPI_MAX_PROCESSOR_NAME] = "";
    int length;
    caption_error reason = *err;
    if (ranks->index == 0)
        return;
    MPI_Get_processor_name(machine, &length);
    snprintf(err->message, sizeof err->message, "process %d on %.64s: %.400s", ranks->index, machine, reason.message);
}

int ranks_agree(caption_ranks *ranks, int status, caption_error *err)
{
    if (ranks_count(ranks) == 1 || ranks->parted)
        return status;
    int failed = status == CAPTION_OK ? ranks->count : ranks->index, first = ranks->count;
    int broken = check(MPI_Allreduce(&failed, &first, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD), "agree", err);
    if (broken || first == ranks->count)
        return broken;
    ranks->parted = 1;
    if (first == ranks->index)
        name_machine(ranks, err);
    MPI_Bcast(err->message, sizeof err->message, MPI_CHAR, first, MPI_COMM_WORLD);
    MPI_Bcast(&status, 1, MPI_INT, first, MPI_COMM_WORLD);
    return status;
}
