/* error.h: the one error convention of libcaption.
 *
 * Every function that can fail returns an `int`: CAPTION_OK (0) or one of the codes below, and writes one clear
 * sentence for a human into the caller's buffer. The library never exits, aborts or prints.
 *
 *     caption_error err;
 *     if (caption_encoder_open(&encoder, path, &err) != CAPTION_OK)
 *         fprintf(stderr, "%s\n", err.message);
 *
 * `err` may be NULL where only the code matters. Thread-safety: a buffer belongs to its caller; there is no global. */
#ifndef CAPTION_ERROR_H
#define CAPTION_ERROR_H

#pragma GCC visibility push(default) /* all else in the library is hidden */

#ifdef __cplusplus
extern "C" {
#endif

enum caption_status {
    CAPTION_OK = 0,
    CAPTION_EINVAL,       /* the caller asked for something impossible (an option out of range) */
    CAPTION_ENOMEM,       /* an allocation failed; nothing was changed */
    CAPTION_EIO,          /* a file could not be opened, read or written */
    CAPTION_EFORMAT,      /* bytes that are damaged or break their format */
    CAPTION_EUNSUPPORTED, /* a format, kind or version this build does not know */
    CAPTION_ELIMIT,       /* refused before any work: larger than a stated limit */
    CAPTION_ECANCELLED,   /* the caller's own callback asked to stop */
    CAPTION_ESTOPPED,     /* a decoder in a process of its own crashed, or took more than its budget */
};

typedef struct caption_error {
    char message[768]; /* NUL-terminated, no newline; names the file, tensor or line at fault */
} caption_error;

/* Formats the message (truncating) and returns `code`, so that a failure is one line:
 *     return caption_fail(err, CAPTION_EFORMAT, "%s: tensor %s: NaN at element %zu", path, name, i); */
int caption_fail(caption_error *err, enum caption_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#ifdef __cplusplus
}
#endif

#pragma GCC visibility pop
#endif
