/* picture.h: bitmaps made in memory, as the plainest way to hand the decoder exact pixels. */
#ifndef TESTS_SUPPORT_PICTURE_H
#define TESTS_SUPPORT_PICTURE_H

#include <stddef.h>

/* A 24-bit BMP, malloc'd, of *size bytes; colour(x, y, rgb) fills each pixel. */
unsigned char *picture_bmp(int width, int height, void (*colour)(int x, int y, unsigned char *rgb), size_t *size);

/* The fixture tests/fixtures/images/NAME, malloc'd. Fails the test if it is not there. */
unsigned char *picture_fixture(const char *name, size_t *size);

#endif
