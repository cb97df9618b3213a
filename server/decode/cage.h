/* cage.h: other people's images are decoded in helper processes, never in the one that serves.
 *
 *     cage *c;
 *     const cage_limits limits = cage_defaults();
 *     if (cage_open(&c, &limits, &err) ||
 *         cage_decode(c, &(cage_work){.file = bytes, .size = size, .image = &image}, &err)) ...
 *     cage_close(c);
 *
 * A helper is this very program, started again (helper.h), which may compute and nothing else (lockdown.h). It has so
 * much memory, and a budget of processor time for each image. What crashes it, or exceeds these, costs that image a
 * CAPTION_ESTOPPED with the reason; the helper is ended and another one started.
 *
 * A cage is a number of helpers that any thread may ask; one that finds none free waits. A thread of the cage's own
 * starts helpers, because they end with the thread that started them, which is how none outlives a daemon that was
 * killed. */
#ifndef SERVER_DECODE_CAGE_H
#define SERVER_DECODE_CAGE_H

#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>

#include "model/caption.h"
#include "model/visualize.h"
#include "server/base/background.h"

typedef struct cage cage;

typedef struct cage_limits {
    int helpers;    /* at most so many */
    int at_once;    /* 1: all are started with the cage; 0: each when it is needed */
    int file_mb;    /* of an image's file */
    int picture_ms; /* of processor time for an image */
    int picture_mb; /* of memory for an image */

    /* Of the helpers, and of those who ask them: threads that wait long for a core must not hold a helper that others
     * want. Below normal, one that hangs is not told from one that waits. */
    background_level level;
} cage_limits;

cage_limits cage_defaults(void); /* one helper, when it is needed */

/* The rows of an option table that fill a cage_limits. */
// clang-format off
#define CAGE_OPTIONS(limits)                                                                                      \
    {"max-file-mb", OPTION_INTEGER, &(limits)->file_mb, 1, 4096, "N", "larger files are refused"},                  \
    {"picture-ms", OPTION_INTEGER, &(limits)->picture_ms, 1, 3600000, "N", "processor time to decode an image"}, \
    {"picture-mb", OPTION_INTEGER, &(limits)->picture_mb, 16, 65536, "N", "memory to decode an image"}
// clang-format on

int cage_open(cage **out, const cage_limits *limits, caption_error *err);

/* Waits until a helper runs, or says why none can. */
int cage_wait(cage *c, caption_error *err);

/* When nobody asks it any more. NULL is allowed. */
void cage_close(cage *c);

/* The processor time of a request's images together. */
typedef struct cage_budget {
    int ms;
    _Atomic long long used_us;
} cage_budget;

typedef struct cage_work {
    const void *file;
    size_t size;
    caption_image_limits limits;
    cage_budget *budget; /* NULL: only that of each image */

    /* What is wanted; NULL: not. */
    caption_image *image;
    caption_picture *picture; /* the caller's to free, empty after a failure */
    int max_side;             /* of the picture: 1..HELPER_SIDE; 0: that */
} cage_work;

/* As caption_image_decode and caption_picture_decode, in a helper. */
int cage_decode(cage *c, const cage_work *work, caption_error *err);

/* For the library, where it reads files itself. */
caption_decoder cage_decoder(cage *c);

/* What helpers died of, and how many run: of all cages of the process (metrics.h). */
void cage_metrics(FILE *out, void *unused);

#endif
