/* lessons.c: see lessons.h. */
#include "tests/support/lessons.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/picture.h"
#include "tests/support/scratch.h"

enum { SIDE = 64, COLOURS = 5, PATTERNS = LESSONS / COLOURS };

/* Ink and paper; they differ in brightness too, because the encoder hardly minds hues. */
static const unsigned char colours[COLOURS][2][3] = {
    {{230, 0, 0}, {255, 255, 255}}, {{255, 255, 255}, {0, 0, 0}},       {{255, 220, 0}, {0, 0, 160}},
    {{0, 120, 0}, {255, 200, 120}}, {{190, 200, 190}, {160, 150, 160}},
};

static int painted_pattern, painted_colour; /* picture_bmp hands its callback no context */

static int is_inked(int pattern, int x, int y)
{
    int dx = x - SIDE / 2, dy = y - SIDE / 2;
    const int inked[PATTERNS] = {(x / 8 + y / 8) % 2, y / 6 % 2, x / 6 % 2, dx * dx + dy * dy < SIDE * SIDE / 9};
    return inked[pattern];
}

static void paint(int x, int y, unsigned char *rgb)
{
    memcpy(rgb, colours[painted_colour][!is_inked(painted_pattern, x, y)], 3);
}

unsigned char *lesson_picture(int lesson, size_t *size)
{
    painted_pattern = lesson % PATTERNS;
    painted_colour = lesson / PATTERNS;
    return picture_bmp(SIDE, SIDE, paint, size);
}

const char *lesson_caption(int lesson)
{
    static const char *const captions[LESSONS] = {
        "a red chess board",    "red stripes that lie flat",    "red stripes stand upright",    "one round red spot",
        "a white chess board",  "white stripes that lie flat",  "white stripes stand upright",  "one round white spot",
        "a golden chess board", "golden stripes that lie flat", "golden stripes stand upright", "one round golden spot",
        "a green chess board",  "green stripes that lie flat",  "green stripes stand upright",  "one round green spot",
        "a grey chess board",   "grey stripes that lie flat",   "grey stripes stand upright",   "one round grey spot",
    };
    return captions[lesson];
}

void lessons_write(const char *file, int n, int times)
{
    char text[8192] = "", name[16];
    for (int i = 0; i < n; i++) {
        size_t size, used = strlen(text);
        unsigned char *bmp = lesson_picture(i, &size);
        snprintf(name, sizeof name, "%d.bmp", i);
        scratch_write(name, bmp, size);
        free(bmp);
        for (int k = 0; k < times; k++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%s\t%s\n", name, lesson_caption(i));
    }
    scratch_write(file, text, strlen(text));
}
