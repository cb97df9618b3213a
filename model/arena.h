/* arena.h: scratch memory taken once and handed out in slices.
 *
 * A session, a trainer or a test owns one arena. Callers state their need up front with arena_reserve (the only
 * function that allocates), then take slices with arena_take; arena_reset hands everything back at once. Slices are
 * 64-byte aligned (one cache line, one AVX-512 vector) and uninitialised. Not thread-safe: one owner. */
#ifndef CAPTION_ARENA_H
#define CAPTION_ARENA_H

#include <stddef.h>

#include "model/error.h"

enum { ARENA_ALIGN = 64 };

typedef struct arena {
    unsigned char *base;
    size_t size, used; /* bytes */
} arena;

/* Bytes that a slice of `count` elements of `size` bytes occupies, padding included; SIZE_MAX on overflow. */
size_t arena_slice(size_t count, size_t size);

/* Makes the arena at least `bytes` large and empty. May move it, so every earlier slice is void. */
int arena_reserve(arena *a, size_t bytes, caption_error *err);

/* The next slice, or NULL if more is taken than was reserved (a bug in the caller's own sum). */
void *arena_take(arena *a, size_t count, size_t size);

static inline void arena_reset(arena *a)
{
    a->used = 0;
}
void arena_free(arena *a);

#endif
