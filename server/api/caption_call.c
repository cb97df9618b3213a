/* caption_call.c: see caption_call.h.
 *
 * On the HTTP thread: read, check, find the model; then suspend and queue. When the ticket has ended, on a worker or
 * the watch thread: let the form answer, or refuse; resume. */
#include "server/api/caption_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/base/log.h"
#include "server/base/metrics.h"
#include "server/engine/results.h"
#include "server/http/disk.h"
#include "server/http/input.h"

static metrics_histogram queue_wait = {.bounds = &metrics_seconds};

void caption_call_metrics(FILE *out, void *unused)
{
    (void)unused;
    metrics_write_histogram(out, "captiond_queue_wait_seconds",
                            "How long requests waited for a worker to take their first image.", &queue_wait);
}

/* ---- the way in: each function returns 0, or 1 with *p set ------------------------------------------------------- */

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

static int read_request(caption_call *c, problem *p)
{
    http_request *r = c->request;
    if (caption_input_new(&c->input, r->http->config->max_parts, p) || c->form->read(c, p) ||
        caption_input_finish(&c->input, p))
        return 1;
    free(r->body); /* the images are copies, unless they are the body; its bytes stay charged for them */
    r->body = NULL;
    return check_images(&c->input, r->http->config, p);
}

static int find_model(caption_call *c, problem *p)
{
    c->model = registry_take(c->request->server->registry, c->input.model, c->model_name);
    if (!c->model)
        return registry_refuse(c->request->server->registry, c->input.model, p);
    if (c->input.attention && !caption_model_positions(c->model))
        return problem_set(p, PROBLEM_BAD_OPTION, "attention: model %s (%s) does not look at places of the photo",
                           c->model_name, caption_model_kind(c->model));
    if (caption_input_is_given(&c->input, "concepts") && c->input.options.concepts && !caption_model_concepts(c->model))
        return problem_set(p, PROBLEM_BAD_OPTION, "concepts: model %s (%s) predicts none", c->model_name,
                           caption_model_kind(c->model));
    return 0;
}

/* What it costs is known before it is queued. */
static int check_budget(const caption_call *c, problem *p)
{
    const config *limits = c->request->http->config;
    const caption_options *o = &c->input.options;
    int rows = o->decode == CAPTION_BEAM ? o->beam : o->n;
    long long words = (long long)c->input.n * rows * o->max_words;
    long long overlays = (long long)c->input.n * o->n * (o->max_words + 1);
    if (words > limits->max_answer_words)
        return problem_set(p, PROBLEM_OVER_BUDGET, "%d images x %d x %d words are %lld, --max-answer-words is %d",
                           c->input.n, rows, o->max_words, words, limits->max_answer_words);
    if (c->input.attention == ATTENTION_OVERLAY && overlays > limits->max_overlays)
        return problem_set(
            p, PROBLEM_OVER_BUDGET,
            "attention=overlay: %d images x %d captions x %d words are %lld pictures, --max-overlays is %d", c->input.n,
            o->n, o->max_words + 1, overlays, limits->max_overlays);
    return 0;
}

static int work_on(ticket *t, int image, caption_session *session, caption_error *reason)
{
    caption_call *c = t->context;
    return c->form->work(c, image, session, reason);
}

int caption_call_decode(caption_call *c, int i, caption_image *image, caption_picture *picture, int max_side,
                        caption_error *err)
{
    const server *s = c->request->server;
    const cage_work work = {
        .file = c->ticket.images[i].bytes,
        .size = c->ticket.images[i].size,
        .limits = {.max_pixels = (size_t)s->config->max_pixels},
        .budget = c->ticket.budget,
        .image = image,
        .picture = picture,
        .max_side = max_side,
    };
    return cage_decode(s->cage, &work, err);
}

static int make_ticket(caption_call *c, void (*finish)(ticket *t), problem *p)
{
    int n = c->input.n;
    ticket_image *images = calloc((size_t)n, sizeof *images);
    if (!images)
        return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    for (int i = 0; i < n; i++) {
        images[i].bytes = c->input.images[i].bytes;
        images[i].size = c->input.images[i].size;
    }
    c->ticket = (ticket){.images = images, .n = n, .model = c->model, .fd = http_socket(c->request)};
    c->ticket.options = c->input.options;
    c->ticket.tokens = c->input.logprobs || c->input.attention;
    c->ticket.picture_side = c->picture_side;
    c->ticket.budget = &c->budget;
    c->budget.ms = c->request->server->config->request_ms;
    c->ticket.work = c->form->work ? work_on : NULL;
    c->ticket.finish = finish;
    c->ticket.context = c;
    return 0;
}

static caption_call *new_call(http_request *r, const caption_form *form, problem *p)
{
    caption_call *c = calloc(1, sizeof *c);
    if (!c) {
        problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
        return NULL;
    }
    c->request = r;
    c->form = form;
    return c;
}

static void free_image(ticket_image *image)
{
    results_free(image);
    caption_picture_free(&image->picture);
}

/* NULL is allowed. */
static void free_call(caption_call *c)
{
    if (!c)
        return;
    if (c->own && c->form->release)
        c->form->release(c->own);
    caption_input_free(&c->input);
    caption_model_release(c->model);
    for (int i = 0; i < c->ticket.n; i++)
        free_image(&c->ticket.images[i]);
    free(c->ticket.images);
    free(c);
}

/* ---- the way out ------------------------------------------------------------------------------------------------- */

static void explain_outcome(const caption_call *c, problem *p)
{
    const ticket *t = &c->ticket;
    const ticket_image *failed = &t->images[t->failed_image];
    char called[CALLED_BYTES];
    switch (t->outcome) {
    case TICKET_FAILED:
        if (failed->status == CAPTION_EINVAL) /* an option that only the image shows to be wrong */
            problem_set(p, PROBLEM_BAD_OPTION, "%s", failed->reason.message);
        else
            input_refuse_image(failed->status, call_image(called, t->failed_image, t->n), failed->reason.message, p);
        break;
    case TICKET_EXPIRED:
        problem_set(p, PROBLEM_DEADLINE, "no worker was free for %d ms", c->request->http->config->deadline_ms);
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

static void log_dropped(const http_request *r, const problem *p)
{
    log_line line;
    log_begin(&line, LOG_LEVEL_INFO, "dropped");
    log_text(&line, "id", r->id);
    log_text(&line, "reason", problem_name(p));
    log_text(&line, "detail", p->detail);
    log_end(&line);
}

void caption_call_refuse(caption_call *c, const problem *p)
{
    http_request *request = c->request;
    log_dropped(request, p);
    if (p->kind == PROBLEM_CLIENT_GONE)
        http_abandon(request, p);
    else
        http_answer_problem(request, p);
}

/* On a thread for answers. What was given up midway is no failure of ours. */
static void answer_heavy(http_request *request, void *context)
{
    caption_call *c = context;
    problem p = {.kind = PROBLEM_NONE};
    log_line line;
    log_begin(&line, LOG_LEVEL_DEBUG, "answering");
    log_text(&line, "id", request->id);
    log_end(&line);
    if (!http_unwanted(request, &p))
        c->form->answer(c);
    else
        caption_call_refuse(c, &p);
}

static void release_call(void *context)
{
    free_call(context);
}

/* The ticket's finish. */
static void on_finished(ticket *t)
{
    caption_call *c = t->context;
    http_request *request = c->request;
    problem p = {.kind = PROBLEM_NONE};
    explain_outcome(c, &p);
    if (t->outcome == TICKET_DONE || t->outcome == TICKET_FAILED)
        metrics_observe(&queue_wait, t->queue_ms / 1e3);
    if (!p.kind && c->form->is_heavy && c->form->is_heavy(c)) {
        disk_continue(request->http->answers, request, answer_heavy, c, release_call);
        return;
    }
    if (p.kind)
        caption_call_refuse(c, &p);
    else
        c->form->answer(c);
    free_call(c);
    http_resume(request);
}

/* ---- start ------------------------------------------------------------------------------------------------------- */

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
static void submit(http_request *r, caption_call *c)
{
    int images = c->ticket.n;
    http_suspend(r);
    int retry_after = queue_submit(r->server->queue, &c->ticket);
    if (retry_after == 0) {
        log_queued(r, images);
        return;
    }
    problem p = {.kind = PROBLEM_NONE};
    if (retry_after == QUEUE_STOPPED) {
        problem_set(&p, PROBLEM_DRAINING, "the time to finish requests is over");
    } else {
        problem_set(&p, PROBLEM_QUEUE_FULL, "%d images do not fit: %d of %d are waiting", images,
                    queue_waiting(r->server->queue), r->http->config->queue);
        p.retry_after = retry_after;
    }
    http_answer_problem(r, &p);
    free_call(c);
    http_resume(r);
}

void caption_call_start(http_request *r, const caption_form *form)
{
    problem p = {.kind = PROBLEM_NONE};
    caption_call *c = http_not_ready(r, &p) ? NULL : new_call(r, form, &p);
    if (c && !read_request(c, &p) && !find_model(c, &p) && !check_budget(c, &p) && !make_ticket(c, on_finished, &p)) {
        submit(r, c);
        return;
    }
    free_call(c);
    http_answer_problem(r, &p);
}
