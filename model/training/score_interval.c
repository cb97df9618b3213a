/* score_interval.c: how far the score of a small set of images can be trusted: the percentile bootstrap (score.h). */
#include <stdlib.h>

#include "model/random.h"
#include "model/score.h"

enum { DRAWS = 1000, TAIL = 25 }; /* 2.5 % of the draws on either side */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void caption_score_interval(const double *each, size_t n, double *low, double *high)
{
    double means[DRAWS] = {0};
    random_stream r = random_seeded(1);
    for (int draw = 0; draw < DRAWS; draw++)
        for (size_t i = 0; i < n; i++)
            means[draw] += each[random_below(&r, n)] / (double)n;
    qsort(means, DRAWS, sizeof *means, compare);
    *low = means[TAIL];
    *high = means[DRAWS - 1 - TAIL];
}
