#include "tests/support/lessons.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/picture.h"
#include "tests/support/scratch.h"

enum { SIDE = 48, COLOURS = 5, PATTERNS = LESSONS / COLOURS };

static const unsigned char colours[COLOURS][3] = {{220, 0, 0}, {0, 150, 0}, {0, 60, 255}, {255, 220, 0}, {0, 0, 0}};

static int painted_pattern, painted_colour; /* picture_bmp hands its callback no context */

static int is_inked(int pattern, int x, int y)
{
    int dx = x - SIDE / 2, dy = y - SIDE / 2;
    const int inked[PATTERNS] = {(x / 8 + y / 8) % 2, y / 6 % 2, x / 6 % 2, dx * dx + dy * dy < SIDE * SIDE / 9};
    return inked[pattern];
}

static void paint(int x, int y, unsigned char *rgb)
{
    static const unsigned char paper[3] = {255, 255, 255};
    memcpy(rgb, is_inked(painted_pattern, x, y) ? colours[painted_colour] : paper, 3);
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
        "a chess board in red",        "red stripes that lie flat",    "red stripes stand upright",
        "one round red spot",          "a chess board in green",       "green stripes that lie flat",
        "green stripes stand upright", "one round green spot",         "a chess board in blue",
        "blue stripes that lie flat",  "blue stripes stand upright",   "one round blue spot",
        "a chess board in gold",       "golden stripes that lie flat", "golden stripes stand upright",
        "one round golden spot",       "a chess board in black",       "black stripes that lie flat",
        "black stripes stand upright", "one round black spot",
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
