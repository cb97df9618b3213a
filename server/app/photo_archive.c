/* photo_archive.c: see photo_archive.h. libarchive does the reading. */
#include "server/app/photo_archive.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 1 << 16 };

struct photo_archive {
    struct archive *reader;
    char *path;
    int damaged; /* said already */
};

int photo_archive_open(photo_archive **out, const char *path, caption_error *err)
{
    photo_archive *a = *out = calloc(1, sizeof *a);
    if (a) {
        a->path = strdup(path);
        a->reader = archive_read_new();
    }
    int status = CAPTION_OK;
    if (!a || !a->path || !a->reader)
        status = caption_fail(err, CAPTION_ENOMEM, "out of memory for an archive");
    else if (archive_read_support_filter_all(a->reader) < ARCHIVE_WARN ||
             archive_read_support_format_tar(a->reader) != ARCHIVE_OK ||
             archive_read_open_filename(a->reader, path, BLOCK_BYTES) != ARCHIVE_OK)
        status = caption_fail(err, CAPTION_EFORMAT, "%s", archive_error_string(a->reader));
    if (status != CAPTION_OK) {
        photo_archive_close(a);
        *out = NULL;
    }
    return status;
}

void photo_archive_close(photo_archive *a)
{
    if (!a)
        return;
    if (a->reader)
        archive_read_free(a->reader);
    free(a->path);
    free(a);
}

/* "some.tar/000017.jpg" */
static char *member_name(const photo_archive *a, struct archive_entry *entry)
{
    const char *name = archive_entry_pathname_utf8(entry);
    char *joined = NULL;
    if (!name)
        name = archive_entry_pathname(entry);
    while (name && strncmp(name, "./", 2) == 0)
        name += 2;
    return name && asprintf(&joined, "%s/%s", a->path, name) >= 0 ? joined : NULL;
}

/* All of a member's bytes. */
static void read_member(photo_archive *a, struct archive_entry *entry, size_t max_bytes, source_photo *out)
{
    const size_t size = (size_t)archive_entry_size(entry);
    if (size > max_bytes) {
        caption_fail(&out->err, CAPTION_ELIMIT, "larger than %zu bytes", max_bytes);
    } else if (!(out->bytes = malloc(size + 1))) {
        caption_fail(&out->err, CAPTION_ENOMEM, "out of memory");
    } else {
        const la_ssize_t got = archive_read_data(a->reader, out->bytes, size);
        out->size = got > 0 ? (size_t)got : 0;
        if (got < 0 || (size_t)got != size)
            caption_fail(&out->err, CAPTION_EFORMAT, "%s",
                         got < 0 ? archive_error_string(a->reader) : "the archive is cut off");
    }
}

static int say_damaged(photo_archive *a, source_photo *out)
{
    a->damaged = 1;
    caption_fail(&out->err, CAPTION_EFORMAT, "%s", archive_error_string(a->reader));
    return (out->name = strdup(a->path)) != NULL;
}

int photo_archive_next(photo_archive *a, size_t max_bytes, source_photo *out)
{
    struct archive_entry *entry;
    *out = (source_photo){0};
    for (int status; !a->damaged && (status = archive_read_next_header(a->reader, &entry)) != ARCHIVE_EOF;) {
        if (status < ARCHIVE_WARN)
            return say_damaged(a, out);
        if (archive_entry_filetype(entry) != AE_IFREG || !(out->name = member_name(a, entry)))
            continue;
        read_member(a, entry, max_bytes, out);
        if (photo_is_likely(out->name, out->bytes ? out->bytes : (unsigned char *)"", out->size))
            return 1;
        source_photo_free(out);
    }
    return 0;
}
