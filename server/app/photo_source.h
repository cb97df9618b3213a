/* photo_source.h: the photos that a command line names, one after the other: files, what is in directories, lists of
 * names, and archives.
 *
 *     FILE                 itself, whatever it is called; - is standard input
 *     DIRECTORY            the photos in it, by name; with `recursive` also those below, but nothing whose name begins
 *                          with a dot, and no link to a directory is followed
 *     ARCHIVE.tar[.gz...]  the photos in it, in its order, called ARCHIVE.tar/NAME (photo_archive.h)
 *
 * In directories and archives a photo is what is called like one (.jpg, .heic ...) or begins like one. Of these, one
 * shard of several may be all that is wanted, and some may have been seen to before. */
#ifndef SERVER_PHOTO_SOURCE_H
#define SERVER_PHOTO_SOURCE_H

#include <stddef.h>

#include "model/error.h"

typedef struct source_photo {
    char *name;           /* also the path, unless it has bytes; the caller's to free */
    unsigned char *bytes; /* NULL: to be read from the file; the caller's to free */
    size_t size;
    caption_error err; /* what is wrong with it already; an empty message: nothing */
} source_photo;

/* Of photos 0, 1, 2...: those whose number is `index` modulo `count`. */
typedef struct photo_shard {
    int index, count; /* count 0: all */
} photo_shard;

typedef struct photo_source_options {
    int recursive;
    const char *files_from; /* a file of names, one a line ("-": standard input), behind the operands; NULL: none */
    photo_shard shard;
    int (*skip)(void *context, const char *name); /* 1: seen to before; NULL: none is */
    void *context;
    size_t max_bytes; /* of a photo in an archive */
} photo_source_options;

typedef struct photo_source photo_source;

/* The options' strings and the operands must outlive the source. */
int photo_source_open(photo_source **out, const photo_source_options *options, char **operands, int n,
                      caption_error *err);
void photo_source_close(photo_source *s); /* NULL is allowed */

/* 1: *out is the next; 0: there is none. For one thread at a time. */
int photo_source_next(photo_source *s, source_photo *out);

/* How many photos there are, those skipped included; -1 if an archive hides it. */
long photo_source_count(const photo_source *s);

/* How many photos were skipped so far. */
long photo_source_skipped(const photo_source *s);

void source_photo_free(source_photo *p);

/* 1 if a file so called, beginning with these bytes, is taken for a photo. */
int photo_is_likely(const char *name, const void *bytes, size_t size);

#endif
