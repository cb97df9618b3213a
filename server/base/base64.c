/* base64.c: see base64.h. nettle's decoder wants the padding and knows one alphabet at a time. */
#include "server/base/base64.h"

#include <stdint.h>

enum { BLANK = 64, PAD = 65, WRONG = 66 };

/* The 6 bits that a character stands for. */
static int value_of(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    if (c == '/' || c == '_')
        return 63;
    return c == '=' ? PAD : c == ' ' || (c >= '\t' && c <= '\r') ? BLANK : WRONG;
}

int base64_decode(const char *text, size_t size, unsigned char *out, size_t *out_size)
{
    uint32_t bits = 0;
    size_t used = 0, characters = 0, padding = 0;
    for (size_t i = 0; i < size; i++) {
        int value = value_of((unsigned char)text[i]);
        if (value == BLANK)
            continue;
        if (value == PAD) {
            padding++;
            continue;
        }
        if (value == WRONG || padding > 0)
            return 0;
        bits = bits << 6 | (uint32_t)value;
        if (++characters % 4 != 1)
            out[used++] = (unsigned char)(bits >> (4 - characters % 4) % 4 * 2);
    }
    *out_size = used;
    return characters % 4 != 1 && padding <= (4 - characters % 4) % 4;
}
