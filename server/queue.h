/* queue.h: the bounded queue between the threads that receive requests and the workers that write captions.
 *
 * A job is one request: one or several images, one model, one set of options. The submitter owns it; between
 * queue_submit and the call of its `finish` it belongs to the queue. `finish` is called exactly once, from a worker or
 * the watch thread, without any lock held. Workers see single images, so that one batch may mix requests and one
 * request may be spread over batches. */
#ifndef SERVER_QUEUE_H
#define SERVER_QUEUE_H

#include "model/caption.h"

typedef enum job_outcome {
    JOB_OPEN,     /* not decided yet */
    JOB_DONE,     /* every image has its result */
    JOB_FAILED,   /* an image failed: failed_image, failed_status, failed_reason */
    JOB_EXPIRED,  /* the deadline passed while images were waiting */
    JOB_GONE,     /* the client closed its connection */
    JOB_SHUTDOWN, /* the queue was stopped first */
} job_outcome;

typedef struct job_image {
    const unsigned char *bytes;
    size_t size;
    /* the worker's part */
    int status; /* caption_status */
    caption_error reason;
    caption_result result;
    double decode_ms;
} job_image;

typedef struct job {
    /* filled in by the submitter */
    job_image *images;
    int n;
    const caption_model *model;
    caption_options options;
    int fd; /* the client's socket, watched for hang-up */
    void (*finish)(struct job *job);
    void *context;

    /* to be read in finish */
    job_outcome outcome;
    int failed_image;
    double queue_ms, decode_ms, encode_ms, caption_ms; /* the stages' wall time, summed over this job's batches */

    /* the queue's own */
    struct job *previous, *next;
    unsigned long long serial;
    double submitted, deadline; /* clock_ms */
    int taken, in_hand, done;   /* images: handed out so far, in workers' hands now, back */
} job;

typedef struct queue_item {
    job *job;
    int image;
} queue_item;

typedef struct queue_limits {
    int capacity;      /* images that may wait */
    int batch;         /* images handed out at once */
    int batch_wait_ms; /* how long images may wait for a batch to fill */
    int deadline_ms;   /* how long a job may wait */
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

/* Takes the job, or refuses at once: returns 0, or the seconds after which a retry may fit. */
int queue_submit(queue *q, job *job);

/* For workers: waits for images and hands out up to limits.batch of them; 0 when stopped. Images of a job are
 * contiguous and in order. */
int queue_take(queue *q, queue_item *items);

/* Brings back what queue_take handed out, with the status of each image set; finishes the jobs that are complete. */
void queue_give(queue *q, const queue_item *items, int n, const batch_times *times);

/* From now on no batch waits to fill: what is there is to be finished. */
void queue_drain(queue *q);

/* Ends what still waits with JOB_SHUTDOWN, refuses more, and sends the workers home. */
void queue_stop(queue *q);

int queue_waiting(queue *q); /* images */

#endif
