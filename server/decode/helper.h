/* helper.h: the process that decodes, and the memory that it shares with the one that asks.
 *
 * A helper is this very program, started as `captiond decode-helper` with two inherited files: a socket, on which a
 * byte asks and a byte answers, and the shared memory. It locks itself up (lockdown.h), then decodes one image after
 * the other; when the socket closes, or the thread that started it ends, so does it.
 *
 * The helper is not trusted once it has seen an image: whoever reads `answer` checks it, and nothing that matters is
 * read from the shared memory twice. */
#ifndef SERVER_DECODE_HELPER_H
#define SERVER_DECODE_HELPER_H

#include "model/caption.h"

enum {
    HELPER_SOCKET = 3, /* the files a helper begins with */
    HELPER_MEMORY = 4,
    HELPER_SIDE = 4096, /* pixels, longest side of a picture that a helper gives back */
    HELPER_PICTURE_BYTES = HELPER_SIDE * HELPER_SIDE * 3,
};

#define HELPER_COMMAND "decode-helper"

enum { HELPER_ASKED = -1 };

/* What is decoded of the image, as bits. */
enum { HELPER_IMAGE = 1, HELPER_PICTURE = 2 };

typedef struct helper_question {
    int wanted;   /* bits */
    int max_side; /* of the picture */
    size_t size;  /* of the image's file */
    caption_image_limits limits;
} helper_question;

typedef struct helper_answer {
    int status; /* caption_status; HELPER_ASKED until the helper has read the question */
    caption_error reason;
    int width, height; /* of the picture */
} helper_answer;

/* The shared memory. Its pages come into being as they are touched. */
typedef struct helper_memory {
    size_t memory_mb; /* that a helper may take beyond what it begins with */
    helper_question question;
    helper_answer answer;
    caption_image image;
    unsigned char picture[HELPER_PICTURE_BYTES]; /* [height, width, 3] */
    unsigned char file[];                        /* the image as it was uploaded */
} helper_memory;

/* The life of a helper; returns its exit status. */
int helper_main(void);

/* Answers the question about an image's file: what a helper does for each, and what fuzzers call. `memory` may be any
 * memory of that layout; `file` may lie elsewhere. */
void helper_serve(helper_memory *memory, const unsigned char *file);

#endif
