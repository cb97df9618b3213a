/* random.h: reproducible random numbers: xoshiro256** (Blackman & Vigna 2018) seeded by splitmix64.
 *
 * The same seed gives the same numbers on every machine, and the whole state is four integers that a checkpoint can
 * keep. Not for secrets. A stream belongs to one thread; independent streams come from different seeds. */
#ifndef CAPTION_RANDOM_H
#define CAPTION_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef struct random_stream {
    uint64_t state[4]; /* never all zero */
} random_stream;

/* One step of splitmix64: also a good mixer of (seed, counter) into the seed of an independent stream. */
static inline uint64_t random_mix(uint64_t x)
{
    x += 0x9E3779B97F4A7C15u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static inline random_stream random_seeded(uint64_t seed)
{
    random_stream r;
    for (int i = 0; i < 4; i++)
        r.state[i] = random_mix(seed + (uint64_t)i * 0x9E3779B97F4A7C15u);
    return r;
}

static inline uint64_t random_bits(random_stream *r)
{
    uint64_t *s = r->state, product = s[1] * 5, result = ((product << 7) | (product >> 57)) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = (s[3] << 45) | (s[3] >> 19);
    return result;
}

/* Uniform in [0, 1): the upper 53 bits. */
static inline double random_uniform(random_stream *r)
{
    return (double)(random_bits(r) >> 11) * 0x1p-53;
}

/* Uniform in 0..n-1, n >= 1: the upper half of a product, without the values that would favour some (Lemire 2019). */
static inline size_t random_below(random_stream *r, size_t n)
{
    unsigned __int128 product = (unsigned __int128)random_bits(r) * n;
    for (uint64_t biased = -(uint64_t)n % n; (uint64_t)product < biased;)
        product = (unsigned __int128)random_bits(r) * n;
    return (size_t)(product >> 64);
}

/* order[n] = 0..n-1 in random order: Fisher-Yates, inside out, which fills and shuffles at once. */
static inline void random_order(random_stream *r, size_t *order, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t k = random_below(r, i + 1);
        if (k < i)
            order[i] = order[k];
        order[k] = i;
    }
}

#endif
