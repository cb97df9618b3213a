/* half.c: binary16 <-> binary32 without branches, so that compilers turn the loops into vector code on any machine.
 *
 *     binary16: sign 1, exponent 5 (bias 15), fraction 10        binary32: sign 1, exponent 8 (bias 127), fraction 23
 */
#include "model/storage/half.h"

#include <string.h>

enum {
    FRACTION_SHIFT = 23 - 10,
    REBIAS = (127 - 15) << 23,          /* added to a binary32 exponent field */
    SMALLEST_NORMAL = (127 - 14) << 23, /* 2^-14 as binary32 bits */
};

static float float_of_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float widen(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    uint32_t magnitude = half & 0x7fff;
    uint32_t normal = (magnitude << FRACTION_SHIFT) + REBIAS;
    uint32_t special = (magnitude << FRACTION_SHIFT) | 0x7f800000; /* infinity, NaN */
    uint32_t subnormal = bits_of_float((float)(int32_t)magnitude * 0x1p-24f);
    return float_of_bits(sign | (magnitude >= 0x7c00 ? special : magnitude >= 0x0400 ? normal : subnormal));
}

static inline uint16_t narrow(float value)
{
    uint32_t bits = bits_of_float(value);
    uint32_t sign = bits >> 16 & 0x8000;
    uint32_t magnitude = bits & 0x7fffffff;
    /* Half a unit in the last place less one, plus one if the kept fraction is odd: nearest, ties to even. A carry
     * runs into the exponent, which is just what rounding up to the next power of two (or to infinity) means. */
    uint32_t normal = (magnitude - REBIAS + 0xfff + (magnitude >> FRACTION_SHIFT & 1)) >> FRACTION_SHIFT;
    /* Below 2^-14 the unit is 2^-24, which is the unit of floats in [0.5, 1): the addition itself rounds. */
    uint32_t subnormal = bits_of_float(float_of_bits(magnitude) + 0.5f) - bits_of_float(0.5f);
    uint32_t finite = magnitude < SMALLEST_NORMAL ? subnormal : normal;
    uint32_t overflowed = magnitude > 0x7f800000 ? 0x7e00 : 0x7c00;
    return (uint16_t)(sign | (magnitude >= bits_of_float(65520.0f) ? overflowed : finite));
}

void half_widen(float *out, const void *halves, size_t count)
{
    const unsigned char *bytes = halves;
    for (size_t i = 0; i < count; i++) {
        uint16_t half;
        memcpy(&half, bytes + i * sizeof half, sizeof half);
        out[i] = widen(half);
    }
}

void half_narrow(uint16_t *out, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = narrow(values[i]);
}
