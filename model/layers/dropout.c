#include "model/layers/dropout.h"

#include "model/random.h"

void X(dropout)(size_t n, real *x, real rate, uint64_t seed)
{
    unsigned threshold = (unsigned)(rate * 65536 + (real)0.5); /* of 16 random bits: four elements a draw */
    if (threshold == 0)
        return;
    const real factor[2] = {65536 / (real)(65536 - threshold), 0}; /* looked up: a branch would be guessed wrong */
    random_stream mask = random_seeded(seed);
    for (size_t i = 0; i < n; i += 4) {
        uint64_t bits = random_bits(&mask);
        for (size_t j = i; j < i + 4 && j < n; j++, bits >>= 16)
            x[j] *= factor[(bits & 0xffff) < threshold];
    }
}
