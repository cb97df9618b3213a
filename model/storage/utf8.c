/* utf8.c: checks UTF-8: no overlong forms, no surrogates, nothing past U+10FFFF. */
#include "model/storage/utf8.h"

/* The bytes of the sequence that starts at `s`, or 0. The second byte's range depends on the first (RFC 3629, 4):
 * it is what keeps out overlong forms (E0, F0), surrogates (ED) and what lies past U+10FFFF (F4). */
static size_t sequence_length(const unsigned char *s, size_t available)
{
    unsigned char low = 0x80, high = 0xBF;
    size_t length;
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xC2 && s[0] <= 0xDF)
        length = 2;
    else if (s[0] >= 0xE0 && s[0] <= 0xEF)
        length = 3;
    else if (s[0] >= 0xF0 && s[0] <= 0xF4)
        length = 4;
    else
        return 0;
    if (s[0] == 0xE0)
        low = 0xA0;
    else if (s[0] == 0xED)
        high = 0x9F;
    else if (s[0] == 0xF0)
        low = 0x90;
    else if (s[0] == 0xF4)
        high = 0x8F;
    if (available < length || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    return length;
}

int utf8_valid(const char *text, size_t length)
{
    const unsigned char *s = (const unsigned char *)text;
    for (size_t i = 0; i < length;) {
        size_t step = sequence_length(s + i, length - i);
        if (!step)
            return 0;
        i += step;
    }
    return 1;
}
