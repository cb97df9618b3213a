/* mixed.c: the thread's scope of mixed precision, and its scratch memory (mixed.h). */
#include "model/kernels/mixed.h"

#include <stdlib.h>

#include "model/arena.h"
#include "model/kernels/cpu.h"

enum {
    SMALLEST = 64 * 64 * 64, /* multiplications; below, packing is much of the work */
    MAX_KEPT = 32,           /* packed constants of a scope */
};

/* A constant, packed. */
struct kept {
    bf16_factor factor;
    int k, n;
    bf16_pair *packed;
};

struct mixed {
    const bf16_kernels *kernels;
    arena memory; /* the blocks, then the packed constants of the scope */
    bf16_blocks *blocks;
    size_t empty; /* bytes used by the blocks alone */
    const float *constants;
    size_t n_constants;
    struct kept kept[MAX_KEPT];
    int n_kept;
};

_Thread_local mixed *mixed_scope;

int mixed_available(void)
{
    return cpu_bf16_kernels() != NULL;
}

/* Every constant twice, as forward and backward passes want it: as much as the floats themselves, and half as much
 * again for incomplete panels. What finds no room is packed anew for each product. */
size_t mixed_size(size_t n)
{
    return arena_slice(1, sizeof(bf16_blocks)) + arena_slice(n + n / 2, sizeof(bf16_pair));
}

int mixed_new(mixed **out, size_t n, caption_error *err)
{
    *out = NULL;
    if (!mixed_available())
        return CAPTION_OK;
    mixed *m = calloc(1, sizeof *m);
    if (!m || arena_reserve(&m->memory, mixed_size(n), NULL) != CAPTION_OK) {
        free(m);
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for products in mixed precision");
    }
    m->kernels = cpu_bf16_kernels();
    m->blocks = arena_take(&m->memory, 1, sizeof *m->blocks);
    m->empty = m->memory.used;
    *out = m;
    return CAPTION_OK;
}

void mixed_free(mixed *m)
{
    if (m)
        arena_free(&m->memory);
    free(m);
}

void mixed_begin(mixed *m, const float *constants, size_t n)
{
    mixed_scope = m;
    if (!m)
        return;
    m->constants = constants;
    m->n_constants = n;
    m->n_kept = 0;
    m->memory.used = m->empty;
}

void mixed_end(void)
{
    mixed_scope = NULL;
}

/* Packs a constant at its first use. NULL: it is none, or there is no room. */
static const bf16_pair *find_packed(mixed *s, int k, int n, bf16_factor b)
{
    if (b.x < s->constants || b.x >= s->constants + s->n_constants)
        return NULL;
    for (int i = 0; i < s->n_kept; i++) {
        const struct kept *x = &s->kept[i];
        if (x->factor.x == b.x && x->factor.row_step == b.row_step && x->factor.col_step == b.col_step && x->k == k &&
            x->n == n)
            return x->packed;
    }
    bf16_pair *packed = s->n_kept < MAX_KEPT ? arena_take(&s->memory, bf16_packed_size(k, n), sizeof *packed) : NULL;
    if (packed) {
        s->kernels->pack(k, n, b, packed);
        s->kept[s->n_kept++] = (struct kept){b, k, n, packed};
    }
    return packed;
}

int mixed_gemm(int m, int n, int k, bf16_factor a, bf16_factor b, bf16_addend addend, float *c)
{
    if ((double)m * n * k < SMALLEST)
        return 0;
    mixed *s = mixed_scope;
    s->kernels->gemm(m, n, k, a, b, find_packed(s, k, n, b), addend, c, s->blocks);
    return 1;
}
