/* arena.c: one block of memory from which pieces are handed out in order and freed together; sized by a dry run
 * (arena.h). */
#include "model/arena.h"

#include <stdint.h>
#include <stdlib.h>

size_t arena_slice(size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes) || bytes > SIZE_MAX - ARENA_ALIGN)
        return SIZE_MAX;
    return (bytes + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
}

int arena_reserve(arena *a, size_t bytes, caption_error *err)
{
    a->used = 0;
    bytes = arena_slice(bytes, 1);
    if (bytes <= a->size)
        return CAPTION_OK;
    void *base = bytes == SIZE_MAX ? NULL : aligned_alloc(ARENA_ALIGN, bytes);
    if (!base)
        return caption_fail(err, CAPTION_ENOMEM, "cannot allocate %zu bytes of scratch memory", bytes);
    free(a->base);
    a->base = base;
    a->size = bytes;
    return CAPTION_OK;
}

void *arena_take(arena *a, size_t count, size_t size)
{
    size_t bytes = arena_slice(count, size);
    if (bytes > a->size - a->used)
        return NULL;
    void *slice = a->base + a->used;
    a->used += bytes;
    return slice;
}

void arena_free(arena *a)
{
    free(a->base);
    *a = (arena){0};
}
