/* lessons.h: a small course for a captioner: pictures that are easy to tell apart, and what to say of each. */
#ifndef TESTS_SUPPORT_LESSONS_H
#define TESTS_SUPPORT_LESSONS_H

#include <stddef.h>

enum { LESSONS = 20 };

/* The picture of lesson 0..LESSONS-1 as a BMP, malloc'd, of *size bytes. */
unsigned char *lesson_picture(int lesson, size_t *size);

/* Its caption, tokenised: "a red chess board". A static string. */
const char *lesson_caption(int lesson);

/* Writes the first n pictures as 0.bmp, 1.bmp, ... and FILE, which gives each its caption so many `times`, into the
 * scratch directory. */
void lessons_write(const char *file, int n, int times);

#endif
