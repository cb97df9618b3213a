/* bomb.h: small files that take long to decode. */
#ifndef TESTS_SUPPORT_BOMB_H
#define TESTS_SUPPORT_BOMB_H

#include "tests/support/photo.h"

/* A grey progressive JPEG of 99 scans, each over all pixels, in a bit a block for the first and hardly anything for the
 * rest. Sides are multiples of 8. */
photo bomb_progressive(int width, int height);

#endif
