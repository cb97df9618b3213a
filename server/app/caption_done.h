/* caption_done.h: the file that a long run writes its lines to, and goes on with when it was stopped: which photos have
 * a line there already. What an interrupted write left behind the last whole line is cut off. */
#ifndef SERVER_CAPTION_DONE_H
#define SERVER_CAPTION_DONE_H

#include "server/app/caption_lines.h"

typedef struct caption_done {
    int fd; /* to append to */
    char **names;
    size_t count, room;
    int empty; /* no line yet */
} caption_done;

/* Makes the file if there is none. CAPTION_EFORMAT: it holds other lines than these. On failure there is nothing to
 * close. */
int caption_done_open(caption_done *done, const char *path, const caption_lines *lines, caption_error *err);
void caption_done_close(caption_done *done);

/* done: a caption_done; as photo_source.h asks. */
int caption_done_has(void *done, const char *name);

#endif
