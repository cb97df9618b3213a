/* queue.h: the bounded queue between the threads that receive requests and the workers that write captions.
 *
 * A ticket is one request: one or several images, one model, one set of options. The submitter owns it; between
 * queue_submit and the call of its `finish` it belongs to the queue. `finish` is called exactly once, from a worker or
 * the watch thread, without any lock held. Workers see single images, so that one batch may mix requests and one
 * request may be spread over batches. */
#ifndef SERVER_QUEUE_H
#define SERVER_QUEUE_H

#include <stdatomic.h>

#include "model/visualize.h"

typedef enum ticket_outcome {
    TICKET_OPEN,     /* not decided yet */
    TICKET_DONE,     /* every image has its result */
    TICKET_FAILED,   /* an image failed: failed_image; its status and reason say why */
    TICKET_EXPIRED,  /* the deadline passed while images were waiting */
    TICKET_GONE,     /* the client closed its connection */
    TICKET_SHUTDOWN, /* the queue was stopped first */
} ticket_outcome;

typedef struct ticket_image {
    const unsigned char *bytes;
    size_t size;
    /* the worker's part */
    int status; /* caption_status */
    caption_error reason;
    caption_result result;  /* the best; without tokens unless ticket.tokens */
    caption_result *others; /* [n_others] the next best, malloc'd (results.h) */
    int n_others;
    void *tokens;            /* what all tokens lie in, malloc'd */
    caption_picture picture; /* the image itself, if ticket.picture_side */
    double decode_ms;
} ticket_image;

typedef struct ticket {
    /* filled in by the submitter */
    ticket_image *images;
    int n;
    const caption_model *model;
    caption_options options;
    int tokens;                 /* are the captions' tokens wanted? */
    int picture_side;           /* images are wanted, too, no side longer than this; 0: they are not */
    struct cage_budget *budget; /* of decoding them (decode/cage.h) */
    atomic_int failed;          /* an image has; the others need not be worked on any more */

    /* What is to be done with an image instead of captioning it; NULL: caption it. Called on a worker, with its session
     * and without any lock; returns a caption_status. Such work may take long, so its images are handed out one by one,
     * and where there are several workers, one of them is always left for captions. */
    int (*work)(struct ticket *t, int image, caption_session *session, caption_error *reason);

    int fd; /* the client's socket, watched for hang-up */
    void (*finish)(struct ticket *t);
    void *context;

    /* to be read in finish */
    ticket_outcome outcome;
    int failed_image;
    double queue_ms, decode_ms, encode_ms, caption_ms; /* the stages' wall time, summed over this ticket's batches */

    /* the queue's own */
    struct ticket *previous, *next;
    unsigned long long serial;
    double submitted, deadline; /* clock_ms */
    int taken, in_hand, done;   /* images: handed out so far, in workers' hands now, back */
} ticket;

typedef struct queue_item {
    ticket *ticket;
    int image;
} queue_item;

typedef struct queue_limits {
    int capacity;      /* images that may wait */
    int batch;         /* images handed out at once */
    int batch_wait_ms; /* how long images may wait for a batch to fill */
    int deadline_ms;   /* how long a ticket may wait */
    int workers;       /* threads that will call queue_take, for the estimate of Retry-After */
} queue_limits;

/* What the stages of one batch took. */
typedef struct batch_times {
    double encode_ms, caption_ms;
} batch_times;

typedef struct queue queue;

/* Starts the watch thread too. */
int queue_new(queue **out, const queue_limits *limits, caption_error *err);

/* When every worker has come back from queue_take with 0. NULL is allowed. */
void queue_free(queue *q);

/* Takes the ticket, or refuses at once: returns 0, or the seconds after which a retry may fit, or QUEUE_STOPPED. */
enum { QUEUE_STOPPED = -1 };
int queue_submit(queue *q, ticket *t);

/* For workers: waits for images and hands out up to limits.batch of them; 0 when stopped. Images of a ticket are
 * contiguous and in order. */
int queue_take(queue *q, queue_item *items);

/* Brings back what queue_take handed out, with the status of each image set; finishes the tickets that are complete. */
void queue_give(queue *q, const queue_item *items, int n, const batch_times *times);

/* From now on no batch waits to fill: what is there is to be finished. */
void queue_drain(queue *q);

/* Ends what still waits with TICKET_SHUTDOWN, refuses more, and sends the workers home. */
void queue_stop(queue *q);

const queue_limits *queue_limits_of(const queue *q);
int queue_waiting(queue *q); /* images, of both sorts */

#endif
