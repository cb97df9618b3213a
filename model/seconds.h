/* seconds.h: the monotonic clock, for durations. */
#ifndef CAPTION_SECONDS_H
#define CAPTION_SECONDS_H

#include <time.h>

static inline double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

#endif
