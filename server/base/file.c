/* file.c: reads pipes as well as files, so the size is never asked for: the buffer grows as the bytes come. */
#include "server/base/file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_BYTES = 1 << 16 };

static int read_stream(FILE *stream, size_t limit, unsigned char **bytes, size_t *size, caption_error *err)
{
    size_t room = 0;
    *bytes = NULL;
    *size = 0;
    do {
        if (*size == room) {
            room = room ? 2 * room : FIRST_BYTES;
            unsigned char *larger = realloc(*bytes, room);
            if (!larger)
                return caption_fail(err, CAPTION_ENOMEM, "out of memory");
            *bytes = larger;
        }
        *size += fread(*bytes + *size, 1, room - *size, stream);
        if (*size > limit)
            return caption_fail(err, CAPTION_ELIMIT, "larger than %zu bytes", limit);
        if (ferror(stream))
            return caption_fail(err, CAPTION_EIO, "%s", strerror(errno));
    } while (!feof(stream));
    return CAPTION_OK;
}

int file_read(const char *path, size_t limit, unsigned char **bytes, size_t *size, caption_error *err)
{
    int standard_input = strcmp(path, "-") == 0;
    FILE *stream = standard_input ? stdin : fopen(path, "rb");
    if (!stream)
        return caption_fail(err, CAPTION_EIO, "%s", strerror(errno));
    int status = read_stream(stream, limit, bytes, size, err);
    if (!standard_input)
        fclose(stream);
    if (status) {
        free(*bytes);
        *bytes = NULL;
    }
    return status;
}
