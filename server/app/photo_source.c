/* photo_source.c: see photo_source.h. What directories hold is listed at the start, because names in order are what
 * shards and a later run go by; archives are read as they come. */
#include "server/app/photo_source.h"

#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/caption.h"
#include "server/app/photo_archive.h"

enum { FIRST_BYTES = 32 }; /* tell what an image is */

struct photo_source {
    photo_source_options options;
    char **names;
    size_t count, room, next;
    long archives, number, skipped;
    photo_archive *archive; /* that is being read, of names[next - 1] */
};

/* ---- what is a photo --------------------------------------------------------------------------------------------- */

static int ends_in(const char *name, const char *suffix)
{
    const size_t length = strlen(name), tail = strlen(suffix);
    return length > tail && strcasecmp(name + length - tail, suffix) == 0;
}

/* Those that cannot be read are photos too: who has them wants to be told. */
static int is_called_photo(const char *name)
{
    static const char *const suffixes[] = {".jpg", ".jpeg", ".jpe",  ".jfif", ".png",  ".bmp", ".gif", ".webp",
                                           ".tif", ".tiff", ".heic", ".heif", ".avif", ".jxl", NULL};
    for (int i = 0; suffixes[i]; i++)
        if (ends_in(name, suffixes[i]))
            return 1;
    return 0;
}

static int is_archive(const char *name)
{
    static const char *const suffixes[] = {".tar", ".tar.gz", ".tgz", ".tar.xz", ".tar.zst", ".tar.bz2", NULL};
    for (int i = 0; suffixes[i]; i++)
        if (ends_in(name, suffixes[i]))
            return 1;
    return 0;
}

int photo_is_likely(const char *name, const void *bytes, size_t size)
{
    return is_called_photo(name) || caption_image_type(bytes, size);
}

static int is_photo_file(const char *name, const char *path)
{
    unsigned char bytes[FIRST_BYTES];
    if (is_called_photo(name))
        return 1;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    ssize_t size = fd < 0 ? 0 : read(fd, bytes, sizeof bytes);
    if (fd >= 0)
        close(fd);
    return size > 0 && photo_is_likely(name, bytes, (size_t)size);
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

static int add(photo_source *s, const char *name, caption_error *err)
{
    if (s->count == s->room) {
        const size_t room = s->room ? 2 * s->room : 64;
        char **names = realloc(s->names, room * sizeof *names);
        if (!names)
            return caption_fail(err, CAPTION_ENOMEM, "out of memory for %zu names", room);
        s->names = names;
        s->room = room;
    }
    if (!(s->names[s->count] = strdup(name)))
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for a name");
    s->count++;
    return CAPTION_OK;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static int is_file(const FTSENT *entry)
{
    struct stat found;
    return entry->fts_info == FTS_F ||
           (entry->fts_info == FTS_SL && stat(entry->fts_accpath, &found) == 0 && S_ISREG(found.st_mode));
}

static int add_entry(photo_source *s, FTS *tree, FTSENT *entry, caption_error *err)
{
    const int hidden = entry->fts_level > 0 && entry->fts_name[0] == '.';
    if (entry->fts_info == FTS_DNR || entry->fts_info == FTS_ERR)
        return caption_fail(err, CAPTION_EIO, "%s: %s", entry->fts_path, strerror(entry->fts_errno));
    if (entry->fts_info == FTS_D && entry->fts_level > 0 && (hidden || !s->options.recursive))
        fts_set(tree, entry, FTS_SKIP);
    if (hidden || !is_file(entry) || !is_photo_file(entry->fts_name, entry->fts_accpath))
        return CAPTION_OK;
    return add(s, entry->fts_path, err);
}

static int add_directory(photo_source *s, char *path, caption_error *err)
{
    char *const roots[] = {path, NULL};
    int status = CAPTION_OK;
    for (size_t length = strlen(path); length > 1 && path[length - 1] == '/';)
        path[--length] = '\0'; /* or it stands in every name */
    FTS *tree = fts_open(roots, FTS_PHYSICAL | FTS_NOCHDIR, by_name);
    if (!tree)
        return caption_fail(err, CAPTION_EIO, "%s: %s", path, strerror(errno));
    for (FTSENT *entry; status == CAPTION_OK && (entry = fts_read(tree));)
        status = add_entry(s, tree, entry, err);
    fts_close(tree);
    return status;
}

static int add_operand(photo_source *s, char *path, caption_error *err)
{
    struct stat found;
    if (strcmp(path, "-") != 0 && stat(path, &found) == 0 && S_ISDIR(found.st_mode))
        return add_directory(s, path, err);
    s->archives += is_archive(path);
    return add(s, path, err);
}

static int add_list(photo_source *s, const char *path, caption_error *err)
{
    FILE *list = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    char *line = NULL;
    size_t room = 0;
    int status = CAPTION_OK;
    if (!list)
        return caption_fail(err, CAPTION_EIO, "%s: %s", path, strerror(errno));
    for (ssize_t length; status == CAPTION_OK && (length = getline(&line, &room, list)) >= 0;) {
        if (length > 0 && line[length - 1] == '\n')
            line[length - 1] = '\0';
        if (*line)
            status = add_operand(s, line, err);
    }
    if (status == CAPTION_OK && ferror(list))
        status = caption_fail(err, CAPTION_EIO, "%s: %s", path, strerror(errno));
    free(line);
    if (list != stdin)
        fclose(list);
    return status;
}

int photo_source_open(photo_source **out, const photo_source_options *options, char **operands, int n,
                      caption_error *err)
{
    photo_source *s = *out = calloc(1, sizeof *s);
    if (!s)
        return caption_fail(err, CAPTION_ENOMEM, "out of memory for a list of photos");
    s->options = *options;
    int status = CAPTION_OK;
    for (int i = 0; i < n && status == CAPTION_OK; i++)
        status = add_operand(s, operands[i], err);
    if (status == CAPTION_OK && options->files_from)
        status = add_list(s, options->files_from, err);
    return status;
}

void photo_source_close(photo_source *s)
{
    if (!s)
        return;
    photo_archive_close(s->archive);
    for (size_t i = 0; i < s->count; i++)
        free(s->names[i]);
    free(s->names);
    free(s);
}

/* ---- one after the other ----------------------------------------------------------------------------------------- */

void source_photo_free(source_photo *p)
{
    free(p->name);
    free(p->bytes);
    *p = (source_photo){0};
}

/* The next of all, whichever shard's. */
static int next_of_all(photo_source *s, source_photo *out)
{
    *out = (source_photo){0};
    for (;;) {
        if (s->archive) {
            if (photo_archive_next(s->archive, s->options.max_bytes, out))
                return 1;
            photo_archive_close(s->archive);
            s->archive = NULL;
        }
        if (s->next == s->count)
            return 0;
        const char *name = s->names[s->next++];
        if (!is_archive(name)) {
            out->name = strdup(name);
            return out->name != NULL;
        }
        if (photo_archive_open(&s->archive, name, &out->err) != CAPTION_OK) {
            out->name = strdup(name);
            return out->name != NULL;
        }
    }
}

static int is_wanted(photo_source *s, const source_photo *p)
{
    const photo_shard *shard = &s->options.shard;
    const long number = s->number++;
    if (shard->count > 0 && number % shard->count != shard->index % shard->count)
        return 0;
    if (!s->options.skip || !s->options.skip(s->options.context, p->name))
        return 1;
    s->skipped++;
    return 0;
}

int photo_source_next(photo_source *s, source_photo *out)
{
    while (next_of_all(s, out)) {
        if (is_wanted(s, out))
            return 1;
        source_photo_free(out);
    }
    return 0;
}

long photo_source_count(const photo_source *s)
{
    const photo_shard *shard = &s->options.shard;
    const long count = (long)s->count;
    if (s->archives)
        return -1;
    return shard->count > 0 ? (count - shard->index % shard->count + shard->count - 1) / shard->count : count;
}

long photo_source_skipped(const photo_source *s)
{
    return s->skipped;
}
