/* base64.h: base64 as clients write it: with or without its padding, in the standard alphabet or the URL-safe one, with
 * line breaks and blanks anywhere. */
#ifndef SERVER_BASE64_H
#define SERVER_BASE64_H

#include <stddef.h>

/* Writes at most size / 4 * 3 + 2 bytes, never ahead of where it reads, so `out` may be `text`. Returns 0 if the text
 * is no base64. */
int base64_decode(const char *text, size_t size, unsigned char *out, size_t *out_size);

#endif
