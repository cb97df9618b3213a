/* safetensors_text.c: the small part of JSON that safetensors headers consist of, read strictly and within bounds
 * (safetensors_text.h). */
#include "model/storage/safetensors_text.h"

#include <stdint.h>
#include <string.h>

int text_fail(text_reader *text, const char *reason)
{
    return caption_fail(text->err, CAPTION_EFORMAT, "%s: header byte %zu: %s", text->path,
                        (size_t)(text->at - text->start), reason);
}

int text_peek(text_reader *text)
{
    while (text->at < text->end && memchr(" \t\r\n", *text->at, 4))
        text->at++;
    return text->at < text->end ? *text->at : -1;
}

int text_expect(text_reader *text, char wanted)
{
    if (text_peek(text) != wanted) {
        char reason[] = "expected ' '";
        reason[sizeof "expected '" - 1] = wanted;
        return text_fail(text, reason);
    }
    text->at++;
    return CAPTION_OK;
}

/* ---- strings ----------------------------------------------------------------------------------------------------- */

/* Four hexadecimal digits. */
static int read_hex(text_reader *text, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < 4; i++, text->at++) {
        int c = text->at < text->end ? *text->at : -1;
        int digit = c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
        if (c < 0 || digit < 0)
            return text_fail(text, "\\u needs four hexadecimal digits");
        *out = *out << 4 | (uint32_t)digit;
    }
    return CAPTION_OK;
}

/* Appends a code point in UTF-8: 7 bits, or 6 in every byte after the first. */
static void put_code(text_reader *text, uint32_t code)
{
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    int length = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (int i = length - 1; i > 0; i--, code >>= 6)
        text->strings[i] = (char)(0x80 | (code & 0x3f));
    text->strings[0] = (char)(lead[length] | code);
    text->strings += length;
}

/* What follows \u: one unit, or two that form a surrogate pair (RFC 8259, section 7). */
static int read_unicode_escape(text_reader *text)
{
    uint32_t code, low;
    int status = read_hex(text, &code);
    if (status != CAPTION_OK)
        return status;
    if (code >= 0xd800 && code < 0xdc00) {
        if (text->end - text->at < 2 || text->at[0] != '\\' || text->at[1] != 'u')
            return text_fail(text, "half a surrogate pair");
        text->at += 2;
        if ((status = read_hex(text, &low)) != CAPTION_OK)
            return status;
        if (low < 0xdc00 || low > 0xdfff)
            return text_fail(text, "half a surrogate pair");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    } else if (code >= 0xdc00 && code < 0xe000) {
        return text_fail(text, "half a surrogate pair");
    }
    if (code == 0)
        return text_fail(text, "a NUL character in a string");
    put_code(text, code);
    return CAPTION_OK;
}

/* What follows a backslash. */
static int read_escape(text_reader *text)
{
    static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    int c = text->at < text->end ? *text->at++ : 0;
    if (c == 'u')
        return read_unicode_escape(text);
    const char *found = c ? strchr(escapes, c) : NULL;
    if (!found)
        return text_fail(text, "unknown escape in a string");
    *text->strings++ = meanings[found - escapes];
    return CAPTION_OK;
}

int text_string(text_reader *text, const char **out)
{
    int status = text_expect(text, '"');
    *out = text->strings;
    while (status == CAPTION_OK) {
        if (text->at == text->end)
            return text_fail(text, "the header ends inside a string");
        if (*text->at < 0x20)
            return text_fail(text, "a control character in a string");
        unsigned char c = *text->at++;
        if (c == '\\')
            status = read_escape(text);
        else
            *text->strings++ = c == '"' ? '\0' : (char)c;
        if (c == '"')
            break;
    }
    return status;
}

/* ---- numbers, lists, objects ------------------------------------------------------------------------------------- */

static int read_unsigned(text_reader *text, size_t *out)
{
    int first = text_peek(text);
    if (first < '0' || first > '9')
        return text_fail(text, "expected an unsigned integer");
    const unsigned char *start = text->at;
    *out = 0;
    while (text->at < text->end && *text->at >= '0' && *text->at <= '9') {
        if (__builtin_mul_overflow(*out, 10, out) || __builtin_add_overflow(*out, *text->at - '0', out))
            return text_fail(text, "an integer is too large");
        text->at++;
    }
    if (first == '0' && text->at - start > 1)
        return text_fail(text, "an integer begins with 0");
    return CAPTION_OK;
}

int text_list(text_reader *text, size_t *out, int max, int *count)
{
    *count = 0;
    int status = text_expect(text, '[');
    if (status != CAPTION_OK)
        return status;
    if (text_peek(text) != ']') {
        do {
            if (*count == max)
                return text_fail(text, "a list is too long");
            if ((status = read_unsigned(text, &out[*count])) != CAPTION_OK)
                return status;
            ++*count;
        } while (text_peek(text) == ',' && text->at++);
    }
    return text_expect(text, ']');
}

int text_object(text_reader *text, int (*member)(text_reader *text, const char *key, void *context), void *context)
{
    int status = text_expect(text, '{');
    if (status != CAPTION_OK)
        return status;
    if (text_peek(text) != '}') {
        do {
            const char *key;
            if ((status = text_string(text, &key)) != CAPTION_OK || (status = text_expect(text, ':')) != CAPTION_OK ||
                (status = member(text, key, context)) != CAPTION_OK)
                return status;
        } while (text_peek(text) == ',' && text->at++);
    }
    return text_expect(text, '}');
}
