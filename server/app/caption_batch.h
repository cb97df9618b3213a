/* caption_batch.h: many photos on many threads, and their lines in order.
 *
 * Each thread takes the next photo of the source, and its line goes out as one write when it is its turn, so that what
 * is there is always whole lines. A photo that fails has a line too; the others go on. An interrupt ends the run when
 * the photos in hand have their lines; a second one kills. */
#ifndef SERVER_CAPTION_BATCH_H
#define SERVER_CAPTION_BATCH_H

#include <stdio.h>

#include "server/app/photo_source.h"

typedef struct caption_batch {
    photo_source *source;
    int threads;
    int out;      /* descriptor */
    int progress; /* 1: say on stderr how far it is */

    /* Writes the lines of a photo. CAPTION_OK, or what is wrong with it, for `fail` and for stderr. thread: 0.. */
    int (*caption)(void *context, int thread, const source_photo *p, FILE *lines, caption_error *err);
    void (*fail)(void *context, const source_photo *p, const char *message, FILE *lines);
    void *context;
} caption_batch;

typedef struct caption_batch_end {
    long done, failed; /* photos with captions, and those without */
    int signal;        /* that ended it early; 0: none */
    int lost;          /* errno of a write that failed, which ends it too; 0: none */
} caption_batch_end;

/* From here on an interrupt is a wish. */
void caption_batch_catch_signals(void);

int caption_batch_run(const caption_batch *batch, caption_batch_end *end, caption_error *err);

#endif
