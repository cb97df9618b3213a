/* caption_records.h: captions on the way from a file to a dataset (caption_file.h). */
#ifndef SERVER_CAPTION_RECORDS_H
#define SERVER_CAPTION_RECORDS_H

#include "server/store/caption_file.h"

typedef struct caption_records {
    const char *path, *images; /* of the file, and the directory (or NULL) */
    caption_part part;         /* that is wanted */
    int divided;
    const char *noun;            /* what a record is called */
    caption_dataset_record *all; /* [n] whose strings are malloc'd */
    size_t n, room;
    caption_error *err;
} caption_records;

/* "PATH: NOUN NUMBER: ..." as CAPTION_EFORMAT. */
int caption_records_fail(const caption_records *r, size_t number, const char *reason);

/* Adds a copy; a file name that is not NULL-terminated is given with its length. */
int caption_records_add(caption_records *r, const char *file, size_t length, const char *caption, size_t number);

/* Reads JSON. */
int caption_records_json(caption_records *r, const char *text, size_t size);

#endif
