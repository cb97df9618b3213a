/* clock.h: the monotonic clock in milliseconds, for deadlines and durations. */
#ifndef SERVER_CLOCK_H
#define SERVER_CLOCK_H

#include <pthread.h>
#include <time.h>

static inline double clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static inline struct timespec clock_timespec(double ms)
{
    time_t seconds = (time_t)(ms / 1e3);
    return (struct timespec){seconds, (long)((ms - (double)seconds * 1e3) * 1e6)};
}

/* A condition whose timed waits end at times of this clock. */
static inline void clock_condition_init(pthread_cond_t *condition)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(condition, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

#endif
