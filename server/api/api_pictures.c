/* api_pictures.c: POST /v1/fool, /v1/visualize, /v1/invert, /v1/dream: jobs that make pictures; and those pictures.
 *
 * The photo is in the job's directory, on the disk, before the job can be seen and before the answer: whoever takes the
 * job finds it there. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/api/api.h"
#include "server/api/data.h"
#include "server/api/job_json.h"
#include "server/base/durable.h"
#include "server/decode/cage.h"
#include "server/engine/models.h"
#include "server/http/disk.h"
#include "server/http/input.h"
#include "server/jobs/job_files.h"
#include "server/jobs/job_run.h"
#include "server/jobs/job_store.h"
#include "server/jobs/jobs.h"
#include "server/jobs/visual_request.h"
#include "server/store/store.h"

/* ---- checking: on a disk thread; each returns 0, or 1 with *p set -------------------------------------------------
 */

/* The whole photo, not its header alone: a job that must fail is not taken. */
static int check_photo(const visual_request *request, const server *s, problem *p)
{
    caption_error err;
    caption_image *pixels = request->image ? malloc(sizeof *pixels) : NULL;
    if (!request->image)
        return 0;
    if (!pixels)
        return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    const cage_work work = {.file = request->image,
                            .size = request->image_size,
                            .limits = {.max_pixels = (size_t)s->config->max_pixels},
                            .image = pixels};
    int status = cage_decode(s->upload_cage, &work, &err);
    free(pixels);
    return status ? input_refuse_image(status, "", err.message, p) : 0;
}

/* The job keeps the model by name, so that it ends the same whatever becomes the default meanwhile. */
static int check_word(visual_request *request, const server *s, problem *p)
{
    char name[WEIGHTS_NAME_BYTES];
    caption_error err;
    if (!visual_request_is_of_word(request))
        return 0;
    caption_model *model = registry_take(s->registry, request->model, name);
    if (!model)
        return registry_refuse(s->registry, request->model, p);
    strcpy(request->model, name);
    const caption_target target = visual_request_target(request, model);
    int status = caption_target_check(&target, &err);
    caption_model_release(model);
    return status ? problem_set(p, PROBLEM_BAD_OPTION, "%s", err.message) : 0;
}

/* ---- queueing -----------------------------------------------------------------------------------------------------
 */

typedef struct submission {
    server *server;
    const visual_request *request;
    job_files files; /* the job's, held until it is seen */
    int held;
} submission;

static int store_fault(const caption_error *err, problem *p)
{
    return problem_set(p, durable_no_room(errno) ? PROBLEM_DISK_FULL : PROBLEM_INTERNAL, "%s", err->message);
}

/* Holds the job's directory, so that nobody takes it for one that was forgotten, and puts the photo there. Upon failure
 * removes it before the transaction is undone: from then on the next job may get this number. */
static int prepare(void *context, long long id, problem *p)
{
    submission *s = context;
    caption_error err;
    const visual_request *r = s->request;
    if (!r->image)
        return 0;
    errno = 0;
    s->held = job_files_take(&s->files, store_directory(s->server->store), id, &err) == CAPTION_OK;
    if (s->held && !picture_files_put(s->files.directory, picture_input, r->image, r->image_size, &err) &&
        !job_files_flush(&s->files, &err))
        return 0;
    int failed = store_fault(&err, p);
    if (s->held)
        job_files_remove(&s->files);
    s->held = 0;
    return failed;
}

/* Is the model that knows the word still there, now that it cannot go any more? */
static int check(void *context, problem *p)
{
    const submission *s = context;
    registry_facts facts;
    models_look(s->server->models);
    if (!*s->request->model || registry_find(s->server->registry, s->request->model, &facts))
        return 0;
    return registry_refuse(s->server->registry, s->request->model, p);
}

static int add_job(server *s, const visual_request *request, long long *id, problem *p)
{
    submission what = {.server = s, .request = request};
    char needs[JOB_NAME_BYTES];
    snprintf(needs, sizeof needs, JOB_NAME_MODEL, request->model);
    char *json = visual_request_json(request);
    if (!json)
        return problem_set(p, PROBLEM_MEMORY_FULL, "out of memory");
    const job_order order = {.kind = caption_visual_name(request->visual),
                             .lane = job_pictures_lane.name,
                             .open = s->config->max_picture_jobs,
                             .needs = needs,
                             .request = json,
                             .check = check,
                             .prepare = prepare,
                             .context = &what};
    int failed = job_store_add(s->job_store, &order, id, p);
    free(json);
    if (what.held && failed) /* to commit */
        job_files_remove(&what.files);
    else if (what.held)
        job_files_leave(&what.files);
    return failed;
}

static void submit(http_request *r, void *context)
{
    visual_request *request = context;
    server *s = r->server;
    job_record record;
    problem p = {.kind = PROBLEM_NONE};
    long long id;
    if (check_photo(request, s, &p) || check_word(request, s, &p) ||
        store_check_free(s->store, request->image_size, &p) || add_job(s, request, &id, &p) ||
        job_store_get(s->job_store, id, &record, &p)) {
        http_answer_problem(r, &p);
        return;
    }
    jobs_wake(s->jobs);
    snprintf(r->location, sizeof r->location, "/v1/jobs/%lld", id);
    cJSON *answer = job_json(&record, 1);
    job_record_free(&record);
    http_answer_json(r, 202, json_finish(answer, answer != NULL));
}

static void release(void *context)
{
    visual_request *request = context;
    if (request)
        visual_request_free(request);
    free(request);
}

static void begin(http_request *r, caption_visual visual)
{
    problem p = {.kind = PROBLEM_NONE};
    visual_request *request = calloc(1, sizeof *request);
    if (!request)
        problem_set(&p, PROBLEM_MEMORY_FULL, "out of memory");
    else if (!data_jobs_not_ready(r, &p) &&
             !visual_request_read(request, visual, r, registry_encoder(r->server->registry), &p)) {
        free(r->body); /* the photo was taken, or is a copy; its bytes stay charged for it */
        r->body = NULL;
        disk_run(r, submit, request, release);
        return;
    }
    release(request);
    http_answer_problem(r, &p);
}

void api_fool(http_request *r)
{
    begin(r, CAPTION_FOOL);
}

void api_visualize(http_request *r)
{
    begin(r, CAPTION_VISUALIZE);
}

void api_invert(http_request *r)
{
    begin(r, CAPTION_INVERT);
}

void api_dream(http_request *r)
{
    begin(r, CAPTION_DREAM);
}

/* ---- the pictures --------------------------------------------------------------------------------------------------
 */

static void send_picture(http_request *r, void *context)
{
    problem p;
    job_record record;
    size_t size;
    long long id = api_job_id(r->parameter[0]);
    (void)context;
    if (job_store_get(r->server->job_store, id, &record, &p)) {
        http_answer_problem(r, &p);
        return;
    }
    job_record_free(&record);
    int fd = picture_files_open(store_directory(r->server->store), id, r->parameter[1], &size);
    if (fd >= 0) {
        http_answer_file(r, fd, size, "image/png");
        return;
    }
    problem_set(&p, PROBLEM_UNKNOWN_PICTURE, "job %lld has no picture \"%.64s\" now", id, r->parameter[1]);
    http_answer_problem(r, &p);
}

void api_job_picture(http_request *r)
{
    problem p;
    if (data_jobs_not_ready(r, &p) || input_read_nothing(r, &p))
        http_answer_problem(r, &p);
    else
        disk_run(r, send_picture, NULL, NULL);
}
