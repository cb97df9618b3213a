/* dropout.c: inverted dropout: the mask is drawn again from its seed backwards, so none is kept (dropout.h). Compiled
 * twice (real.h). */
#include "model/layers/dropout.h"

#include "model/random.h"

static void drop_row(int width, real *x, unsigned threshold, random_stream *mask)
{
    const real factor[2] = {65536 / (real)(65536 - threshold), 0}; /* looked up: a branch would be guessed wrong */
    for (int i = 0; i < width; i += 4) {
        uint64_t bits = random_bits(mask);
        for (int j = i; j < i + 4 && j < width; j++, bits >>= 16)
            x[j] *= factor[(bits & 0xffff) < threshold];
    }
}

void X(dropout)(const sequence_steps *s, const int *order, int width, real *x, real rate, uint64_t seed)
{
    unsigned threshold = (unsigned)(rate * 65536 + (real)0.5); /* of 16 random bits: four elements a draw */
    for (int i = 0; i < s->rows[0] && threshold > 0; i++) {
        random_stream mask = random_seeded(seed + (uint64_t)order[i]);
        real *row = x + (size_t)i * width;
        for (int t = 0; t < s->t && i < s->rows[t]; t++) {
            drop_row(width, row, threshold, &mask);
            row += (size_t)s->rows[t] * width;
        }
    }
}
