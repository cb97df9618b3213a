/* api_caption.c: POST /v1/caption.
 *
 * On the HTTP thread: find out the form of the body, collect images and options, check every image by its header, find
 * the model; then suspend and queue. When the ticket has ended, on a worker or the watch thread: build the answer,
 * resume. One faulty image refuses its whole request and is named in the detail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/api.h"
#include "server/clock.h"
#include "server/http/json.h"
#include "server/input/caption_input.h"
#include "server/input/input.h"
#include "server/log.h"

/* One request on its way through the queue. */
typedef struct call {
    http_request *request;
    caption_input input;
    caption_model *model;
    char model_name[WEIGHTS_NAME_BYTES];
    ticket ticket;
    ticket_image images[];
} call;

/* ---- the request: each function returns 0, or 1 with *p set ------------------------------------------------------ */

typedef struct parameter_reader {
    caption_input *input;
    problem *problem;
} parameter_reader;

static int read_parameter(void *context, const char *name, const char *value)
{
    parameter_reader *reader = context;
    return caption_input_option(reader->input, name, value, reader->problem);
}

/* curl --data-binary says application/x-www-form-urlencoded unless told otherwise; believe the bytes then. */
static int is_raw_image(const char *type, const http_request *r)
{
    if (!type || input_is_type(type, "image/") || input_is_type(type, "application/octet-stream"))
        return 1;
    return input_is_type(type, "application/x-www-form-urlencoded") && caption_image_type(r->body, r->size) != NULL;
}

static int read_body(http_request *r, const char *type, caption_input *input, problem *p)
{
    if (r->size == 0)
        return problem_set(p, PROBLEM_EMPTY_BODY, "send an image, form data or JSON");
    if (type && input_is_type(type, "multipart/form-data"))
        return caption_input_multipart(input, r, p);
    if (type && input_is_type(type, "application/json"))
        return caption_input_json(input, (const char *)r->body, r->size, p);
    if (!is_raw_image(type, r))
        return problem_set(p, PROBLEM_UNSUPPORTED_MEDIA,
                           "%.100s is none of image/*, application/octet-stream, multipart/form-data, application/json",
                           type);
    unsigned char *bytes = r->body;
    r->body = NULL;
    return caption_input_add(input, bytes, r->size, p);
}

enum { CALLED_BYTES = 48 };

/* How a refusal names the i-th of n images: by nothing if there is but one. */
static const char *call_image(char called[CALLED_BYTES], int i, int n)
{
    *called = '\0';
    if (n > 1)
        snprintf(called, CALLED_BYTES, "image %d of %d: ", i + 1, n);
    return called;
}

static int check_images(const caption_input *input, const config *c, problem *p)
{
    char called[CALLED_BYTES];
    int width, height;
    if (input->n == 0)
        return problem_set(p, PROBLEM_MISSING_IMAGE, "no part or member called image");
    for (int i = 0; i < input->n; i++)
        if (input_check_image(input->images[i].bytes, input->images[i].size, c, call_image(called, i, input->n), &width,
                              &height, p))
            return 1;
    return 0;
}

static int read_request(http_request *r, caption_input *input, problem *p)
{
    parameter_reader reader = {input, p};
    if (caption_input_new(input, r->server->config->max_parts, p) || http_each_parameter(r, read_parameter, &reader) ||
        read_body(r, http_header(r, "Content-Type"), input, p))
        return 1;
    free(r->body); /* the images are copies, unless they are the body; its bytes stay charged for them */
    r->body = NULL;
    return check_images(input, r->server->config, p);
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static int add_caption(cJSON *captions, const caption_result *result)
{
    cJSON *item = cJSON_CreateObject();
    if (cJSON_AddStringToObject(item, "text", result->text) && json_add_rounded(item, "logprob", result->logprob, 4) &&
        cJSON_AddNumberToObject(item, "words", result->words) &&
        cJSON_AddBoolToObject(item, "finished", result->finished) && cJSON_AddItemToArray(captions, item))
        return 1;
    cJSON_Delete(item);
    return 0;
}

static char *captions_json(const call *c)
{
    const ticket *t = &c->ticket;
    cJSON *answer = cJSON_CreateObject();
    cJSON *captions = cJSON_AddArrayToObject(answer, "captions");
    int good = captions != NULL;
    for (int i = 0; good && i < t->n; i++)
        good = add_caption(captions, &t->images[i].result);
    good = good && cJSON_AddStringToObject(answer, "model", c->model_name);
    cJSON *timing = cJSON_AddObjectToObject(answer, "timing");
    good = good && json_add_rounded(timing, "queue_ms", t->queue_ms, 2) &&
           json_add_rounded(timing, "decode_ms", t->decode_ms, 2) &&
           json_add_rounded(timing, "encode_ms", t->encode_ms, 2) &&
           json_add_rounded(timing, "caption_ms", t->caption_ms, 2) &&
           json_add_rounded(timing, "total_ms", clock_ms() - c->request->started, 2) &&
           cJSON_AddStringToObject(answer, "request_id", c->request->id);
    return json_finish(answer, good);
}

static void explain_outcome(const call *c, problem *p)
{
    const ticket *t = &c->ticket;
    const ticket_image *failed = &t->images[t->failed_image];
    char called[CALLED_BYTES];
    switch (t->outcome) {
    case TICKET_FAILED:
        input_refuse_image(failed->status, call_image(called, t->failed_image, t->n), failed->reason.message, p);
        break;
    case TICKET_EXPIRED:
        problem_set(p, PROBLEM_DEADLINE, "no worker was free for %d ms", c->request->server->config->deadline_ms);
        break;
    case TICKET_GONE:
        problem_set(p, PROBLEM_CLIENT_GONE, "dropped with %d of %d images captioned", t->done, t->n);
        break;
    case TICKET_SHUTDOWN:
        problem_set(p, PROBLEM_DRAINING, "the time to finish requests is over");
        break;
    case TICKET_OPEN:
    case TICKET_DONE:
        break;
    }
}

static void free_call(call *c)
{
    caption_input_free(&c->input);
    caption_model_release(c->model);
    free(c);
}

static void log_dropped(const call *c, const problem *p)
{
    log_line line;
    log_begin(&line, LOG_LEVEL_INFO, "dropped");
    log_text(&line, "id", c->request->id);
    log_text(&line, "reason", problem_name(p));
    log_text(&line, "detail", p->detail);
    log_end(&line);
}

/* The ticket's finish. */
static void on_finished(ticket *t)
{
    call *c = t->context;
    http_request *request = c->request;
    problem p = {.kind = PROBLEM_NONE};
    explain_outcome(c, &p);
    if (!p.kind) {
        http_answer_json(request, 200, captions_json(c));
    } else {
        log_dropped(c, &p);
        if (p.kind == PROBLEM_CLIENT_GONE)
            http_abandon(request, &p);
        else
            http_answer_problem(request, &p);
    }
    free_call(c);
    http_resume(request);
}

/* ---- the way in ----------------------------------------------------------------------------------------------------
 */

/* Moves *input into a new call and takes the model. */
static call *new_call(http_request *r, caption_input *input, problem *p)
{
    call *c = calloc(1, sizeof *c + (size_t)input->n * sizeof *c->images);
    if (!c) {
        problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
        return NULL;
    }
    c->model = registry_take(r->server->registry, input->model, c->model_name);
    if (!c->model) {
        problem_set(p, PROBLEM_UNKNOWN_MODEL, "there is no model \"%s\"", input->model);
        free(c);
        return NULL;
    }
    c->request = r;
    c->input = *input;
    *input = (caption_input){0};
    for (int i = 0; i < c->input.n; i++) {
        c->images[i].bytes = c->input.images[i].bytes;
        c->images[i].size = c->input.images[i].size;
    }
    c->ticket = (ticket){.images = c->images, .n = c->input.n, .model = c->model, .fd = http_socket(r), .context = c};
    c->ticket.options.max_words = c->input.max_words;
    c->ticket.finish = on_finished;
    return c;
}

static void log_queued(const http_request *r, int images)
{
    log_line line;
    log_begin(&line, LOG_LEVEL_DEBUG, "queued");
    log_text(&line, "id", r->id);
    log_integer(&line, "images", images);
    log_end(&line);
}

/* Suspends before it queues, because a worker may answer at any time after; then c may be gone, but r is not before
 * this thread returns. */
static void submit(http_request *r, call *c)
{
    int images = c->ticket.n;
    http_suspend(r);
    int retry_after = queue_submit(r->server->queue, &c->ticket);
    if (retry_after == 0) {
        log_queued(r, images);
        return;
    }
    problem p = {.kind = PROBLEM_NONE};
    problem_set(&p, PROBLEM_QUEUE_FULL, "%d images do not fit: %d of %d are waiting", images,
                queue_waiting(r->server->queue), r->server->config->queue);
    p.retry_after = retry_after;
    http_answer_problem(r, &p);
    free_call(c);
    http_resume(r);
}

void api_caption(http_request *r)
{
    problem p = {.kind = PROBLEM_NONE};
    caption_input input = {0};
    call *c = NULL;
    if (!http_not_ready(r, &p) && !read_request(r, &input, &p))
        c = new_call(r, &input, &p);
    caption_input_free(&input);
    if (c)
        submit(r, c);
    else
        http_answer_problem(r, &p);
}
