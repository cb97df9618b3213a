/* fail_malloc.h: what a test tells fail_malloc.c in a shared file. */
#ifndef TESTS_PRELOAD_FAIL_MALLOC_H
#define TESTS_PRELOAD_FAIL_MALLOC_H

#include <stdatomic.h>

typedef struct fail_malloc {
    atomic_int armed;  /* count and fail; 0: neither */
    atomic_long nth;   /* this one of those counted fails; 0: none */
    atomic_long every; /* and every one of these; 0: none */
    atomic_long seen, failed;
} fail_malloc;

#endif
