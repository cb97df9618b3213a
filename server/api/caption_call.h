/* caption_call.h: the way of a request through the queue of captions: images and options in, results or a problem out.
 *
 * Every route that wants something of the workers is thin over it and says only how its body is read and how its answer
 * is written:
 *
 *     static int read(caption_call *c, problem *p) { return caption_input_body(&c->input, c->request, p); }
 *     static void answer(caption_call *c) { http_answer_json(c->request, 200, json_of(c->ticket.images[0].result)); }
 *
 *     static const caption_form form = {.read = read, .answer = answer};
 *     void api_something(http_request *r) { caption_call_start(r, &form); }
 *
 * What is common lies here: nothing is taken while loading or draining, every image is checked by its header, the model
 * is found, the connection is suspended, a full queue refuses at once, a client that left or a deadline that passed
 * drops the call before work is spent on it, and each of these is logged and answered with its problem. One faulty
 * image refuses its whole request and is named in the detail. */
#ifndef SERVER_CAPTION_CALL_H
#define SERVER_CAPTION_CALL_H

#include <stdio.h>

#include "server/api/caption_input.h"
#include "server/api/server.h"
#include "server/decode/cage.h"
#include "server/work/queue.h"

struct caption_form;

/* One request on its way. */
typedef struct caption_call {
    http_request *request;
    const struct caption_form *form;
    caption_input input;                 /* what was asked; for `read` to fill */
    char model_name[WEIGHTS_NAME_BYTES]; /* the model's full name, when it was found */
    caption_model *model;
    int picture_side; /* images are wanted again in the answer, no side longer than this; for `read` to set; 0: not */
    cage_budget budget;
    ticket ticket; /* the results: ticket.images[0 .. ticket.n) in the order of the input's images */
    void *own;     /* what the form's `read` wants to know in its `answer`; NULL if it sets nothing */
} caption_call;

typedef struct caption_form {
    /* On the HTTP thread: fills c->input. Returns 0, or 1 with *p set. */
    int (*read)(caption_call *c, problem *p);

    /* On a worker, instead of captioning: works on the i-th image (ticket.work); NULL: captions are wanted. */
    int (*work)(struct caption_call *c, int image, caption_session *session, caption_error *reason);

    /* When every image has its result: answers c->request. On a worker if that costs next to nothing, else (is_heavy;
     * NULL: never) on a thread for answers, so that captions go on. What takes long asks http_unwanted between its
     * steps. */
    void (*answer)(caption_call *c);
    int (*is_heavy)(const caption_call *c);

    /* Frees c->own; NULL if there is nothing to free. */
    void (*release)(void *own);
} caption_form;

/* For work: the i-th image in one or both of its forms (cage_work). */
int caption_call_decode(caption_call *c, int i, caption_image *image, caption_picture *picture, int max_side,
                        caption_error *err);

/* For `answer`: refuses after all, because the answer is not wanted any more (http_unwanted). */
void caption_call_refuse(caption_call *c, const problem *p);

/* For handlers: reads the request and queues it, or answers it with a problem. `form` lives as long as the program. */
void caption_call_start(http_request *request, const caption_form *form);

/* What is counted of them, for metrics_register. */
void caption_call_metrics(FILE *out, void *unused);

#endif
