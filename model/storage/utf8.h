/* utf8.h: is this text well-formed UTF-8? Asked of every string that comes from a file, before it is kept. */
#ifndef CAPTION_UTF8_H
#define CAPTION_UTF8_H

#include <stddef.h>

/* 1 if the `length` bytes are UTF-8 as RFC 3629 defines it: no overlong form, no surrogate, nothing past U+10FFFF. */
int utf8_valid(const char *text, size_t length);

#endif
