/* caption_done.c: see caption_done.h. The names found in the file are sorted once and searched by bisection. */
#include "server/app/caption_done.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/base/file.h"

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int add(caption_done *done, char *name, caption_error *err)
{
    if (done->count == done->room) {
        const size_t room = done->room ? 2 * done->room : 256;
        char **names = realloc(done->names, room * sizeof *names);
        if (!names) {
            free(name);
            return caption_fail(err, CAPTION_ENOMEM, "out of memory for %zu names", room);
        }
        done->names = names;
        done->room = room;
    }
    done->names[done->count++] = name;
    return CAPTION_OK;
}

/* *whole: bytes of whole lines. */
static int read_names(caption_done *done, const caption_lines *lines, const char *text, size_t size, size_t *whole,
                      caption_error *err)
{
    const char *end;
    int status = CAPTION_OK;
    *whole = 0;
    while (status == CAPTION_OK && (end = caption_lines_end(lines, text + *whole, size - *whole))) {
        char *name = caption_lines_name(lines, text + *whole, end);
        if (!name)
            return caption_fail(err, CAPTION_EFORMAT, "holds other lines than these: was it another --format?");
        status = add(done, name, err);
        *whole = (size_t)(end - text);
    }
    return status;
}

static int read_file(caption_done *done, const char *path, const caption_lines *lines, caption_error *err)
{
    unsigned char *bytes = NULL;
    size_t size = 0, whole = 0;
    int status = file_read(path, SIZE_MAX / 2, &bytes, &size, err);
    if (status == CAPTION_OK)
        status = read_names(done, lines, (const char *)bytes, size, &whole, err);
    if (status == CAPTION_OK && whole < size && ftruncate(done->fd, (off_t)whole) != 0)
        status = caption_fail(err, CAPTION_EIO, "%s", strerror(errno));
    free(bytes);
    done->empty = whole == 0;
    return status;
}

int caption_done_open(caption_done *done, const char *path, const caption_lines *lines, caption_error *err)
{
    struct stat found;
    caption_error why = {0};
    *done = (caption_done){.fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666)};
    int status = CAPTION_OK;
    if (done->fd < 0 || fstat(done->fd, &found) != 0)
        status = caption_fail(&why, CAPTION_EIO, "%s", strerror(errno));
    else if (!S_ISREG(found.st_mode))
        status = caption_fail(&why, CAPTION_EINVAL, "is no regular file");
    else
        status = read_file(done, path, lines, &why);
    if (status != CAPTION_OK) {
        caption_done_close(done);
        return caption_fail(err, status, "%s: %s", path, why.message);
    }
    if (done->count)
        qsort(done->names, done->count, sizeof *done->names, by_text);
    return CAPTION_OK;
}

void caption_done_close(caption_done *done)
{
    if (done->fd >= 0)
        close(done->fd);
    for (size_t i = 0; i < done->count; i++)
        free(done->names[i]);
    free(done->names);
    *done = (caption_done){.fd = -1};
}

int caption_done_has(void *done, const char *name)
{
    const caption_done *d = done;
    return d->count && bsearch(&name, d->names, d->count, sizeof *d->names, by_text) != NULL;
}
